"""Run of U-turns on a context's model, with û* and the Wiener field beside it."""

import torch

from fmdiag.diagnostics.context import shown, surroundings
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.diagnostics.uturn.measure import carried, tabulate
from fmdiag.diagnostics.uturn.summary import reading, summarise
from fmdiag.fields import beside, recorded_beside
from fmdiag.results import Result

N_SHOWN = 4   # starts of each kind in the strips


def run(context, parameters):
    """Return the Result with its strips of pictures."""
    features, plan = context.spaces(parameters)
    asked = {name: getattr(parameters, name) for name in ("times", "n_starts", "n_steps", "method")}
    found = carried(
        context.field, context.training_set, **asked, generator=context.generator(), **surroundings(context),
        keep=lambda name, compute: context.kept("uturn ends", {"of": name, **asked}, compute),
        **shown(context, "uturn"))
    table = context.group.once(lambda: tabulate(
        found, context.training_set, features=features, plan=plan, device=context.device,
        **context.reading("data_root")))
    summary = summarise(table)
    names = [feature.name for feature in features]
    recorded = {**asked, **recorded_beside(asked["n_steps"], beside(asked["n_steps"], context.field)[1]),
                "times": found.times, "n_starts": found.starts.n,
                "feature": names[0] if len(names) == 1 else names,
                "features": [feature.describe() for feature in features], "classes": table.attrs["classes"]}
    return Result("uturn", table, summary, recorded, arrays={"uturn": strips(found, context)},
                  facts={"reading": reading(summary)}, cautions=table.attrs["remarks"])


def strips(found, context):
    """Return the arrays of the strips: starts and the model's ends as pictures, uint8; {} for vectors.

    Shown are the first N_SHOWN pairs without a lost trajectory; images have shape (times, starts, c, h, w).
    """
    starts, (states, lost) = found.starts, found.ends["model"]
    whole = torch.nonzero(torch.isnan(lost).all(2).all(0)).reshape(-1)[:N_SHOWN]
    ends = states[:, whole].flatten(0, 1).transpose(0, 1)
    own = torch.cat([images[whole] for images in starts.images.values()])
    pictures = as_pictures(ends, context.training_set, context.decoder)
    if pictures is None:
        return {}
    return {"times": found.times, "images": pictures, "sources": [
        source for source in starts.sources for _ in whole], "starts": as_pictures(own, context.training_set,
                                                                                   context.decoder)}
