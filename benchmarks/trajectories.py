"""What do trajectories of û* cost beside plain integration, and a tau-sweep beside one trajectory?

All in one process, alternating, medians over the rounds. Plain integration scans all rows for every sample at every
step (`EmpiricalPosterior`), by the same steps. The sweep's own network costs are taken off: they are measured by
integrating the same starts. Run:

    python -m benchmarks.trajectories [--set two-moons] [--n 50000] [--n-samples 256] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch

from fmdiag.datasets import load_dataset
from fmdiag.diagnostics.hybrid.measure import TAUS, sample_hybrids
from fmdiag.fields import ClosedFormField
from fmdiag.posterior import EmpiricalPosterior
from fmdiag.sampling import closed_form_states, draw_noise, integrate, time_grid

OUT = Path(__file__).parent / "results" / "trajectories.json"
MEMORY = 2 << 30


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", default="two-moons")
    parser.add_argument("--size", type=int)
    parser.add_argument("--n", type=int, default=50000)
    parser.add_argument("--n-samples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    data = load_dataset(arguments.set, size=arguments.size)
    data = data.subset(min(arguments.n, data.n_stored))
    result = measure(data, arguments.n_samples, arguments.rounds)
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    results[f"{arguments.set}, n = {data.n}, d = {data.dim}"] = result
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measure(data, n_samples, rounds):
    x0 = draw_noise(n_samples, data.shape, generator=torch.Generator().manual_seed(0))
    grid, field = time_grid(100, TAUS), lambda x, t: -0.5 * x
    u_star = ClosedFormField(data, memory=MEMORY)
    states = closed_form_states(u_star, x0, grid, TAUS)
    single, sweep, network = [], [], []
    for _ in range(rounds):
        single.append(seconds(lambda: closed_form_states(u_star, x0, grid, [1.0])))
        sweep.append(seconds(lambda: sample_hybrids(field, data, n_samples=n_samples, memory=MEMORY,
                                                    generator=torch.Generator().manual_seed(0))))
        network.append(seconds(lambda: [integrate(field, x.float(), [t for t in grid if t >= tau])
                                        for tau, x in states.items()]))
    start = time.perf_counter()
    plain = plain_trajectory(data, x0, grid)
    plain_seconds = time.perf_counter() - start
    single_seconds = statistics.median(single)
    return {
        "n_samples": n_samples, "taus": len(TAUS), "rounds": rounds, "threads": torch.get_num_threads(),
        "single_trajectory_seconds": [round(s, 2) for s in single], "sweep_seconds": [round(s, 2) for s in sweep],
        "network_seconds": [round(s, 2) for s in network],
        "sweep_over_single": round((statistics.median(sweep) - statistics.median(network)) / single_seconds, 3),
        "plain_seconds": round(plain_seconds, 2), "plain_over_ours": round(plain_seconds / single_seconds, 2),
        "largest_difference": float((plain - states[1.0]).abs().max()), "load_average": round(os.getloadavg()[0], 1),
        "torch": torch.__version__}


def plain_trajectory(data, x, grid):
    """Integrate with a scan of all rows per step; geometric steps end it as they end ours."""
    posterior, x = EmpiricalPosterior(data, memory=MEMORY), x.double()
    for start, stop in zip(grid[:-2], grid[1:-1], strict=True):
        x = move(x, posterior(x, start).mean, start, stop)
    final, rest, active = torch.empty_like(x), 1 - grid[-2], torch.arange(len(x))
    while len(active):
        found = posterior(x, 1 - rest)
        done = (found.variance.sqrt() <= 1e-6) | (rest <= 1e-12)
        final[active[done]] = found.mean[done]
        x, active = move(x, found.mean, 1 - rest, 1 - 0.75 * rest)[~done], active[~done]
        rest *= 0.75
    return final


def move(x, mean, start, stop):
    return stop * mean + (1 - stop) / (1 - start) * (x - start * mean)


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
