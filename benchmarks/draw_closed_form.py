"""The table and the figure of benchmarks/results/closed_form.json.

``python -m benchmarks.draw_closed_form`` makes them from the saved record and measures nothing.
"""

import json
import statistics
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
                         "times_ours": found["times_ours"].get(method, 1.0),
                         "peak_megabytes": found["peak_megabytes"].get(method),
                         "largest_relative_error_from_t_0.9":
                             found["largest_relative_error_from_t_0.9"].get(method)})
    return pd.DataFrame(rows)


def draw_record(record):
    """Return a figure: times ours per data set and method; growth of our cost with n, d, number of times, and ranks."""
    figure = Figure(figsize=(12.5, 3.6), layout="constrained")
    left, *others, right = figure.subplots(1, 5, width_ratios=[2.2, 1, 1, 1, 0.8])
    table = table_of(record).query("method != 'curve'").pivot(index="dataset", columns="method", values="times_ours")
    table.plot.bar(ax=left, rot=0, logy=True, xlabel="", ylabel="time, in units of ours")
    left.axhline(1, color="black", linewidth=0.8)
    left.legend(fontsize=8, title="")
    growth = pd.DataFrame(record["growth"], columns=["varied", "value", "seconds"])
    for ax, (varied, label) in zip(others, [("n", "rows n"), ("dim", "dimension d"), ("times", "times")], strict=True):
        part = growth[growth["varied"] == varied]
        ax.plot(part["value"], part["seconds"], marker="o")
        ax.set(xlabel=label, ylabel="seconds of the curve", xlim=(0, None), ylim=(0, None))
    _draw_ranks(right)
    machine = record["machine"]
    figure.suptitle(f"256 pairs, 100 times; {machine['processor']}, {machine['threads']} threads, "
                    f"{machine['largest_product_rate_gflops']:.0f} GFLOP/s at most", fontsize=9)
    return figure


def _draw_ranks(ax):
    """Draw what benchmarks/ranks.py measured: the medians, and every run as a point."""
    record = json.loads((RESULTS / "ranks.json").read_text())["curve"]
    for x, name in enumerate(["one_process_two_threads", "two_ranks_one_thread_each"]):
        taken = [run["seconds"] for run in record[name]]
        ax.bar(x, statistics.median(taken), width=0.6, color="tab:blue")
        ax.plot([x] * len(taken), taken, ".", color="black")
    ax.set(xticks=[0, 1], xlabel=f"ranks, n = {record['n']}", ylabel="seconds of the diagnostic")
    ax.set_xticklabels(["1", "2"])


if __name__ == "__main__":
    found = json.loads((RESULTS / "closed_form.json").read_text())
    table_of(found).to_csv(RESULTS / "closed_form.csv", index=False, float_format="%.4g")
    draw_record(found).savefig(RESULTS / "closed_form.png", dpi=120)
