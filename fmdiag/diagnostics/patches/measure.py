"""Copies of parts: which windows of samples are training windows, how much they cover, and from how many images.

For every k x k window of a sample the nearest training window at the same place is found, and for some samples the
nearest at any place; a window is copied by the d1/d2 rule of `fmdiag.memorization` (see `patches.judge`). Per image the
share of its area that copied windows cover, and the number of training images that account for 90 % of it: 1 for a copy
of one image, many for a mosaic.

The null are held-out images, of which as many pass the rule as windows of fresh images happen to be near training
windows. û*'s samples are copies of one image each; samples of the local score, whose patches are chosen by themselves,
are mosaics by construction.

Memorisation: more samples than held-out images have a copied area. Generalisation: as many.

References
----------
Kamb and Ganguli, "An analytic theory of creativity in convolutional diffusion models", arXiv 2412.20292 (the claim that
samples are mosaics of patches). Somepalli et al., arXiv 2212.03860, and Webster, arXiv 2305.08694 (copied parts and
templates). Yoon et al. 2023 (the rule d1/d2 < 1/3, there for whole images).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmdiag.datasets import as_training_set
from fmdiag.datasets.overlap import usable
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.memorization.measure import THRESHOLD, held_out_rows
from fmdiag.diagnostics.nulls import check_null
from fmdiag.diagnostics.patches.controls import mosaics, whole_copies
from fmdiag.diagnostics.patches.judge import Judge
from fmdiag.diagnostics.patches.search import WindowSearch
from fmdiag.diagnostics.patches.summary import NAME, summarise
from fmdiag.diagnostics.patches.windows import typical, windows_of
from fmdiag.diagnostics.points.checks import check_range
from fmdiag.diagnostics.points.measurable import measurable, noted
from fmdiag.ranks.group import SINGLE
from fmdiag.sampling import seeded

__all__ = ["NAME", "Found", "measure", "measured", "summarise"]
AREA = 0.15
N_ANY, N_CONTROLS = 16, 16


@dataclass(frozen=True)
class Found:
    """What was measured.

    Parameters
    ----------
    table : DataFrame
        As `measure` returns it.
    points : dict of str to (ndarray, Tensor)
        Source -> numbers and images, in the order of the table.
    maps : dict of str to ndarray of int64, shape (n, height, width)
        Source -> the training image that each pixel comes from at the same place, -1 where nothing is copied, -2
        where a pixel is not judged.
    """

    table: pd.DataFrame
    points: dict
    maps: dict


@by_card
def measure(samples, training_set, *, held_out=None, closed_form=None, patch_theory=None, n_controls=N_CONTROLS,
            window=None, stride=1, threshold=THRESHOLD, area=AREA, n_any=N_ANY, path=None, n_steps=100, memory=None,
            device="cpu", progress=iter, group=SINGLE, generator=None, seed=0):
    """Return how much of each image copied windows cover, a row per image and kind of place.

    Parameters
    ----------
    samples : Tensor or ndarray, shape (n, *shape)
        The model's samples in model range; diverged ones are left out, with a warning.
    training_set : TrainingSet, array, torch Dataset, name or path
        The images that the model was trained on, flips included.
    held_out : TrainingSet, Tensor, ndarray or False, optional
        Images that it was not trained on; default the training set's own, of which as many as samples are drawn. False,
        or a set without any: no null.
    closed_form, patch_theory : Tensor, ndarray or False, optional
        Samples of û* and of the local score; default drawn. False: without this control.
    n_controls : int
        Samples drawn of either, at most.
    window : int, optional
        Side k of the windows; default the odd number nearest to a fourth of the shorter side, at least 5.
    stride : int
        Pixels between neighboring windows.
    threshold : float
        A window is copied if d1/d2 is below it.
    area : float
        An image is flagged if copied windows cover at least this share of its judged area.
    n_any : int
        Images of each source that are compared at any place too.
    path, n_steps, memory, device, progress, group, generator, seed
        As in `fmdiag.memorization`; each rank judges its share of the images.

    Returns
    -------
    DataFrame
        Columns source (model, heldout, closed_form, patch_theory), sample (number within its source), place (same,
        any), area_share (copied pixels over judged ones: a window covers them that is neither blank nor common, and
        they are not blank themselves),
        n_images (training images that cover 90 % of the copied pixels by greedy choice; 0 without any), flagged,
        close_share and close_flagged (the same of windows with d1/d2 < 0.1), nearest (the training image that covers
        most, its stored row; -1 without any), largest_share (its share of the copied pixels), judged_share (judged
        pixels over all), windows (judged ones), copied_windows, window (k), threshold, area; where rows have groups
        also group, that of `nearest`. ``attrs["null"]`` says why the held-out images are no null, where they are none.

    Raises
    ------
    FmdiagError
        If the examples are no images, a window does not fit into them, or samples do not fit the training set.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=200)
    >>> table = fmdiag.patches(train[:4], train, n_any=0, closed_form=False, patch_theory=False)
    >>> model = table[table.source == "model"]
    >>> model.area_share.tolist(), model.n_images.tolist()
    ([1.0, 1.0, 1.0, 1.0], [1, 1, 1, 1])
    """
    return measured(samples, training_set, held_out=held_out, closed_form=closed_form, patch_theory=patch_theory,
                    n_controls=n_controls, window=window, stride=stride, threshold=threshold, area=area, n_any=n_any,
                    path=path, n_steps=n_steps, memory=memory, device=device, progress=progress, group=group,
                    generator=seeded(generator, seed)).table


def measured(samples, training_set, *, held_out=None, closed_form=None, patch_theory=None, n_controls=N_CONTROLS,
             window=None, stride=1, threshold=THRESHOLD, area=AREA, n_any=N_ANY, path=None, n_steps=100, memory=None,
             device="cpu", progress=iter, group=SINGLE, generator):
    """Return the Found; parameters and errors as for `measure`."""
    training_set = as_training_set(training_set)
    windows = windows_of(training_set, window, stride)
    center, deviation = typical(training_set)
    numbers, samples, remark = measurable(samples, training_set)
    check_range(samples, training_set)
    unseen, free = usable(held_out, training_set)
    check = check_null(training_set, unseen, free, device=device, group=group)
    around = {"memory": memory, "device": device}
    drawn = {"path": path, "group": group, "generator": generator, **around}
    points = {
        "model": (numbers, samples),
        "heldout": held_out_rows(unseen, check.kept, training_set, len(samples), generator),
        "closed_form": whole_copies(training_set, n_controls, given=closed_form, n_steps=n_steps, **drawn),
        "patch_theory": mosaics(training_set, n_controls, windows.k, given=patch_theory, **drawn)}
    points = {source: found for source, found in points.items() if found is not None}
    judge = Judge(WindowSearch(training_set, windows, center, threshold=threshold, **around), deviation, area)
    asked = [(source, place) for place in ("same", "any") for source in points if place == "same" or n_any]
    tables, maps = [], {}
    for source, place in progress(asked):
        own = slice(None) if place == "same" else slice(n_any)
        table, sources = _shared(judge, *(part[own] for part in points[source]), source, place, group)
        tables.append(table)
        if place == "same":
            maps[source] = sources
    table = pd.concat(tables, ignore_index=True)
    if training_set.groups is not None:
        table["group"] = np.where(table["nearest"] < 0, -1, training_set.group_of(np.maximum(table["nearest"], 0)))
    return Found(check.noted(noted(table, remark)), points, maps)


def _shared(judge, numbers, images, source, place, group):
    """Return (table, maps) of images that the ranks share out."""
    parts = group.spread(np.arange(len(images)), lambda mine: judge(numbers[mine], images[mine], source=source,
                                                                    place=place))
    return pd.concat([table for table, _ in parts], ignore_index=True), np.concatenate([maps for _, maps in parts])
