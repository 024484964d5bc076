"""Report and audit: which diagnostics they are composed of; the audit's parts stand in `diagnostics.audit.parts`."""

import warnings

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.audit.parts import FIRST, PARTS, WITHIN, Asked, asked_of, check_without
from fmdiag.diagnostics.diagnostic import NAMES
from fmdiag.diagnostics.memorization.null_size import check_held_out
from fmdiag.errors import FmdiagError, FmdiagWarning

# Diagnostic -> {its parameter: the report's parameter}.
REPORT = {
    "duplicates": {},
    "alignment": {"n_pairs": "n_pairs"},
    "error": {"n_pairs": "n_pairs"},
    "hybrid": {"n_samples": "n_noises", "n_steps": "n_steps"},
    "memorization": {"n_samples": "n_samples", "n_steps": "n_steps"},
    "quality": {"n_samples": "n_samples", "n_steps": "n_steps"},
    "gradient-variance": {"n_samples": "n_gradients"},
}
LOOKS = {"symmetry": {}, "patches": {}}   # looked at longer than by an audit, which leaves symmetry alone
# Half as many noises as `fmdiag hybrid` takes: of the bundled digits the interval of a distance is .132 wide instead of
# .098, that of a share of copies at most .028 instead of .014, which moves no answer, and each has to be carried on.
DEFAULTS = {"n_pairs": 256, "n_samples": 1024, "n_noises": 128, "n_gradients": 32, "n_steps": 100, "n_images": 128}
NOISES = 4   # per image of a report's membership test; an audit takes twice as many, of twice as many images
CLOSEST = 8  # samples whose provenance an audit shows beside that of others, drawn at random
CHOICES = tuple(dict.fromkeys(name for name in (*REPORT, *PARTS, *WITHIN, *LOOKS) if name != FIRST))


def report(run, *, without=(), **parameters):
    """Measure what applies to the run, but for what `without` names; return the audit's document.

    It is None where there are no held-out examples, without which nothing is an audit.
    """
    return _document(run) if report_measured(run, without=without, **parameters) else None


def report_measured(run, *, without=(), **parameters):
    """Measure the parts of a report; return whether an audit is among them."""
    without = check_without(without, CHOICES, "a report")
    check_held_out(run.training_set)
    given = DEFAULTS | parameters
    for name, names in REPORT.items():
        _where_it_applies(run, name, {own: given[shared] for own, shared in names.items()}, without)
    judged = run.training_set.held_out is not None and FIRST in run.results
    if judged:
        _audited(run, given, without)
    for name, card in DIAGNOSTICS.items():
        if name not in NAMES and run.lacks(card) is None and card.applies(run, {}):
            _measured_or_left_out(run, card)
    if without:
        run.facts["without"] = list(without)
    return judged


def _audited(run, given, without):
    """Measure the parts of an audit that a report has not got yet, of fewer images, and what looks at samples."""
    solver = {"n_steps": given["n_steps"], "method": "euler"}
    judged = {"samples": None, "sample_range": None, "n_samples": given["n_samples"], **solver}
    asked = Asked(judged, solver, {}, given["n_images"], NOISES, closest(run.results[FIRST].table))
    for part in [part for part in PARTS if part not in run.results and part not in LOOKS]:
        _where_it_applies(run, part, asked_of(part, asked, without), without)
    for part, chosen in LOOKS.items():
        _where_it_applies(run, part, chosen, without)


def _where_it_applies(run, name, chosen, without):
    card = DIAGNOSTICS[name]
    if name not in without and run.lacks(card) is None and card.applies(run, chosen):
        run.measure(card, **chosen)


def _document(run):
    """Return the document of the audit, from the parts of it that were measured."""
    from fmdiag.diagnostics.audit.document import compose

    rows = run.summary()
    return compose(run.record(), rows[rows["diagnostic"].isin((FIRST, "canaries", "patches", *PARTS))],
                   run.results[FIRST].tables.get("copied_files"))


def _measured_or_left_out(run, card):
    """Measure a diagnostic of somebody else's; where it fails, say so and go on."""
    try:
        run.measure(card)
    except FmdiagError as error:
        run.facts.setdefault("left_out", []).append(str(error))
        warnings.warn(str(error), FmdiagWarning, stacklevel=3)


def audit(run, **parameters):
    """Measure every part of the audit that applies, but for those named in `without`; return its document."""
    audit_measured(run, **parameters)
    return _document(run)


def audit_measured(run, *, samples=None, sample_range=None, canaries=None, n_samples=None, n_images=256, n_noises=8,
                   n_steps=100, method="euler", without=(), **spaces):
    """Measure the parts of an audit."""
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


def closest(table, n=CLOSEST):
    """Return the numbers of the samples of least d1/d2 of a memorization table."""
    model = table[(table["source"] == "model") & (table["feature"] == table["feature"].iloc[0])]
    return tuple(model.sort_values(["ratio", "sample"], kind="stable")["sample"].head(n).astype(int))
