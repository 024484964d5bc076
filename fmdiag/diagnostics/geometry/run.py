"""Run of the geometry of a context's model: dimensions, maps, and the pictures that they are drawn over."""

import numpy as np
import torch

from fmdiag.checkpoints import load_checkpoint
from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.geometry.measure import NAME, measured
from fmdiag.diagnostics.geometry.summary import reading, summarise
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.errors import FmdiagError
from fmdiag.neighbors import nearest
from fmdiag.paths import as_path
from fmdiag.results import Result

N_SHOWN = {"train": 2, "heldout": 2, "model": 3}   # points in the strips


def run(context, parameters):
    """Return the Result; run.json says how the model's derivatives were made."""
    solver = {"n_steps": parameters.n_steps, "method": parameters.method}
    second = parameters.reference and _reference(context, parameters.reference)
    samples = context.samples(parameters.n_images, **solver, lost_ones="left")
    found = measured(context.network, context.training_set, samples=samples, times=parameters.times,
                     n_images=parameters.n_images, n_probes=parameters.n_probes,
                     reference=second and second.field, generator=context.generator(), **surroundings(context),
                     **shown(context, NAME))
    summary, table = summarise(found.table), found.table
    derivative = table["derivative"].iloc[0]
    cautions = list(table.attrs["remarks"])
    if derivative == "differences":
        cautions.append("geometry: the model cannot be differentiated, its derivatives are finite differences")
    if len(context.training_set.shape) != 3:
        cautions.append("geometry draws no maps: rows are no images")
    arrays = context.group.once(lambda: strips(found, context))
    return Result(NAME, table, summary, {
        "n_images": int(table.groupby("source")["number"].nunique().max()), "n_times": len(found.times),
        "n_probes": parameters.n_probes, "exact": bool((table["lid_standard_error"] == 0).all()),
        "derivative": derivative, "reference": None if second is None else str(parameters.reference),
        "reference_sha256": second and second.sha256, **solver},
        arrays={NAME: arrays} if arrays else {}, facts={"reading": reading(summary)}, cautions=cautions)


def _reference(context, file):
    """Return the Checkpoint of a reference, whose states must be those of the model."""
    second = load_checkpoint(file, device=context.device, **context.reading("trust_code"))
    own, other = (as_path(path) for path in (context.path, second.path))
    if own.describe() != other.describe():
        raise FmdiagError(f"reference (--reference): {file} has the path {other.describe()}, the model "
                          f"{own.describe()}: give a checkpoint on the same path, an earlier one of the same training "
                          "for instance")
    return second


def strips(found, context):
    """Return the arrays of the maps: {} for vectors.

    times; sources and numbers of all points kept; maps, map_errors, closed_form and reference (absent without one),
    float32, shape (points, times, h, w), means over channels; shown, places among these points of those whose images
    and nearest training examples, uint8, shape (shown, c, h, w), are kept.
    """
    shape, examples, kept = context.training_set.shape, found.examples, np.flatnonzero(found.kept)
    if len(shape) != 3:
        return {}
    shown_ones = _shown(found)
    points = examples.points[kept[shown_ones]]
    rows = nearest(points, context.training_set, device=context.device).rows[:, 0]
    pictures = as_pictures(torch.stack([points, context.training_set[rows]]), context.training_set, context.decoder)
    names = {"model": "maps", "error": "map_errors"}
    return {"times": np.array(found.times), "sources": examples.source[kept], "numbers": examples.number[kept],
            "shown": shown_ones, "images": pictures[0], "nearest": pictures[1], "nearest_rows": rows,
            **{names.get(name, name): _grids(values[kept], shape, errors=name == "error")
               for name, values in found.maps.items()}}


def _grids(values, shape, errors):
    """Return means over channels; of standard errors those of the mean, channels being nearly uncorrelated."""
    values = values.reshape(*values.shape[:2], *shape)
    means = values.square().sum(2).sqrt() / shape[0] if errors else values.mean(2)
    return means.float().numpy()


def _shown(found):
    """Return places among the kept points: the first examples, and the samples of least dimension at the last time."""
    source, chosen = found.examples.source[found.kept], []
    last = found.table[found.table["t"] == found.times[-1]]["lid"].to_numpy()
    for name, n in N_SHOWN.items():
        places = np.flatnonzero(source == name)
        chosen.append(places[np.argsort(last[places], kind="stable")][:n] if name == "model" else places[:n])
    return np.concatenate(chosen)
