"""Feature spaces in which samples are compared with training rows: images -> vectors."""

from fmdiag.features.cache import FeatureCache
from fmdiag.features.embed import embed
from fmdiag.features.feature import Feature
from fmdiag.features.load import FEATURES, as_features, load_feature

__all__ = ["FEATURES", "Feature", "FeatureCache", "as_features", "embed", "load_feature"]
