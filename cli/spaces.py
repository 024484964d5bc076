"""Which feature spaces and which search do the options of a command ask for?"""

DEFAULT = {"features": ("pixels",), "feature_weights": (), "feature_size": None, "feature_normalisation": None,
           "pca_components": None, "index": "flat", "duplicate_tolerance": 0.0, "no_cache": False}
# Option -> (keyword of `load_feature`, the features that take it).
OWN = {"feature_size": ("size", ("torchscript", "onnx")),
       "feature_normalisation": ("normalisation", ("torchscript", "onnx")),
       "pca_components": ("n_components", ("pca",))}


def taken(options):
    """Take the options of `feature_options` out of a command's options and return them as a dict."""
    return {name: options.pop(name, default) for name, default in DEFAULT.items()}


def spaces(session, chosen):
    """Return the features (a list) and the SearchPlan that the options ask for.

    Parameters
    ----------
    session : Session
        Its training set, device, memory and data root.
    chosen : dict
        From `taken`, or `DEFAULT`.

    Raises
    ------
    FmdiagError
        If a name is unknown, an option fits no feature that was asked for, or weights are missing.
    """
    known = repr(sorted(chosen.items()))  # loaded once, for the name of a part and for the part
    if known not in session.found_spaces:
        session.found_spaces[known] = _loaded(session, chosen)
    return session.found_spaces[known]


def _loaded(session, chosen):
    from fmdiag.features import FeatureCache, as_features, load_feature
    from fmdiag.neighbors import SearchPlan

    weights, names = _weights(chosen), list(chosen["features"])
    for option, (_, features) in OWN.items():
        if chosen[option] is not None and not set(features) & set(names):
            _fail(f"--{option.replace('_', '-')} is for {' and '.join(features)}: add --feature {features[0]}, or "
                  "leave it out")
    cache = None if chosen["no_cache"] else FeatureCache()
    plan = SearchPlan(chosen["index"], chosen["duplicate_tolerance"], session.options["memory"], cache,
                      progress=lambda batches: session.progress(batches, "features"))
    surroundings = {name: session.options[name] for name in ("data_root", "offline", "trust_code")}
    features = [load_feature(name, weights=weights.get(name), training_set=session.training_set, device=session.device,
                             **surroundings, **_own(chosen, name)) for name in names]
    return as_features(features, session.training_set), plan


def described(features, chosen):
    """Return what `run.json` records of them."""
    names = [feature.name for feature in features]
    return {"feature": names[0] if len(names) == 1 else names, "features": [feature.describe() for feature in features],
            "index": chosen["index"], "duplicate_tolerance": chosen["duplicate_tolerance"]}


def _own(chosen, name):
    return {keyword: chosen[option] for option, (keyword, features) in OWN.items() if name in features}


def _weights(chosen):
    """Return {feature: path} of the words NAME=PATH, each of a feature that was asked for."""
    weights = {}
    for word in chosen["feature_weights"]:
        name, sign, path = word.partition("=")
        if not sign or not path:
            _fail(f"--feature-weights {word}: give NAME=PATH, such as dinov2=weights/dinov2-base")
        if name not in chosen["features"]:
            _fail(f"--feature-weights {word}: add --feature {name}, or leave it out")
        weights[name] = path
    return weights


def _fail(message):
    from fmdiag.errors import FmdiagError

    raise FmdiagError(message)
