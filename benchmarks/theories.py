"""What do the closed forms of local theories cost, beside û*, two plain products, and the plain way to a local score?

    python -m benchmarks.theories            Fashion-MNIST, n = 60 000, k = 7, ten times; two to four minutes
    python -m benchmarks.theories --n 2000   a part of it, nothing saved

Everything runs in one process on one thread, in turn, and is counted in processor seconds, which other programs on the
machine disturb least; the least of the rounds counts, so that reading the rows does not. `plain` is a local score
streamed by integral images in float32, as one would write it down. A curve answers ten times of a pair at once: its
floor is what no way around is known for, two box sums per pair and one exponential per example, pixel and time. Writes
benchmarks/results/theories.json.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from benchmarks.machine import describe
from fmdiag import load_dataset
from fmdiag.closed_forms import CLOSED_FORMS
from fmdiag.closed_forms.boxes import Boxes
from fmdiag.fields import ClosedFormField
from fmdiag.paths import LinearPath
from fmdiag.sampling import draw_noise

OUT = Path(__file__).parent / "results" / "theories.json"
TIMES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
AT = (0.2, 0.8)
K, MEMORY, BATCH = 7, 2 << 30, 32


def main():
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data = load_dataset("fashion-mnist")
    data = data.subset(min(arguments.n, data.n_stored))
    record = {"machine": describe(), "unit": "processor seconds per query and time, one thread", **measure(
        data, arguments.rounds)}
    print(json.dumps(record, indent=1))
    if arguments.n >= 60_000:
        OUT.write_text(json.dumps(record, indent=1) + "\n")


def measure(data, rounds):
    """Return the record of a set: per theory the seconds, and their ratio to two plain products."""
    work, once = works(data)
    found = {name: [] for name in work}
    for j in range(rounds):
        for name, (run, answers, repeated) in work.items():
            if repeated or not j:
                found[name].append(seconds(run) / answers)
    least = {name: min(taken) for name, taken in found.items()}
    curve, bound = least["local-score_curve"], floor(data)
    return {"n": data.n, "dim": data.dim, "k": K, "times": TIMES, "seconds": least,
            "times_two_products": {name: taken / least["two_products"] for name, taken in least.items()},
            "wiener_share_of_closed_form": least["wiener"] / least["closed_form"],
            "wiener_once_seconds": once,
            "curve": {"local_score_plain_form_over_curve": least["local-score"] / curve,
                      "plain_integral_images_over_curve": least["plain"] / curve,
                      "pspc_square_plain_form_over_curve": least["pspc-square"] / least["pspc-square_curve"],
                      "floor_seconds": bound, "share_of_floor_reached": bound / curve}}


def works(data):
    """Return what is timed: a dict of name to (function, number of answers, whether it is repeated); Wiener's start."""
    path, rows = LinearPath(), data[:].flatten(1)
    numbers = torch.arange(BATCH)
    x0, x1 = draw_noise(BATCH, data.shape, generator=torch.Generator().manual_seed(0)), data[numbers.numpy()]
    x = path.sample(x0, x1, AT[0])
    start = time.process_time()
    fields = {"wiener": CLOSED_FORMS["wiener"](data, memory=MEMORY)}
    once = time.process_time() - start
    fields |= {name: CLOSED_FORMS[name](data, memory=MEMORY, **options) for name, options in (
        ("smoothed", {"n_perturbations": 10}), ("local-score", {"k": K}), ("pspc-square", {"k": K}),
        ("pca-locality", {}), ("els", {"k": K, "n_examples": 200}))}
    fields["closed_form"] = ClosedFormField(data, memory=MEMORY).posterior

    def products():
        weights = torch.softmax(x.flatten(1) @ rows.T, 1)
        return weights @ rows

    def several(field, few):
        return lambda: [field(path.sample(x0[:few], x1[:few], t), t) for t in AT]

    work = {"two_products": (products, BATCH, True),
            "plain": (lambda: [plain(path.sample(x0[0, 0], x1[0, 0], t), t, data) for t in AT], 2, True)}
    for name, few, repeated in (("closed_form", BATCH, True), ("wiener", BATCH, True), ("smoothed", 8, True)):
        field = fields[name] if name == "closed_form" else fields[name].mean
        work[name] = (several(field, few), few * len(AT), repeated)
    for name, few in (("local-score", 2), ("pspc-square", 1)):
        work[name] = (several(fields[name].mean, few), few * len(AT), True)
        work[f"{name}_curve"] = (lambda field=fields[name], few=few: field.curve(
            x0[:few], x1[:few], numbers[:few], TIMES), few * len(TIMES), True)
    work["local-score_five_k"] = (lambda: fields["local-score"].mean_of(x[:1], AT[0], [3, 5, 7, 11, 15]), 1, False)
    work["pca-locality"] = (lambda: fields["pca-locality"].mean(x[:1], AT[0]), 1, False)
    work["els_200_examples"] = (lambda: fields["els"].mean(x[:1], AT[0]), 1, False)
    return work, once


def plain(x, t, data, block_rows=512):
    """Return the local score at one point, shape (h, w), by integral images in float32, streamed over the examples."""
    top, total, mean = torch.full_like(x, -torch.inf), torch.zeros_like(x), torch.zeros_like(x)
    half, (height, width) = K // 2, x.shape
    for _, block in data.blocks(block_rows):
        images = block.reshape(-1, height, width)
        square = (x - t * images).square_()
        integral = torch.nn.functional.pad(square, (half + 1, half, half + 1, half)).cumsum(1).cumsum(2)
        box = integral[:, K:, K:] - integral[:, :-K, K:] - integral[:, K:, :-K] + integral[:, :-K, :-K]
        logs = box.mul_(-0.5 / (1 - t) ** 2)
        new = torch.maximum(top, logs.amax(0))
        scale, weights, top = (top - new).exp(), (logs - new).exp_(), new
        total = total * scale + weights.sum(0)
        mean = mean * scale + (weights * images).sum(0)
    return mean / total


def floor(data, m=128):
    """Return the processor seconds per time of two box sums per ten times, and one exponential a time, on all rows."""
    boxes, maps = Boxes(*data.shape[-2:], torch.device("cpu"), torch.float32), torch.rand(1, *data.shape[-2:], m)
    found = torch.empty_like(maps)
    box = min(seconds(lambda: boxes.sums(maps, K)) for _ in range(50))
    exponential = min(seconds(lambda: torch.exp(maps, out=found)) for _ in range(50))
    return data.n / m * (2 * box / len(TIMES) + exponential)


def seconds(work):
    """Return the processor seconds of some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
