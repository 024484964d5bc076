"""Feature spaces of a measurement, as run.json records them."""


def described(features, parameters):
    """Return what run.json records of feature spaces and of the search in them.

    Parameters
    ----------
    features : list of Feature
        As `Context.spaces` returned them.
    parameters : Spaces
        What they were asked for by.
    """
    names = [feature.name for feature in features]
    return {"feature": names[0] if len(names) == 1 else names, "features": [feature.describe() for feature in features],
            "index": parameters.index, "duplicate_tolerance": parameters.duplicate_tolerance}
