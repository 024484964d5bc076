"""What do the per-sample gradients of the papers' U-Net need? Peak resident memory and time, in a process of its own.

    python benchmarks/gradient_memory.py --out benchmarks/results/gradient_memory.json

The network is diffusers' UNet2DModel of the size that both papers train on 32 x 32 images (34 M parameters). Every
number of samples runs in a fresh process: the peak must not grow with it, and stay below 4 GB.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time

LIMIT = 4e9
SPEC = {"name": "unet2d", "shape": [3, 32, 32], "channels": [128, 256, 256, 256], "layers": 2, "attention": [16]}


def measure(n_samples):
    """Print the cost of the gradients of n_samples random images at one time."""
    import torch

    from fmdiag.diagnostics.gradient_variance.measure import variance
    from fmdiag.diagnostics.gradient_variance.per_sample import PerSampleGradients
    from fmdiag.fields import NetworkField, build_network

    torch.manual_seed(0)  # a script of its own
    field = NetworkField(build_network(SPEC), SPEC["shape"])
    gradients = PerSampleGradients(field)
    x, target = torch.randn(2, n_samples, *SPEC["shape"])
    before, start = peak(), time.perf_counter()
    _, norms, inner = gradients(x, torch.full((n_samples,), 0.5), target)
    print(json.dumps({"n_samples": n_samples, "n_parameters": gradients.n_parameters, "peak_bytes": peak(),
                      "before_bytes": before, "seconds": round(time.perf_counter() - start, 1),
                      "forward_mode": gradients.forward, "variance": float(variance(norms.numpy(), inner.numpy())[0])}))


def peak():
    """Return the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    """Run each number of samples in a process of its own and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", default="4,16")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out")
    options = parser.parse_args()
    if options.one:
        return measure(options.one)
    rows = []
    for n in options.samples.split(","):
        done = subprocess.run([sys.executable, __file__, "--one", n], capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout))
        print(rows[-1], flush=True)
    import torch

    result = {"limit_bytes": LIMIT, "within": all(row["peak_bytes"] < LIMIT for row in rows), "rows": rows,
              "network": SPEC, "threads": torch.get_num_threads(), "cpus": os.cpu_count(), "torch": torch.__version__,
              "machine": platform.machine()}
    text = json.dumps(result, indent=1) + "\n"
    if options.out:
        with open(options.out, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
