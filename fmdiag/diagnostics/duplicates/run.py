"""Run of the search for duplicates and leaks on a context's training set, with pictures of the largest groups."""

import numpy as np

from fmdiag.diagnostics.context import shown
from fmdiag.diagnostics.duplicates.measure import find
from fmdiag.diagnostics.duplicates.nearest import Rule
from fmdiag.diagnostics.duplicates.summary import NAME, sentences, summarise
from fmdiag.diagnostics.memorization.gallery import reduced
from fmdiag.diagnostics.points.pictures import as_pictures
from fmdiag.results import Result

GROUPS, SHOWN = 8, 8   # in the figure, of every space: the largest groups, and of each the first members


def run(context, parameters):
    """Return the Result: members of groups, leaks, nearest others, pictures of the largest groups."""
    features, plan = context.spaces(parameters)
    rule = Rule(parameters.threshold, parameters.neighbor, parameters.duplicate_tolerance)
    found = find(context.training_set, feature=features, rule=rule, n_examples=parameters.n_examples, plan=plan,
                 device=context.device, group=context.group, seed=context.seed, **shown(context, NAME))
    summary, names = summarise(found), [one.name for one in features]
    recorded = {"feature": names[0] if len(names) == 1 else names, "features": [one.describe() for one in features],
                "threshold": rule.threshold, "neighbor": rule.neighbor, "duplicate_tolerance": rule.tolerance,
                "n_examples": parameters.n_examples}
    pictures = _pictures(found.members, context.training_set, context.decoder)
    return Result(NAME, found.members, summary, recorded,
                  {"leaks": found.leaks, "duplicates_nearest": found.nearest},
                  {NAME: pictures} if pictures else {}, facts={NAME: sentences(summary)})


def applies(context, parameters):
    """Return whether there are two training examples to compare."""
    return context.training_set.n_stored > 1


def _pictures(members, training_set, decoder):
    """Return the arrays of the figure: images, uint8, and the feature, group, row and size of each; none of points."""
    chosen = members[(members["group"] < GROUPS)].groupby(["feature", "group"], sort=False).head(SHOWN)
    if chosen.empty:
        return {}
    images = as_pictures(training_set[chosen["row"].tolist()], training_set, decoder)
    if images is None:
        return {}
    kinds = {name: chosen[name].to_numpy(str) for name in ("feature", "kind")}
    numbers = {name: chosen[name].to_numpy(np.int64) for name in ("group", "row", "size")}
    return {"images": reduced(images), **kinds, **numbers}
