"""Canaries planted into a data set as a folder of its own, with its manifest and its record, before training."""

import warnings
from pathlib import Path
from typing import Any

from fmdiag.datasets import load_dataset
from fmdiag.datasets.canaries import plant
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.results import RunFolder, check_destination
from fmdiag.runs.parts import Parts
from fmdiag.runs.versions import versions

KIND = "canaries"


def write_canaries(out, dataset="digits", *, images=None, multiplicities=(1, 4, 16), n_each=10, n=None, seed=0,
                   overwrite=False, command="", places=(), **reading):
    """Write a data set with known images planted in it, and return the manifest, which says where they are.

    Parameters
    ----------
    out : path
        Folder of the new data set.
    dataset : str or path
        What canaries are planted among, as `fmdiag.load_dataset` takes it.
    images : path, optional
        Own pictures to draw canaries from; default the held-out examples.
    multiplicities : sequence of int
        How often canaries are planted, all different and at least 1.
    n_each : int
        Canaries of each multiplicity; a fair coin for each decides whether it is planted or held out.
    n : int, optional
        Size of the subset that they are planted in.
    seed : int
        Decides which images, how often and where.
    overwrite : bool
        Whether an earlier folder of canaries may be replaced, once the new one is complete.
    command : str
        Command line for the record, empty where there is none.
    places : iterable of str
        Paths that the user gave, which the record shows by their names alone.
    **reading
        Options of `fmdiag.load_dataset`; mirror images are never planted.

    Raises
    ------
    FmdiagError
        If `out` may not be written, or there are too few images; see `fmdiag.datasets.canaries.plant`.
    """
    from fmdiag import __version__

    check_destination(out, KIND, overwrite=overwrite)
    unflipped: dict[str, Any] = {**reading, "hflip": False}
    rows = load_dataset(dataset, n=n, **unflipped)
    if rows.spread is not None:
        raise FmdiagError(f"{rows.name}: canaries are planted among rows as they are, not among moments of latents: "
                          "leave --moments out")
    alike = {name: reading[name] for name in ("size", "skip_bad", "orientation", "value_range") if name in reading}
    own = None if images is None else load_dataset(Path(images), **alike)
    with Parts(out, KIND), RunFolder(out, KIND, overwrite=overwrite) as folder:
        folder.places = places
        manifest = plant(folder.path, rows, rows.held_out, multiplicities=multiplicities, n_each=n_each, images=own,
                         seed=seed)
        folder.add_json("canaries.json", manifest)
        if own is None:
            _say_what_is_left(rows.held_out, len(manifest["canaries"]))
        folder.add_json("run.json", {"fmdiag": __version__, "command": command, "name": "canaries", "diagnostics": {},
                                     "dataset": rows.describe(), "seed": seed, "versions": versions()})
    return manifest


def _say_what_is_left(held_out, n_canaries):
    """Warn where canaries have used up half of the held-out examples, which are the null of everything else."""
    left = held_out.n_stored - n_canaries
    if left < n_canaries:
        warnings.warn(f"{n_canaries} of {held_out.n_stored} held-out examples have become canaries: {left} are left "
                      "for the comparison of everything else; give --images, or a smaller --each", FmdiagWarning,
                      stacklevel=3)
