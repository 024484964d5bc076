"""Which models does the gallery show? One that memorises, one that generalises; trained where they are missing.

    memorises     16 digits, 6000 steps of a residual MLP (4 blocks of 256): it returns them
    generalises   the bundled model: the same network, 1500 digits, 20 000 steps

Agreement needs two models with no row in common, canaries models that were trained on sets with planted images. All
stay in docs/runs/ and are trained once; an interrupted training goes on where it stopped.
"""

import sys
from pathlib import Path

import numpy as np

from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.cli.main import run
from fmdiag.datasets import load_dataset

RUNS = Path(__file__).parent / "runs"
NETWORK = ["--network", "mlp", "--width", "256", "--depth", "4", "--precision", "fp32"]
FEW, STEPS = 16, 6000
# Rows of each of two sets without a common row.
HALVES = {"memorises": 16, "generalises": 750}
# Rows before planting, and canaries of each multiplicity.
PLANTED = {"memorises": (16, 16), "generalises": (1500, 30)}


def command(arguments):
    """Run an fmdiag command; end the program with its exit code if it fails."""
    code = run([str(argument) for argument in arguments])
    if code:
        sys.exit(code)


def trained(folder, dataset, *options):
    """Return the checkpoint of `fmdiag train` on a data set, trained or continued where it is missing."""
    if not (folder / "run.json").is_file():
        begun = (folder / "state.pt").is_file()
        command(["train", "--dataset", dataset, *options, *NETWORK, "--steps", STEPS, "--out", folder,
                 *(["--resume"] if begun else [])])
    return folder / "checkpoint.pt"


def single(model):
    """Return the checkpoint of the memorising or of the generalising model."""
    if model == "generalises":
        return bundled_checkpoint()
    return trained(RUNS / model / "model", "digits", "--n", FEW)


def halves(model):
    """Return the checkpoints of two models that were trained on sets of digits without a common row."""
    rows = load_dataset("digits")[:].numpy()
    order, found = np.random.default_rng(0).permutation(len(rows)), []
    for k, name in enumerate("ab"):
        file = RUNS / model / f"half-{name}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file():
            np.save(file, rows[order[k * HALVES[model]: (k + 1) * HALVES[model]]])
        found.append(trained(RUNS / model / f"half-{name}", file))
    return found


def planted(model):
    """Return (checkpoint, folder of the planted set) of a model that was trained on a set with canaries."""
    folder = planted_set(model)
    return trained(RUNS / model / "planted-model", folder), folder


def planted_set(model):
    """Return the folder of a set of digits with canaries, some of them several times."""
    n, each = PLANTED[model]
    folder = RUNS / model / "planted"
    if not (folder / "run.json").is_file():
        command(["canaries", "--dataset", "digits", "--n", n, "--each", each, "--out", folder])
    return folder
