"""From when on does a model of 1500 digits know which digits it was trained on, and does one of 16?

The bundled model's own recipe (residual MLP, 4 blocks of 256, CFM loss, 1500 digits) is followed again and looked at
after 300, 1000, 2500, 5000, 10 000 and 20 000 steps; the same network is trained on 16 digits for 5000 steps. Measured
of each, with the defaults of `fmdiag membership` (256 training and 256 held-out digits, or 16 and 16; 11 times; 8
noises): the AUC of telling training digits from held-out ones over all times and per time, with 95 % Newcombe
intervals; the CFM loss on both; and of 512 samples (100 Euler steps) the memorised share and the Fréchet distance to
the 297 held-out digits. The null is the bundled model asked about 148 of the held-out digits against another 148, none
of which it has seen, in 100 random divisions: its AUC must be 1/2, and 95 % of the intervals must contain it.

    OMP_NUM_THREADS=1 python -m benchmarks.membership_auc

takes ten minutes on one core; it goes on where it stopped. It writes benchmarks/results/membership_auc.json and .png;
`--draw` makes the figure again from the record.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from fmdiag import TrainingSet, sample
from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint
from fmdiag.cli.main import run
from fmdiag.diagnostics.membership import measure as membership
from fmdiag.metrics.frechet import frechet_distance
from fmdiag.neighbors import nearest_distinct
from fmdiag.results import replace_atomically
from fmdiag.sampling import draw_noise
from fmdiag.stats import proportion_interval

RESULTS = Path(__file__).parent / "results" / "membership_auc.json"
MODELS = Path(__file__).parent / "runs"
RECIPE = ["--dataset", "digits", "--network", "mlp", "--width", "256", "--depth", "4", "--precision", "fp32",
          "--seed", "0", "--warmup", "1000"]
STEPS = [300, 1000, 2500, 5000, 10_000, 20_000]
FEW, FEW_STEPS = 16, 5000
N_SAMPLES, N_NULL = 512, 100


def trained(n, steps):
    """Return the checkpoint of n digits after so many steps; a run is continued from its last look."""
    folder = MODELS / f"n{n}"
    kept = folder.with_name(f"n{n}-{steps}.pt")
    if not kept.is_file():
        arguments = ["--resume"] if (folder / "state.pt").is_file() else [*RECIPE, "--n", str(n)]
        code = run(["train", *arguments, "--steps", str(steps), "--out", str(folder)])
        if code:
            sys.exit(code)
        (folder / "checkpoint.pt").replace(kept)
    return load_checkpoint(kept)


def look(checkpoint):
    """Return what a model knows of its training digits and what its samples are like."""
    rows = checkpoint.training_set()
    table = membership.measure(checkpoint.field, rows, generator=generator())
    noise = draw_noise(N_SAMPLES, rows.shape, generator=generator())
    samples, held_out = sample(checkpoint.field, noise, 100, "euler"), rows.held_out[:]
    share, low, high = proportion_interval((nearest_distinct(samples, rows).ratio < 1 / 3).sum(), N_SAMPLES)
    return {"n": rows.n, "images_of_each_kind": int(table["pair"].nunique()), **areas(table), "losses": losses(table),
            "f_mem": {"value": share, "low": low, "high": high, "n": N_SAMPLES},
            "frechet_to_held_out": frechet_distance(samples.flatten(1).numpy(), held_out.flatten(1).numpy())}


def areas(table):
    """Return the AUC over all times by score, and by score and time, with Newcombe's intervals."""
    rows = membership.summarise(table)
    rows = rows[rows["interval"] == "newcombe"]
    whole, per_t = (rows[rows["quantity"] == name] for name in ("auc_overall", "auc"))
    return {"auc_overall": {row.score: interval(row) for row in whole.itertuples()},
            "auc": {score: [{"t": row.t, **interval(row)} for row in part.itertuples()]
                    for score, part in per_t.groupby("score")}}


def interval(row):
    return {"value": row.value, "low": row.low, "high": row.high}


def losses(table):
    """Return the mean CFM loss on training and held-out digits per time and over all times."""
    wide = table.pivot_table(index="t", columns="source", values="cfm_loss")
    return {"t": wide.index.tolist(), **{name: wide[name].tolist() for name in wide},
            "mean": {name: float(wide[name].mean()) for name in wide}}


def null(checkpoint):
    """Return per score the mean AUC among digits never trained on, and how many intervals miss 1/2."""
    digits = checkpoint.training_set().held_out[:].numpy()
    found = []
    for seed in range(N_NULL):
        drawn = np.random.default_rng(seed).permutation(len(digits))
        half = len(digits) // 2
        rows = TrainingSet(digits[drawn[:half]], held_out_source=TrainingSet(digits[drawn[half: 2 * half]]))
        table = membership.measure(checkpoint.field, rows, n_noises=2, generator=generator(seed))
        found.append(areas(table)["auc_overall"])
    summary = {}
    for score in found[0]:
        values = [entry[score] for entry in found]
        missed = sum(not v["low"] <= 0.5 <= v["high"] for v in values)
        summary[score] = {"mean_auc": float(np.mean([v["value"] for v in values])),
                          "sd_auc": float(np.std([v["value"] for v in values], ddof=1)),
                          "mean_width": float(np.mean([v["high"] - v["low"] for v in values])), "missed": missed,
                          "of": N_NULL}
    return {"images_of_each_kind": half, "noises": 2, "scores": summary}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(record):
    """Return the figure: AUC against steps, and per time after each number of steps."""
    from fmdiag.figures.style import COLORS, DASHES, MARKERS, NEUTRAL, new_figure, ordered_colors, paper_style

    many, few = record["many"], record["few"]
    with paper_style():
        figure, axes = new_figure(3.2, width=8.2, ncols=2, sharey=True)
        left, right = axes[0]
        for k, (score, label) in enumerate({"loss": "CFM loss", "error": "distance to û*", "pull": "pull"}.items()):
            values = [entry["auc_overall"][score] for entry in many]
            steps = [entry["steps"] for entry in many]
            left.plot(steps, [v["value"] for v in values], color=COLORS[k], linestyle=DASHES[k], marker=MARKERS[k],
                      label=f"{label}, n = 1500")
            left.fill_between(steps, [v["low"] for v in values], [v["high"] for v in values], color=COLORS[k],
                              alpha=0.18, linewidth=0)
        one = few["auc_overall"]["loss"]
        left.errorbar([few["steps"]], [one["value"]], [[one["value"] - one["low"]], [one["high"] - one["value"]]],
                      color=NEUTRAL, marker="*", markersize=10, capsize=3, linestyle="none", label="CFM loss, n = 16")
        left.set(xscale="log", xlabel="training steps", ylabel="membership AUC", ylim=(0.4, 1.02))
        for color, entry in zip(ordered_colors(len(many)), many, strict=True):
            curve = entry["auc"]["loss"]
            right.plot([v["t"] for v in curve], [v["value"] for v in curve], color=color,
                       label=f"{entry['steps']} steps")
        right.set(xlabel="time t (0 noise, 1 data)", xlim=(0, 1), title="CFM loss, n = 1500, per time")
        left.set_title("All times")
        for ax in (left, right):
            ax.axhline(0.5, color=NEUTRAL, linewidth=0.9, linestyle="--")
            ax.legend(loc="upper left", fontsize=7)
    return figure


def save(record, path=RESULTS):
    replace_atomically(path, lambda path: Path(path).write_text(json.dumps(record, indent=1) + "\n"))


def once(name, work):
    """Return what `work()` returns, or what it returned before an interruption."""
    path = MODELS / f"{name}.json"
    if not path.is_file():
        save(work(), path)
    return json.loads(path.read_text())


def measure():
    torch.set_flush_denormal(True)
    record = {"torch": torch.__version__, "threads": torch.get_num_threads(), "recipe": " ".join(RECIPE),
              "command": "OMP_NUM_THREADS=1 python -m benchmarks.membership_auc", "many": []}
    bundled = load_checkpoint(bundled_checkpoint())
    record["bundled"] = {"steps": 20_000, **once("bundled", lambda: look(bundled))}
    record["null"] = once("null", lambda: null(bundled))
    record["few"] = {"steps": FEW_STEPS, **once("few", lambda: look(trained(FEW, FEW_STEPS)))}
    for steps in STEPS:
        found = once(f"many-{steps}", lambda steps=steps: look(trained(1500, steps)))
        record["many"].append({"steps": steps, **found})
    save(record)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="only draw the figure of the saved record")
    record = json.loads(RESULTS.read_text()) if parser.parse_args().draw else measure()
    draw(record).savefig(RESULTS.with_suffix(".png"), dpi=110)
    for entry in (record["few"], *record["many"], record["bundled"]):
        area = entry["auc_overall"]["loss"]
        print(f"n = {entry['n']}, {entry['steps']} steps: AUC {area['value']:.3f} [{area['low']:.3f}, "
              f"{area['high']:.3f}], f_mem {entry['f_mem']['value']:.3f}, Fréchet distance to held-out "
              f"{entry['frechet_to_held_out']:.2f}, CFM loss {entry['losses']['mean']}")
    print(json.dumps(record["null"]))


if __name__ == "__main__":
    main()
