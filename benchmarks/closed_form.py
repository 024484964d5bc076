"""What does û* cost at many times, and how right is it? Ours and four other ways, side by side in one process.

    python -m benchmarks.closed_form             256 pairs, 100 times; photo tiles, Fashion-MNIST, two-moons
    python -m benchmarks.closed_form --quick     fewer pairs and rows, one repeat, nothing saved
    python -m benchmarks.closed_form --only two-moons    one set again; the other results stay as they are

Rivals (benchmarks/rivals.py) work per time; denormals are flushed for all. Each is timed at four times, in turn with
ours, the slow ones on a part of rows and queries, and scaled to the whole; ours is timed whole. Errors are of û* from
t = 0.9 on, against its definition in float64. Then the growth of our cost with n, d and the number of times. Memory is
the rise of the resident peak. Writes benchmarks/results/closed_form.{json,csv,png}; ranks are benchmarks/ranks.py's.
Where the processor's time goes, and what was tried and did not pay, is in benchmarks/results/closed_form_profile.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.machine import describe, peak_megabytes, seconds
from benchmarks.rivals import RIVALS
from fmdiag import load_dataset
from fmdiag.paths import LinearPath
from fmdiag.posterior import EmpiricalPosterior
from fmdiag.sampling import draw_noise

RESULTS = Path(__file__).parent / "results"
TIMES = [round(0.01 * k, 2) for k in range(1, 100)] + [0.995]
AT, LATE = (0.05, 0.3, 0.6, 0.9), (0.9, 0.95, 0.99)
SETS = {"photo-tiles": ({"size": 32, "n": 50_000}, 2 << 30), "fashion-mnist": ({}, 2 << 30), "two-moons": ({}, 1 << 30)}
# What is timed on a part of the rows: at most so many coordinates of differences (queries x rows x dim).
PART = {"products": None, "attention": None, "broadcast": 1 << 28, "keops": 1 << 31}


def draw(training_set, n_pairs):
    """Return (x0, x1, row numbers) of random pairs."""
    g = torch.Generator().manual_seed(0)
    rows = torch.randint(training_set.n, (n_pairs,), generator=g)
    return draw_noise(n_pairs, training_set.shape, generator=g), training_set[rows.numpy()], rows


def curve(engine, pairs, times):
    """Go through a whole curve."""
    for _ in engine.curve(*pairs, times):
        pass


def rival(name, x, rows):
    """Return the seconds of one rival at one time for all queries and rows, the mean over times."""
    n_rows = len(rows)
    if PART[name] is not None:
        n_rows = max(256, min(n_rows, PART[name] // x.numel()))
    work = RIVALS[name](rows[:n_rows].contiguous())
    return statistics.mean(seconds(lambda t=t: work(x, t), 1) for t in AT) * len(rows) / n_rows


def relative_error(mean, x, t, exact):
    """Return the largest relative error of a velocity."""
    velocity = (mean.double() - x.double()) / (1 - t)
    return ((velocity - exact).norm(dim=1) / exact.norm(dim=1)).max().item()


def exact_velocity(x, rows, t):
    """Return û* by its definition, float64, a query at a time."""
    found = []
    for point in x.double():
        logs = torch.cat([-(point - t * part.double()).square().sum(1) for part in rows.split(4096)]) / (2 * (1 - t)**2)
        weights = torch.softmax(logs, 0).split(4096)
        mean = sum(w @ part.double() for w, part in zip(weights, rows.split(4096), strict=True))
        found.append((mean - point) / (1 - t))
    return torch.stack(found)


def errors(engine, pairs, rows, few=3):
    """Return the largest relative error at late times over a few pairs, of our curve, the products, the broadcast."""
    path, worst = LinearPath(), {"curve": 0.0, "products": 0.0, "broadcast": 0.0}
    x0, x1, numbers = (part[:few] for part in pairs)
    for k, found_for, found in engine.curve(x0, x1, numbers, LATE):
        t = LATE[k]
        exact_x = path.sample(x0.double(), x1.double(), t).flatten(1)[found_for]
        x = exact_x.float()
        # The rivals' error is of their arithmetic, not of the rounding of x.
        exact = {"curve": exact_velocity(exact_x, rows, t), "rival": exact_velocity(x, rows, t)}
        worst["curve"] = max(worst["curve"], relative_error(found.mean.flatten(1), exact_x, t, exact["curve"]))
        for name in ("products", "broadcast"):
            mean = RIVALS[name](rows)(x, t)
            worst[name] = max(worst[name], relative_error(mean, x, t, exact["rival"]))
    return worst


def compare(name, training_set, memory, n_pairs, repeats, rivals):
    """Return the record of one data set: seconds, ratios to ours, peak memory and errors."""
    pairs, engine = draw(training_set, n_pairs), EmpiricalPosterior(training_set, memory=memory)
    rows = training_set[:].flatten(1)
    x = LinearPath().sample(pairs[0], pairs[1], 0.3).flatten(1)
    rounds, operations = [], 2 * x.numel() * len(rows)
    for _ in range(repeats):   # in turn: a busy neighbour of a minute slows all of them
        rounds.append({"curve": seconds(lambda: curve(engine, pairs, TIMES), 1, warm=not rounds)}
                      | {other: len(TIMES) * rival(other, x, rows) for other in rivals}
                      | {"product_rate_gflops": 1e-9 * operations / seconds(lambda: x @ rows.T, 1)})
    taken = {method: statistics.median(found[method] for found in rounds) for method in ("curve", *rivals)}
    times_ours = {other: statistics.median(found[other] / found["curve"] for found in rounds) for other in rivals}
    said = ", ".join(f"{other} {ratio:.2f}" for other, ratio in times_ours.items())
    rate = statistics.median(found["product_rate_gflops"] for found in rounds)
    print(f"{name}: {said} times ours where a product runs at {rate:.0f} GFLOP/s", flush=True)
    product = 1e-9 * operations / rate
    return {"n": len(rows), "dim": rows.shape[1], "pairs": n_pairs, "times": len(TIMES), "seconds": taken,
            "times_ours": times_ours, "rounds": rounds,
            "largest_relative_error_from_t_0.9": errors(engine, pairs, rows), "one_product_seconds": product,
            "product_rate_gflops": rate,
            "floor": floor(engine, pairs, product, taken["curve"]) if rows.shape[1] > 8 else None}


def peak(name, method, n_pairs, n_rows):
    """Print by how many megabytes a method raises the resident peak, rows as they are loaded not counted."""
    source, memory = SETS[name]
    data = load_dataset(name, **(source if n_rows is None else {**source, "n": n_rows}))
    pairs = draw(data, n_pairs)
    x = LinearPath().sample(pairs[0], pairs[1], 0.3).flatten(1)
    work = {"curve": lambda: curve(EmpiricalPosterior(data, memory=memory), pairs, TIMES)}.get(
        method, lambda: RIVALS[method](data[:].flatten(1))(x, 0.3))
    print(peak_megabytes(work))


def peaks(name, methods, n_pairs, n_rows):
    """Return the peak of each method, each in a process of its own."""
    found = {}
    for method in methods:
        command = [sys.executable, "-m", "benchmarks.closed_form", "--peak", name, method, "--n-pairs", str(n_pairs)]
        command += ["--n", str(n_rows)] if n_rows else []
        found[method] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
    return found


def floor(engine, pairs, product, taken):
    """Return the two shared products and one more per pair and time of more than n / 512 effective rows."""
    n, wide = engine.training_set.n, 0
    for k, _, found in engine.curve(*(part[:16] for part in pairs), TIMES):
        wide += float((found.ess > n / 512).float().mean()) * len(found.ess) / 16 if TIMES[k] else 0
    least = product * (2 + wide)
    return {"times_with_many_rows": wide, "seconds": least, "share_reached": least / taken}


def growth(n_pairs, repeats, whole):
    """Return rows (varied, value, seconds) of our curve on photo tiles: by n, by d, by number of times."""
    found = []
    for n in (whole // 4, whole // 2, whole):
        found.append(("n", n, _alone(load_dataset("photo-tiles", size=32, n=n), n_pairs, TIMES, repeats)))
    for side in (8, 16):
        data = load_dataset("photo-tiles", size=side, n=whole)
        found.append(("dim", data.dim, _alone(data, n_pairs, TIMES, repeats)))
    found.append(("dim", 3072, found[2][2]))
    data = load_dataset("photo-tiles", size=32, n=whole)
    for step in (10, 4):
        found.append(("times", len(TIMES[::step]), _alone(data, n_pairs, TIMES[::step], repeats)))
    return [*found, ("times", len(TIMES), found[2][2])]


def _alone(training_set, n_pairs, times, repeats):
    pairs, engine = draw(training_set, n_pairs), EmpiricalPosterior(training_set, memory=2 << 30)
    return seconds(lambda: curve(engine, pairs, times), repeats)


def main():
    """Measure, print, save and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(SETS))
    parser.add_argument("--peak", nargs=2, metavar=("DATASET", "METHOD"), help="used by the command itself")
    parser.add_argument("--n-pairs", type=int, default=256)
    parser.add_argument("--n", type=int)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    if options.peak:
        return peak(*options.peak, options.n_pairs, options.n)
    quick = options.quick
    n_pairs, repeats = (32, 1) if quick else (256, options.rounds)
    record = {"machine": describe(), "sets": {}}
    if options.only:
        record = json.loads((RESULTS / "closed_form.json").read_text()) | {"machine": record["machine"]}
    for name in [options.only] if options.only else SETS:
        source, memory = SETS[name]
        source = {**source, "n": 5000} if quick else source
        rivals = [other for other in RIVALS if other != "keops" or _has_keops()]
        record["sets"][name] = compare(name, load_dataset(name, **source), memory, n_pairs, repeats, rivals)
        # The other two are run on a part only: whole, one needs n x pairs x dim, and none fits here.
        record["sets"][name]["peak_megabytes"] = peaks(name, ("curve", "products", "attention"), n_pairs,
                                                       5000 if quick else None)
        print(name, json.dumps(record["sets"][name], indent=1), flush=True)
    if not options.only:
        record["growth"] = growth(n_pairs, 1, 4000 if quick else 50_000)
    print(json.dumps(record["growth"]))
    if not quick:
        save(record)


def _has_keops():
    try:
        import pykeops.torch  # noqa: F401
    except ImportError:
        print("pykeops is not installed: pip install -e '.[benchmarks]' compares with it too")
        return False
    return True


def save(record):
    """Write the record, its table and its figure."""
    from benchmarks.draw_closed_form import draw_record, table_of

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "closed_form.json").write_text(json.dumps(record, indent=1) + "\n")
    table_of(record).to_csv(RESULTS / "closed_form.csv", index=False, float_format="%.4g")
    draw_record(record).savefig(RESULTS / "closed_form.png", dpi=120)


if __name__ == "__main__":
    main()
