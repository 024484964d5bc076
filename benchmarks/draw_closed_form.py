"""The table and the figure of benchmarks/results/closed_form.json.

``python -m benchmarks.draw_closed_form`` makes them from the saved record and measures nothing.
"""

import json
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
from matplotlib.figure import Figure  # noqa: E402

RESULTS = Path(__file__).parent / "results"


def table_of(record):
    """Return one row per data set and method: seconds of the whole curve, times ours, peak memory, late error."""
    rows = []
    for name, found in record["sets"].items():
        for method, taken in found["seconds"].items():
            rows.append({"dataset": name, "n": found["n"], "dim": found["dim"], "method": method, "seconds": taken,
                         "times_ours": taken / found["seconds"]["curve"],
                         "peak_megabytes": found["peak_megabytes"].get(method),
                         "largest_relative_error_from_t_0.9":
                             found["largest_relative_error_from_t_0.9"].get(method)})
    return pd.DataFrame(rows)


def draw_record(record):
    """Return a figure: times ours per data set and method; growth of our cost with n, d and the number of times."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, *others = figure.subplots(1, 4, width_ratios=[2.2, 1, 1, 1])
    table = table_of(record).query("method != 'curve'").pivot(index="dataset", columns="method", values="times_ours")
    table.plot.bar(ax=left, rot=0, logy=True, xlabel="", ylabel="time, in units of ours")
    left.axhline(1, color="black", linewidth=0.8)
    left.legend(fontsize=8, title="")
    growth = pd.DataFrame(record["growth"], columns=["varied", "value", "seconds"])
    for ax, (varied, label) in zip(others, [("n", "rows n"), ("dim", "dimension d"), ("times", "times")], strict=True):
        part = growth[growth["varied"] == varied]
        ax.plot(part["value"], part["seconds"], marker="o")
        ax.set(xlabel=label, ylabel="seconds of the curve", xlim=(0, None), ylim=(0, None))
    machine = record["machine"]
    figure.suptitle(f"256 pairs, 100 times; {machine['processor']}, {machine['threads']} threads, "
                    f"{machine['largest_product_rate_gflops']:.0f} GFLOP/s at most", fontsize=9)
    return figure


if __name__ == "__main__":
    found = json.loads((RESULTS / "closed_form.json").read_text())
    table_of(found).to_csv(RESULTS / "closed_form.csv", index=False, float_format="%.4g")
    draw_record(found).savefig(RESULTS / "closed_form.png", dpi=120)
