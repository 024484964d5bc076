"""Feature spaces in which samples are compared with training rows: images -> vectors."""

from fmdiag.features.pixels import pixels

# A feature is a callable, images float32 (b, *shape) in model range -> vectors float32 (b, k), with a `name`.
FEATURES = {"pixels": pixels}

__all__ = ["FEATURES", "pixels"]
