"""Run of the search for copied parts among samples that are given, or drawn from a context's model."""

import numpy as np

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.memorization.null_size import check_held_out
from fmdiag.diagnostics.patches.measure import NAME, measured
from fmdiag.diagnostics.patches.summary import control_failed, reading, summarise
from fmdiag.diagnostics.points.judged import judged_samples
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.results import Result

LINES = (("model", 4), ("heldout", 1), ("closed_form", 1), ("patch_theory", 1))
SHOWN = 3       # training images beside a sample


def run(context, parameters):
    """Return the Result with maps of sources and the training images that the largest parts come from."""
    check_held_out(context.training_set)
    samples, asked = judged_samples(context, parameters)
    asked |= {name: getattr(parameters, name) for name in ("window", "stride", "threshold", "area", "n_any",
                                                           "n_controls")}
    found = measured(samples, context.training_set, n_steps=parameters.n_steps, generator=context.generator(),
                     **{name: asked[name] for name in ("window", "stride", "threshold", "area", "n_any", "n_controls")},
                     **surroundings(context), **shown(context, NAME))
    rows = context.training_set
    reason = (rows.overlap and rows.overlap.not_judged()) or found.table.attrs.get("null") or control_failed(
        found.table)
    asked["window"] = int(found.table["window"].iloc[0])
    return Result(NAME, found.table, summarise(found.table, judged=not reason), asked,
                  arrays={NAME: pictures(found, context),
                          "patch_maps": {source: maps.astype(np.int32) for source, maps in found.maps.items()}},
                  facts={"reading": reading(found.table, reason), **({"not_judged": reason} if reason else {})})


def pictures(found, context):
    """Return the arrays of the figure: the images of each source with the largest area share, and what they come from.

    Returns
    -------
    dict of ndarray
        images, uint8, shape (m, c, h, w); sources (their source); sample, area_share, n_images, shape (m,); maps,
        int64, shape (m, h, w); rows, int64, shape (m, 3), the training images that cover most, -1 where too few;
        mirrored, bool, shape (m, 3), whether their mirror image is what is copied; row_images, uint8, shape
        (m, 3, c, h, w), the mirror image where it is. Empty where rows are no pictures.
    """
    rows, training_set, same = [], context.training_set, found.table[found.table["place"] == "same"]
    for source, most in LINES:
        own = same[same["source"] == source].reset_index(drop=True)
        best = own.sort_values(["area_share", "sample"], ascending=[False, True], kind="stable").head(most)
        rows += [(source, place, one) for place, one in zip(best.index, best.to_dict("records"), strict=True)]
    maps = np.stack([found.maps[source][place] for source, place, _ in rows])
    tops = np.stack([_largest(one) for one in maps])
    images = np.stack([found.points[source][1][place].float().numpy() for source, place, _ in rows])
    mirrored = np.stack([_mirrored(*one, training_set) for one in zip(images, maps, tops, strict=True)])
    shown_rows = np.maximum(tops, 0) + training_set.n_stored * mirrored
    both = [as_pictures(training_set[shown_rows.reshape(-1)].reshape(*tops.shape, *training_set.shape),
                        training_set, context.decoder),
            as_pictures(training_set[[0]].new_tensor(images), training_set, context.decoder)]
    if both[0] is None:
        return {}
    return {"images": both[1], "row_images": both[0], "maps": maps, "rows": tops, "mirrored": mirrored,
            "sources": np.array([source for source, _, _ in rows]),
            **{name: np.array([one[name] for _, _, one in rows]) for name in ("sample", "area_share", "n_images")}}


def _mirrored(image, sources, rows, training_set):
    """Return of which rows the mirror image is nearer to the pixels that come from them, bool, shape (SHOWN,)."""
    both = training_set.n > training_set.n_stored
    return np.array([both and row >= 0 and _distance(image, sources == row, training_set, row + training_set.n_stored)
                     < _distance(image, sources == row, training_set, row) for row in rows])


def _distance(image, mask, training_set, row):
    return float(np.square(image - training_set[[row]][0].numpy()).reshape(-1, *mask.shape)[:, mask].sum())


def _largest(sources):
    """Return the training images with most pixels of a map, int64, shape (SHOWN,), -1 where there are fewer."""
    names, counts = np.unique(sources[sources >= 0], return_counts=True)
    order = names[np.lexsort((names, -counts))][:SHOWN]
    return np.pad(order, (0, SHOWN - len(order)), constant_values=-1)
