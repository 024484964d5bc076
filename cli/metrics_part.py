"""The metrics of an audit: every registered definition on the samples, the training rows and the held-out rows."""

import logging

from .spaces import spaces


def run(session, samples, chosen):
    """Record tables/metrics, a row per feature and metric; nothing where held-out rows are missing for all of them.

    Parameters
    ----------
    session : Session
        Training set, seed and device.
    samples : Tensor, shape (n, *shape)
        In model range.
    chosen : dict
        Feature spaces, from `spaces.taken`; of pixels the principal components are taken.
    """
    import pandas as pd

    from fmdiag.diagnostics.measurable import measurable

    names = dict.fromkeys("pca" if name == "pixels" else name for name in chosen["features"])
    features, _ = spaces(session, {**chosen, "features": tuple(names)})
    _, samples, _ = measurable(samples, session.training_set)
    left_out = {}
    table = pd.concat([_rows(session, samples, feature, left_out) for feature in features], ignore_index=True)
    summary = table.rename(columns={"metric": "quantity"}).assign(diagnostic="metrics")
    if session.speaks and len(table):
        session.folder.add_table("metrics", session.cautioned(table))
        session.folder.add_summary(summary)
        session.parameters["metrics"] = {"features": list(names), "n_samples": len(samples),
                                         "left_out": left_out, "command": session.command_for("audit")}


def _rows(session, samples, feature, left_out):
    """Return the rows of one feature space; a metric that these data do not allow is noted with the reason."""
    import torch

    from fmdiag.errors import FmdiagError
    from fmdiag.features import embed
    from fmdiag.metrics import METRICS

    train, test = session.training_set, session.training_set.unseen
    vectors = [None if rows is None else embed(rows, feature) for rows in (samples, train, test)]
    tables = []
    for module in METRICS.values():
        if vectors[2] is None and getattr(module, "NEEDS_TEST", True):
            continue
        generator = torch.Generator().manual_seed(session.options["seed"])
        try:
            tables.append(module.measure(*vectors, generator=generator).assign(feature=feature.name))
        except FmdiagError as error:
            left_out[module.DEFINITION] = str(error)
            logging.getLogger("fmdiag").info(f"metric {module.DEFINITION} left out: {error}")
    return _joined(tables)


def _joined(tables):
    import pandas as pd

    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["metric", "feature"])
