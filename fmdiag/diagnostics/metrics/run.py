"""Run of every registered metric on samples, training and held-out examples, in every feature space."""

import logging

import pandas as pd

from fmdiag.diagnostics.points.judged import judged_samples
from fmdiag.diagnostics.points.measurable import measurable
from fmdiag.errors import FmdiagError
from fmdiag.features import embed
from fmdiag.metrics import METRICS
from fmdiag.metrics.held_out import beside_held_out, excess_copies
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result, a row per feature and metric; one that these data do not allow is noted with the reason."""
    features, plan = context.spaces(parameters)
    samples, drawn = judged_samples(context, parameters)
    _, samples, _ = measurable(samples, context.training_set)
    table, left_out = context.group.once(lambda: _measured(context, samples, features, plan.cache))
    summary = table.rename(columns={"metric": "quantity"}).assign(diagnostic="metrics")
    return Result("metrics", table, summary, {"features": [feature.name for feature in features],
                                              "n_samples": drawn["n_samples"], "left_out": left_out})


def _measured(context, samples, features, cache):
    left_out = {}
    tables = [table for feature in features for table in _tables(context, samples, feature, left_out, cache)]
    return (pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["metric", "feature"])), left_out


def _tables(context, samples, feature, left_out, cache):
    train, test = context.training_set, context.training_set.unseen
    vectors = [None if rows is None else embed(rows, feature, cache=cache) for rows in (samples, train, test)]
    copies = excess_copies(*vectors)
    for module in METRICS.values():
        if vectors[2] is None and getattr(module, "NEEDS_TEST", True):
            continue
        try:
            yield beside_held_out(module, *vectors, copies=copies, generator=context.generator()).assign(
                feature=feature.name)
        except FmdiagError as error:
            left_out[module.DEFINITION] = str(error)
            logging.getLogger("fmdiag").info(f"metric {module.DEFINITION} left out: {error}")
