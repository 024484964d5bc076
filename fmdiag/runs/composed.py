"""Report and audit: which diagnostics they are composed of, and what of their parameters they hand on."""

import warnings

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.diagnostic import NAMES
from fmdiag.diagnostics.memorization.null_size import check_held_out
from fmdiag.errors import FmdiagError, FmdiagWarning

# Diagnostic -> {its parameter: the report's parameter}.
REPORT = {
    "alignment": {"n_pairs": "n_pairs"},
    "error": {"n_pairs": "n_pairs"},
    "hybrid": {"n_samples": "n_noises", "n_steps": "n_steps"},
    "memorization": {"n_samples": "n_samples", "n_steps": "n_steps"},
    "quality": {"n_samples": "n_samples", "n_steps": "n_steps"},
    "gradient-variance": {"n_samples": "n_gradients"},
}
DEFAULTS = {"n_pairs": 256, "n_samples": 1024, "n_noises": 256, "n_gradients": 32, "n_steps": 100}
CLOSEST = 8  # samples whose provenance an audit shows; what it says of the model is of others, drawn at random
RANDOM = 64
TURNS = (0.1, 0.3, 0.5, 0.7, 0.9)   # times of an audit's U-turns


def report(run, **parameters):
    """Measure every diagnostic of REPORT that applies to the run."""
    check_held_out(run.training_set)
    given = DEFAULTS | parameters
    for name, names in REPORT.items():
        card = DIAGNOSTICS[name]
        chosen = {own: given[shared] for own, shared in names.items()}
        if run.lacks(card) is None and card.applies(run, chosen):
            run.measure(card, **chosen)
    for name, card in DIAGNOSTICS.items():
        if name not in NAMES and run.lacks(card) is None and card.applies(run, {}):
            _measured_or_left_out(run, card)


def _measured_or_left_out(run, card):
    """Measure a diagnostic of somebody else's; where it fails, say so and go on."""
    try:
        run.measure(card)
    except FmdiagError as error:
        run.facts.setdefault("left_out", []).append(str(error))
        warnings.warn(str(error), FmdiagWarning, stacklevel=3)


def audit(run, *, samples=None, sample_range=None, canaries=None, n_samples=None, n_images=256, n_noises=8,
          n_steps=100, method="euler", **spaces):
    """Measure every part of the audit that applies; return its document."""
    from fmdiag.diagnostics.audit.document import compose

    # Before anything long: without a null there is no audit, and canaries of another training set are refused.
    check_held_out(run.training_set, required=True)
    solver = {"n_steps": n_steps, "method": method}
    judged = {"samples": samples, "sample_range": sample_range, "n_samples": n_samples, **solver}
    if canaries is not None:
        run.measure("canaries", folder=canaries, **judged)
    copies = run.measure("memorization", **judged, **spaces)
    run.measure("metrics", **judged, **_spaces_of_metrics(spaces))
    followed = closest(copies.table) if samples is None else ()
    further = {"membership": {"n_images": n_images, "n_noises": n_noises, **solver},
               "error": {"states": ("train", "heldout"), "n_pairs": n_images},
               "uturn": {"times": TURNS, "n_starts": min(n_images, 64), **solver},
               "provenance": {"sample_numbers": followed, "n_samples": min(n_samples or RANDOM, RANDOM),
                              "n_noises": n_samples or 1024, **solver}}
    for name, chosen in further.items():
        if run.lacks(DIAGNOSTICS[name]) is None:
            run.measure(name, **chosen)
    return compose(run.record(), run.summary())


def _spaces_of_metrics(spaces):
    """Return the feature spaces of the metrics: principal components instead of pixels, which are too many to fit."""
    found = {name: value for name, value in spaces.items() if name not in ("index", "duplicate_tolerance")}
    features = found.get("features") or ("pixels",)
    features = (features,) if isinstance(features, str) else features
    return found | {"features": tuple(dict.fromkeys("pca" if name == "pixels" else name for name in features))}


def closest(table, n=CLOSEST):
    """Return the numbers of the samples of least d1/d2 of a memorization table."""
    model = table[(table["source"] == "model") & (table["feature"] == table["feature"].iloc[0])]
    return tuple(model.sort_values(["ratio", "sample"], kind="stable")["sample"].head(n).astype(int))
