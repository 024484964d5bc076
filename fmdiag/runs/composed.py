"""Report and audit: which diagnostics they are composed of; the audit's parts stand in `diagnostics.audit.parts`."""

import warnings

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.audit.parts import FIRST, PARTS, Asked, asked_of, check_without
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
CLOSEST = 8  # samples whose provenance an audit shows beside that of others, drawn at random


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
          n_steps=100, method="euler", without=(), **spaces):
    """Measure every part of the audit that applies, but for those named in `without`; return its document."""
    from fmdiag.diagnostics.audit.document import compose

    # Before anything long: without a null there is no audit, and canaries of another training set are refused.
    without = check_without(without)
    check_held_out(run.training_set, required=True)
    solver = {"n_steps": n_steps, "method": method}
    judged = {"samples": samples, "sample_range": sample_range, "n_samples": n_samples, **solver}
    if canaries is not None:
        run.measure("canaries", folder=canaries, **judged)
    copies = run.measure(FIRST, **judged, **spaces)
    asked = Asked(judged, solver, spaces, n_images, n_noises, closest(copies.table) if samples is None else ())
    for part in PARTS:
        if part not in without and run.lacks(DIAGNOSTICS[part]) is None:
            run.measure(part, **asked_of(part, asked, without))
    if without:
        run.facts["without"] = list(without)
    return compose(run.record(), run.summary())


def closest(table, n=CLOSEST):
    """Return the numbers of the samples of least d1/d2 of a memorization table."""
    model = table[(table["source"] == "model") & (table["feature"] == table["feature"].iloc[0])]
    return tuple(model.sort_values(["ratio", "sample"], kind="stable")["sample"].head(n).astype(int))
