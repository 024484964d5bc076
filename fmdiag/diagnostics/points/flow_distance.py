"""Table of flow distances: how far apart maps carry the same initial noise, in several feature spaces.

The root mean square over noises is the probability flow distance of `fmdiag.metrics.pfd`.
"""

import pandas as pd
import torch

from fmdiag.diagnostics.points.measurable import diverged
from fmdiag.features import as_features
from fmdiag.features.embed import embed
from fmdiag.metrics import pfd
from fmdiag.stats import row


def distances(ends, pairs, training_set, *, features=("pixels",), cache=None, device="cpu"):
    """Return how far apart maps carry the same noise, a row per noise, feature and pair of maps.

    Parameters
    ----------
    ends : dict of str to Tensor, shape (n, *shape)
        End points by the name of the map, model range, in the order of the noises. Noises that diverge under any map
        are left out.
    pairs : dict of str to (str, str)
        The two maps of each comparison, by what it is called.
    training_set : TrainingSet
        For features that are fitted to it.
    features : sequence of str or Feature
        Spaces of the distances.
    cache : FeatureCache, optional
        Of vectors.
    device : str or torch.device
        Of features that are given by name.

    Returns
    -------
    DataFrame
        Columns feature, maps (name of the comparison), sample (number of the noise), distance (Euclidean, in the
        feature; pixels in model range).
    """
    ends = {name: x.cpu() for name, x in ends.items()}
    kept = ~torch.stack([diverged(x, training_set) for x in ends.values()]).any(0)
    numbers, parts = torch.nonzero(kept).flatten().numpy(), []
    for feature in as_features(features, training_set, device):
        vectors = {name: torch.from_numpy(embed(x[kept].float(), feature, cache=cache).copy()).double()
                   for name, x in ends.items()}
        parts += [pd.DataFrame({"feature": feature.name, "maps": name, "sample": numbers,
                                "distance": (vectors[one] - vectors[other]).norm(dim=1).numpy()})
                  for name, (one, other) in pairs.items()]
    return pd.concat(parts, ignore_index=True)


def summarise(diagnostic, table):
    """Return the summary rows pfd of the table of `distances`, one per feature and comparison; interval over noises."""
    return pd.DataFrame([
        row(diagnostic, "pfd", pfd.of_distances(part["distance"]), n=len(part), interval="student", feature=feature,
            maps=maps, definition=pfd.DEFINITION)
        for (feature, maps), part in table.groupby(["feature", "maps"], sort=False)])
