"""Quality of samples, beside what a perfect sampler would score with so few rows.

Fréchet distance, KID, precision, recall, density and coverage of the samples against training rows and against
held-out rows, in one or several feature spaces. All of them depend on the number of rows, so each stands beside a
reference of equal size: held-out rows against the training set, and training rows against the held-out set, are what a
sampler of the true distribution would score.

The difference from the reference stands beside both, with an interval of its own: 0 for a perfect sampler.

Memorisation: closer to the training set than the reference, not closer to the held-out set. A model that copies
training rows scores *well* on all of these, to the held-out set too (paper [1], figure 2): quality is no evidence of
generalisation. Generalisation: like the reference on both sides.

References
----------
Heusel et al. 2017; Bińkowski et al. 2018; Kynkäänniemi et al. 2019; Naeem et al. 2020; Chong & Forsyth 2020.
"""

import numpy as np
import pandas as pd

from fmdiag.datasets import as_training_set
from fmdiag.datasets.overlap import usable
from fmdiag.diagnostics.called import by_card
from fmdiag.diagnostics.points.checks import check_range
from fmdiag.diagnostics.points.measurable import measurable, noted
from fmdiag.errors import FmdiagError
from fmdiag.features import as_features
from fmdiag.features.embed import embed_rows
from fmdiag.metrics import METRICS, check_metrics
from fmdiag.metrics.arrays import numpy_generator, subset
from fmdiag.metrics.held_out import beside_held_out, excess_copies
from fmdiag.results import SUMMARY_COLUMNS
from fmdiag.sampling import seeded

NAME = "quality"
MEASURED = ("frechet", "kid", "prdc")
FEATURES = ("pca",)
MOST = 10_000
FEWEST = 7  # one more than the neighbours of precision and recall, with a group left out


@by_card
def measure(samples, training_set, *, held_out=None, features=FEATURES, metrics=MEASURED, most=MOST, device="cpu",
            cache=None, progress=iter, generator=None, seed=0):
    """Return the metrics of samples, and of a perfect sampler at the same n, a row per value.

    Parameters
    ----------
    samples : Tensor or ndarray, shape (n, *shape)
        The model's samples in model range.
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the model was trained on.
    held_out : TrainingSet, Tensor, ndarray or False, optional
        Rows that it was not trained on; default the training set's own. False: no reference and no distance to them.
    features : iterable of str or callable
        Feature spaces: ``"pca"`` (the first 64 principal components of the training rows' pixels), ``"pixels"``, or
        features as `fmdiag.features` gives them.
    metrics : iterable of str
        Names in `fmdiag.metrics.METRICS`.
    most : int
        Rows used of each set, drawn at random; samples and references have as many as the smallest of samples,
        held-out rows and `most`.
    device : str or torch.device
        Where features are computed.
    cache : FeatureCache, optional
        Where features are kept between measurements.
    progress : callable
        Wraps the sequence of feature spaces, e.g. to show how far the work is.
    generator, seed
        Of subsets and groups; without a generator a new one of `seed`.

    Returns
    -------
    DataFrame
        Columns feature, dim (of the feature space), metric (its suffix says to which rows: train or test), definition
        (with the feature space whose number it is: "fid/... in pca-64"), source (model; heldout: the perfect sampler;
        difference: model less heldout, see `fmdiag.metrics.held_out`), value, low, high, level, n (samples),
        n_reference (rows compared with), interval, remark (what has to be known to read the value, or "").

    Raises
    ------
    FmdiagError
        If there are fewer than seven samples or held-out rows, a sample is NaN or of another shape or range.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits")
    >>> table = fmdiag.quality(train[::5], train, metrics=["frechet"])
    >>> to_train = table[table["metric"] == "frechet_train"].set_index("source")["value"]
    >>> bool(to_train["model"] < to_train["heldout"])       # training rows are closer than unseen ones
    True
    """
    check_metrics(metrics)
    training_set, generator = as_training_set(training_set), seeded(generator, seed)
    _, samples, remark = measurable(samples, training_set)
    check_range(samples, training_set)
    held_out, free = usable(held_out, training_set)
    rng, tables = numpy_generator(generator), []
    n = min(len(samples), most, *([] if held_out is None else [len(free)]))
    if n < FEWEST:
        raise FmdiagError(f"quality needs at least {FEWEST} samples and held-out examples, got {len(samples)} and "
                          f"{len(free)}")
    rows = {"train": subset(np.arange(training_set.n), most, rng), "model": subset(np.arange(len(samples)), n, rng)}
    if held_out is not None:
        rows["test"] = subset(free, most, rng)
    for space in progress(as_features(features, training_set, device)):
        vectors = {name: embed_rows(source, rows[name], space, cache=cache) for name, source in
                   (("train", training_set), ("test", held_out), ("model", samples)) if name in rows}
        found = _compare(vectors, metrics, generator)
        # Distances in pixels' components and in a network's features have nothing but the formula in common.
        named = found["definition"] + f" in {space.name}-" + found["dim"].astype(str)
        tables.append(found.assign(feature=space.name, definition=named))
    table = pd.concat(tables, ignore_index=True)
    return noted(table[["feature", "dim", "metric", "definition", "source", "value", "low", "high", "level", "n",
                        "n_reference", "interval", "remark"]], remark)


def _compare(vectors, metrics, generator):
    """Return the metrics of the samples, of the perfect sampler and their difference in one feature space."""
    train, test = vectors["train"], vectors.get("test")
    copies = excess_copies(vectors["model"], train, test)
    parts = [beside_held_out(METRICS[name], vectors["model"], train, test, copies=copies, generator=generator)
             for name in metrics]
    table = pd.concat(parts, ignore_index=True)
    to_test = table["metric"].str.endswith("_test")
    return table.assign(dim=train.shape[1], n_reference=np.where(to_test, 0 if test is None else len(test), len(train)))


def summarise(table):
    """Return the summary rows: the table's own, the quantity being the metric, with the definition as a further key."""
    renamed = table.rename(columns={"metric": "quantity"}).assign(diagnostic=NAME)
    keys = ["diagnostic", "quantity", "feature", "dim", "definition", "source", "remark"]
    return renamed[[*keys, *SUMMARY_COLUMNS[2:]]]
