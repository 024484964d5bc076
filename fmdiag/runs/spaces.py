"""Feature spaces and search plan of a run, loaded as the parameters of a diagnostic ask."""

from fmdiag.errors import FmdiagError

# Parameter -> (keyword of `load_feature`, the features that take it).
OWN = {"feature_size": ("size", ("torchscript", "onnx", "efficientnet-lite0")),
       "feature_normalisation": ("normalisation", ("torchscript", "onnx")),
       "pca_components": ("n_components", ("pca",))}


def load_spaces(run, parameters):
    """Return the features (a list) and the SearchPlan that a `FeatureSpaces` or `Spaces` dataclass asks for.

    Raises
    ------
    FmdiagError
        If a name is unknown, a parameter fits no feature that was asked for, or weights are missing.
    """
    from fmdiag.features import FeatureCache, as_features, load_feature
    from fmdiag.neighbors import SearchPlan

    names = list(parameters.features)
    kinds = [name.partition(":")[0] for name in names]
    weights = _weights(parameters, kinds)
    _check(parameters, kinds)
    on_disk = run.cache and not parameters.no_cache
    cache = run.feature_caches.setdefault(on_disk, FeatureCache(disk=on_disk))
    plan = SearchPlan(getattr(parameters, "index", "flat"), getattr(parameters, "duplicate_tolerance", 0.0), run.memory,
                      cache, progress=lambda batches: run.progress(batches, "features"))
    around = run.given.chosen(("data_root", "offline", "trust_code"))
    features = [load_feature(name, weights=weights.get(kind), training_set=run.training_set, device=run.network_device,
                             **around, **_own(parameters, kind)) for name, kind in zip(names, kinds, strict=True)]
    return as_features(features, run.training_set), plan


def _check(parameters, names):
    for name, (_, features) in OWN.items():
        if getattr(parameters, name) is not None and not set(features) & set(names):
            raise FmdiagError(f"--{name.replace('_', '-')} is for {', '.join(features)}: add --feature "
                              f"{features[0]}, or leave it out")


def _own(parameters, name):
    return {keyword: getattr(parameters, option) for option, (keyword, features) in OWN.items() if name in features}


def _weights(parameters, kinds):
    """Return {feature: path} of the words NAME=PATH, each of a feature that was asked for."""
    weights = {}
    for word in parameters.feature_weights:
        name, sign, path = word.partition("=")
        if not sign or not path:
            raise FmdiagError(f"--feature-weights {word}: give NAME=PATH, such as dinov2=weights/dinov2-base")
        if name not in kinds:
            raise FmdiagError(f"--feature-weights {word}: add --feature {name}, or leave it out")
        weights[name] = path
    return weights
