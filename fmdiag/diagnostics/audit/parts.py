"""Parts of an audit: which diagnostics it is composed of, and what it asks of each; all but the first can be left out.

A line of PARTS is the name of a diagnostic and a function of what the audit was asked that returns the parameters of
its card; a line of WITHIN is a part of another part, and the parameters by which that one leaves it out. Whatever
stands in either is measured where it applies to the model, and is a name that `fmdiag audit --without` takes.
"""

from dataclasses import dataclass

from fmdiag.errors import FmdiagError, check_choice

FIRST = "memorization"
TURNS = (0.1, 0.3, 0.5, 0.7, 0.9)   # times of an audit's U-turns
EXAMPLES = 10_000                   # training examples whose near-duplicates an audit looks for
RANDOM = 64                         # samples at random whose provenance speaks for the model


@dataclass(frozen=True)
class Asked:
    """What an audit was asked, as its parts take it.

    Attributes
    ----------
    judged : dict
        samples, sample_range, n_samples, n_steps, method: what `fmdiag.diagnostics.groups.Judged` holds.
    solver : dict
        n_steps and method of it.
    spaces : dict
        Feature spaces and search, as far as they were given.
    n_images, n_noises : int
        Images of each kind, and initial noises per image.
    followed : tuple of int
        Numbers of the samples nearest to training examples; empty where samples were given.
    """

    judged: dict
    solver: dict
    spaces: dict
    n_images: int = 256
    n_noises: int = 8
    followed: tuple = ()

    @property
    def n_samples(self):
        """Number of samples that was asked, or None."""
        return self.judged["n_samples"]


def spaces_of_metrics(spaces):
    """Return the feature spaces of the metrics: principal components instead of pixels, which are too many to fit."""
    found = {name: value for name, value in spaces.items() if name not in ("index", "duplicate_tolerance")}
    features = found.get("features") or ("pixels",)
    features = (features,) if isinstance(features, str) else features
    return found | {"features": tuple(dict.fromkeys("pca" if name == "pixels" else name for name in features))}


PARTS = {
    "metrics": lambda asked: asked.judged | spaces_of_metrics(asked.spaces),
    "membership": lambda asked: {"n_images": asked.n_images, "n_noises": asked.n_noises, **asked.solver},
    "error": lambda asked: {"states": ("train", "heldout"), "n_pairs": asked.n_images},
    "uturn": lambda asked: {"times": TURNS, "n_starts": min(asked.n_images, 64), **asked.solver},
    "geometry": lambda asked: {"n_images": min(asked.n_images, 64), **asked.solver},
    "patches": lambda asked: asked.judged | {"n_samples": min(asked.n_samples or 256, 256), "n_any": 0},
    "duplicates": lambda asked: {"n_examples": EXAMPLES, **{name: value for name, value in asked.spaces.items()
                                                            if name != "index"}},
    "provenance": lambda asked: {"sample_numbers": asked.followed, "n_samples": min(asked.n_samples or RANDOM, RANDOM),
                                 "n_noises": asked.n_samples or 1024, **asked.solver},
}
# Part -> (the part that it belongs to, the parameters that leave it out).
WITHIN = {"attacks": ("membership", {"attacks": ("none",)})}


def check_without(without, choices=(*PARTS, *WITHIN), what="an audit"):
    """Return the parts to be left out, a tuple of names without repeats.

    Raises
    ------
    FmdiagError
        If a name is no part, or that of the samples' comparison with the training examples, without which nothing is
        an audit.
    """
    names = (without,) if isinstance(without, str) else tuple(dict.fromkeys(without))
    if FIRST in names:
        raise FmdiagError(f"without (--without): {what} is about {FIRST}, which cannot be left out: choose from "
                          f"{', '.join(choices)}")
    for name in names:
        check_choice(f"part of {what}", name, list(choices))
    return names


def asked_of(part, asked, without):
    """Return the parameters of a part, those that leave a part within it out among them."""
    off = [parameters for name, (whole, parameters) in WITHIN.items() if whole == part and name in without]
    return PARTS[part](asked) | {name: value for parameters in off for name, value in parameters.items()}
