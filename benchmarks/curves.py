"""What does a curve of û* over many times cost, and how right is it? Ratios in one process.

    python benchmarks/curves.py             photo tiles (50 000 x 3072) and two-moons (50 000 x 2); 256 pairs, 100 times
    python benchmarks/curves.py --quick     fewer pairs, one repeat

Compared with what others do per time: two plain products in float32 (logits by ||x||^2 - 2<x, y> + ||y||^2, softmax,
weights times rows; denormals flushed), the broadcast form (x[:, None] - rows[None]), and, in two dimensions,
`scaled_dot_product_attention`. Products are timed at four times, the broadcast form on a part, and scaled. Errors are
of û* against its definition in float64. Writes benchmarks/results/curves.json.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from fmdiag import load_dataset
from fmdiag.paths import LinearPath
from fmdiag.posterior import EmpiricalPosterior
from fmdiag.sampling import draw_noise

RESULTS = Path(__file__).parent / "results" / "curves.json"
LATE = (0.9, 0.95, 0.99)


def seconds(work, repeats):
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def draw(training_set, n_pairs):
    g = torch.Generator().manual_seed(0)
    rows = torch.randint(training_set.n, (n_pairs,), generator=g)
    return draw_noise(n_pairs, training_set.shape, generator=g), training_set[rows.numpy()], rows


def product_mean(x, rows, norms, t):
    """Posterior mean by two plain float32 products."""
    distances = x.square().sum(1, keepdim=True) - 2 * t * (x @ rows.T) + t * t * norms
    return torch.softmax(-distances / (2 * (1 - t) ** 2), 1) @ rows


def broadcast_mean(x, rows, t):
    """Posterior mean by explicit differences of every query and row."""
    distances = (x[:, None] - t * rows[None]).square().sum(2)
    weights = torch.softmax(-distances / (2 * (1 - t) ** 2), 1)
    return (weights[:, :, None] * rows[None]).sum(1)


def attention_mean(x, rows, keys, t):
    """Posterior mean by scaled dot product attention over rows extended by their squared norm."""
    scale = 1 / (1 - t) ** 2
    queries = torch.cat([t * scale * x, torch.full((len(x), 1), -0.5 * t * t * scale)], 1)
    return F.scaled_dot_product_attention(queries[None, None], keys[None, None], rows[None, None], scale=1.0)[0, 0]


def relative_error(mean, x, t, exact):
    velocity = (mean.double() - x.double()) / (1 - t)
    return ((velocity - exact).norm(dim=1) / exact.norm(dim=1)).max().item()


def exact_velocity(x, rows, t):
    found = []
    for point in x.double():
        weights = torch.softmax(-(point - t * rows.double()).square().sum(1) / (2 * (1 - t) ** 2), 0)
        found.append((weights @ rows.double() - point) / (1 - t))
    return torch.stack(found)


def errors(training_set, x0, x1, numbers, rows, norms, few=3):
    """Largest relative error of û* at late times over a few pairs, for the curve, products and the broadcast form."""
    path, worst = LinearPath(), {"curve": 0.0, "products": 0.0, "broadcast": 0.0}
    engine = EmpiricalPosterior(training_set)
    for k, pairs, found in engine.curve(x0[:few], x1[:few], numbers[:few], LATE):
        t = LATE[k]
        exact_x = path.sample(x0[:few].double(), x1[:few].double(), t).flatten(1)[pairs]
        x = exact_x.float()
        answers = {"curve": (found.mean.flatten(1), exact_x), "products": (product_mean(x, rows, norms, t), x),
                   "broadcast": (torch.cat([broadcast_mean(point[None], rows, t) for point in x]), x)}
        for name, (mean, at) in answers.items():
            worst[name] = max(worst[name], relative_error(mean, at, t, exact_velocity(at, rows, t)))
    return worst


def measure(training_set, n_pairs, times, repeats, memory):
    """Return the timings and errors of one data set."""
    x0, x1, numbers = draw(training_set, n_pairs)
    engine = EmpiricalPosterior(training_set, memory=memory)
    curve = seconds(lambda: sum(1 for _ in engine.curve(x0, x1, numbers, times)), repeats)
    rows = training_set[:].flatten(1)
    norms = rows.square().sum(1)
    x = LinearPath().sample(x0, x1, 0.3).flatten(1)
    products = statistics.mean(seconds(lambda t=t: product_mean(x, rows, norms, t), 1)
                               for t in (0.05, 0.3, 0.6, 0.9)) * len(times)
    part, few = rows[:2000], max(1, n_pairs // 64)
    broadcast = (seconds(lambda: broadcast_mean(x[:few], part, 0.3), repeats)
                 * (n_pairs / few) * (len(rows) / len(part)) * len(times))
    found = {"n": len(rows), "dim": rows.shape[1], "pairs": n_pairs, "times": len(times),
             "seconds": {"curve": curve, "products": products, "broadcast": broadcast},
             "products_over_curve": products / curve, "broadcast_over_curve": broadcast / curve,
             "largest_relative_error_of_velocity_from_t_0.9": errors(training_set, x0, x1, numbers, rows, norms)}
    if rows.shape[1] == 2:
        keys = torch.cat([rows, norms[:, None]], 1)
        attention = seconds(lambda: attention_mean(x, rows, keys, 0.3), repeats) * len(times)
        found["seconds"]["attention"] = attention
        found["attention_over_curve"] = attention / curve
    else:
        found["floor"] = floor(x, rows, curve, len(times))
    return found


def floor(x, rows, curve, n_times):
    """The two shared products and one product per time at which most rows still weigh something (t < 0.22)."""
    product = seconds(lambda: x @ rows.T, 3)
    dense = round(0.22 * n_times)
    least = product * (2 + dense)
    return {"one_product": product, "dense_times": dense, "seconds": least, "share_reached": least / curve}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    n_pairs, repeats = (32, 1) if options.quick else (256, 3)
    times = [0.01 * k for k in range(1, 100)] + [0.995]
    runs = {}
    for name, source, memory in (("photo-tiles", {"size": 32, "n": 50_000}, 2 << 30), ("two-moons", {}, 1 << 30)):
        runs[name] = measure(load_dataset(name, **source), n_pairs, times, repeats, memory)
        print(name, json.dumps(runs[name], indent=1))
    record = {"torch": torch.__version__, "threads": torch.get_num_threads(), "runs": runs}
    if not options.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
