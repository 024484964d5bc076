"""Which small network learns Fashion-MNIST best in a given time on one thread?

Candidates: U-Nets of diffusers without attention and a transformer on patches of 4 pixels, in float32, under bfloat16
autocast, and compiled by torch. Measured in seconds of the processor, those of compilers that it starts included:

    seconds per step   median of six training steps of batch 64 (forward, backward, Adam), after two unmeasured ones,
                       of all candidates in turn; and what the first step takes, which compiles
    loss by time       flow matching loss on 500 test images, each with a fixed noise and time, at each third of a
                       training of so many seconds, in the precision that is fastest for the candidate

Adam, learning rate 1e-3 after 50 steps of warm-up, gradients clipped at norm 1, averaged weights left out.

    OMP_NUM_THREADS=1 python benchmarks/architectures.py steps
    OMP_NUM_THREADS=1 python benchmarks/architectures.py losses --seconds 90

write their parts of benchmarks/results/architectures.json; a training that is there is not made again. On a machine
with other work a step takes up to three times as long, whichever the candidate: what counts are the ratios.
"""

import argparse
import json
import os
import statistics
from functools import partial
from pathlib import Path

import torch
from torch import nn

from fmdiag import load_dataset
from fmdiag.fields import build_network
from fmdiag.training.precision import autocast
from fmdiag.training.randomness import draw_batch, step_generator

RESULTS = Path(__file__).parent / "results" / "architectures.json"
SHAPE, BATCH, LR, WARMUP, TIMED = (1, 28, 28), 64, 1e-3, 50, 6
VARIANTS = {"float32": ("fp32", False), "bfloat16": ("bf16", False), "float32, compiled": ("fp32", True),
            "bfloat16, compiled": ("bf16", True)}


class Transformer(nn.Module):
    """DiT of diffusers as velocity field v(x, t): all images are of one class."""

    def __init__(self):
        super().__init__()
        from diffusers import DiTTransformer2DModel

        self.inner = DiTTransformer2DModel(num_attention_heads=6, attention_head_dim=32, in_channels=1, out_channels=1,
                                           num_layers=6, sample_size=28, patch_size=4, num_embeds_ada_norm=1)

    def forward(self, x, t):
        """Return the velocity at x, shape (b, 1, 28, 28), and times t, shape (b,) in [0, 1]."""
        return self.inner(x, 1000 * t, torch.zeros(len(x), dtype=torch.long)).sample


def unet(channels, layers):
    """Return a U-Net without attention."""
    return build_network({"name": "unet2d", "shape": SHAPE, "channels": channels, "layers": layers, "attention": [],
                          "middle": False})


CHOSEN, PATCHES = "U-Net (32, 64, 96), one block a level", "transformer, patches of 4, 6 layers of 192"
NETWORKS = {CHOSEN: partial(unet, (32, 64, 96), 1),
            "U-Net (32, 64, 64), two blocks a level": partial(unet, (32, 64, 64), 2),
            "U-Net (48, 96, 96), two blocks a level": partial(unet, (48, 96, 96), 2),
            PATCHES: Transformer}
COMPILED = (CHOSEN, PATCHES)    # compiling takes minutes each


def processor():
    """Return the processor's seconds of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


class Training:
    """One network in training."""

    def __init__(self, make, precision, compiled):
        torch.manual_seed(0)
        self.network, self.precision, self.step = make(), precision, 0
        self.asked = torch.compile(self.network) if compiled else self.network
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LR)

    def take(self, rows):
        """Take one step."""
        x0, x1, t, _ = draw_batch(rows, BATCH, step_generator(0, self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = LR * min(1.0, (self.step + 1) / WARMUP)
        loss = self.loss(x0, x1, t)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1

    def loss(self, x0, x1, t):
        """Return the mean squared error per coordinate against x1 - x0."""
        share = t.reshape(-1, 1, 1, 1)
        with autocast("cpu", self.precision):
            velocity = self.asked((1 - share) * x0 + share * x1, t)
        return (velocity.float() - (x1 - x0)).square().mean()


def timed(rows):
    """Return {network: {variant: seconds of the first step, and of a step after it}}, and its number of parameters."""
    found, trainings = {name: {"parameters": sum(one.numel() for one in make().parameters())}
                        for name, make in NETWORKS.items()}, {}
    for name, make in NETWORKS.items():
        for variant, (precision, compiled) in VARIANTS.items():
            if not compiled or name in COMPILED:
                start, training = processor(), Training(make, precision, compiled)
                training.take(rows)
                found[name][variant], trainings[name, variant] = {"first_step": round(processor() - start, 1)}, training
                print(name, variant, found[name][variant], flush=True)
                training.take(rows)
    seconds = {key: [] for key in trainings}
    for _ in range(TIMED):
        for key, training in trainings.items():
            start = processor()
            training.take(rows)
            seconds[key].append(processor() - start)
    for (name, variant), each in seconds.items():
        found[name][variant]["step"] = round(statistics.median(each), 3)
    return found


def losses(make, rows, precision, compiled, seconds):
    """Return rows [seconds, steps, test loss] along a training, three of them."""
    training, spent, found = Training(make, precision, compiled), 0.0, []
    test, generator = rows.unseen[:500], torch.Generator().manual_seed(1)
    fixed = torch.randn(test.shape, generator=generator), test, torch.rand(len(test), generator=generator)
    while len(found) < 3:
        start = processor()
        while spent + processor() - start < seconds * (len(found) + 1) / 3:
            training.take(rows)
        spent += processor() - start
        training.network.eval()
        with torch.no_grad():
            parts = [training.loss(*part) for part in zip(*(one.split(50) for one in fixed), strict=True)]
        training.network.train()
        found.append([round(spent, 1), training.step, round(float(torch.stack(parts).mean()), 5)])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("steps", "losses"))
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--only", choices=NETWORKS, nargs="*", default=list(NETWORKS), help="of the losses")
    asked = parser.parse_args()
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    rows = load_dataset("fashion-mnist")
    if asked.part == "steps":
        write(steps=timed(rows), torch=torch.__version__, batch=BATCH)
        return
    for name in asked.only:
        record = json.loads(RESULTS.read_text())
        if name not in record["losses"]:
            of = record["steps"][name]
            fastest = min((one for one in VARIANTS if one in of), key=lambda one: of[one]["step"])
            curve = losses(NETWORKS[name], rows, *VARIANTS[fastest], asked.seconds)
            found = json.loads(RESULTS.read_text()).get("losses", {})
            write(losses=found | {name: {"variant": fastest, "curve": curve}})


def write(**parts):
    """Write parts of the results in place of those that are there."""
    record = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"losses": {}}
    RESULTS.write_text(json.dumps(record | parts, indent=1) + "\n")


if __name__ == "__main__":
    main()
