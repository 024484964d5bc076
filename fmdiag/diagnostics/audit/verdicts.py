"""Verdicts of an audit, one per question, decided by its corrected tests and its controls."""

from fmdiag.diagnostics.audit.schema import LEVEL

# The rule's answers are the audit's.
ANSWER_OF = {"copies found": "yes", "no excess found": "no evidence"}


def verdicts(summary, found, not_judged=None, copies=None):
    """Return the verdicts from the tests `found`: on copies, the field, canaries, loss and returns.

    `not_judged` says why the held-out rows decide nothing, where they do not; `copies` is the verdict of the
    memorization diagnostic as plain values, the one answer to the first question.
    """
    return [_copies(copies, found), _field(summary, found, not_judged), _canaries(summary, found),
            _gap(summary, found, not_judged), _returns(summary, found, not_judged)]


def _entry(name, question, answer, text, deciding):
    return {"id": name, "question": question, "answer": answer, "text": text,
            "tests": [test["id"] for test in deciding]}


def _deciding(found, prefixes):
    return [test for test in found if test["id"].split("/")[0] in prefixes]


def _copies(verdict, found):
    question = "Are samples copies of training examples, more often than held-out examples look like copies?"
    if not verdict:
        return _entry("copies", question, "not measured", "No samples were compared with the training examples.", [])
    answer = ANSWER_OF.get(verdict["answer"], verdict["answer"])
    return _entry("copies", question, answer, verdict["text"], _deciding(found, ("copies",)))


def _field(summary, found, not_judged):
    question = "Does the velocity field know which images it was trained on?"
    deciding = _deciding(found, ("membership", "attack", "excess-alignment"))
    unable = summary[(summary["diagnostic"] == "membership") & (summary["quantity"] == "not_judged")]
    not_judged = unable["note"].iloc[0] if len(unable) else not_judged
    if not deciding and not len(unable):
        return _entry("field", question, "not measured", "No velocity field was measured on held-out images.", [])
    if not_judged:
        return _entry("field", question, "not judged", f"Not judged: {not_judged}.", deciding)
    best, rows = min(deciding, key=lambda test: test["p_holm"]), summary[summary["diagnostic"] == "membership"]
    known = best["p_holm"] <= LEVEL
    tested = set(rows.loc[rows["quantity"] == "auc_p", "score"])   # of others no interval holds its level
    areas = ", ".join(f"{r.score} {r.value:.3f} [{r.low:.3f}, {r.high:.3f}]"
                      for r in rows[rows["quantity"] == "auc_overall"].itertuples() if r.score in tested)
    text = (f"{'The field knows its training images' if known else 'No evidence that the field knows its images'}: "
            f"smallest p {_p(best['p_holm'])} ({best['id']}), corrected for "
            f"{sum(test['family'] == 'secondary' for test in found)} secondary tests; membership AUC over all times "
            f"{areas}{_per_time(rows, known)}{_attack(rows)}.")
    return _entry("field", question, "yes" if known else "no evidence", text, deciding)


def _attack(rows):
    """Return what the best published attack finds on the images that did not choose it, as the end of a sentence."""
    best = rows[rows["quantity"] == "attack_p"]
    if best.empty:
        return ""
    of_it = rows[(rows["attack"] == best["attack"].iloc[0]) & (rows["half"] == "report")].set_index("quantity")
    area, above = of_it.loc["best_auc"], of_it.loc["above_blind"]
    shown, more = (f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in (area, above))
    return (f"; the best of {(rows['quantity'] == 'above_blind_p').sum()} published attacks on one half of the images, "
            f"{area['attack']} at t = {area['t']:g}, has AUC {shown} on the other, {more} more than a blind baseline")


def _per_time(rows, known):
    """Return for which times the simultaneous band of the AUC leaves out 1/2, as the end of a sentence."""
    band = rows[(rows["quantity"] == "auc") & (rows["interval"] == "simultaneous")]
    if band.empty:
        return ""
    scores = " and both scores" if band["score"].nunique() == 2 else ""
    start = f"; the 95 % band over {band['t'].nunique()} times{scores}"
    above = [f"{score} at t = {', '.join(f'{t:g}' for t in sorted(part['t']))}"
             for score, part in band[band["low"] > 0.5].groupby("score", sort=False)]
    below = (band["high"] < 0.5).any()
    turned = "; it lies below 1/2 somewhere, where held-out images fit better than training images" if below else ""
    if not above:
        return f"{start} lies nowhere above 1/2{turned}"
    alone = "" if known else ", which is no evidence after the correction for the other questions"
    return f"{start} lies above 1/2 for {' and '.join(above)}{alone}{turned}"


def _gap(summary, found, not_judged):
    question = "Is the loss lower on training images than on held-out ones, at some time?"
    rows = _band(summary, "error", "gap")
    return _of_differences("gap", question, rows, _deciding(found, ("gap",)), not_judged,
                           "held-out minus training loss per coordinate", "No loss was measured on held-out images.")


def _returns(summary, found, not_judged):
    question = "Do U-turns return to training images more often than to held-out ones, from some time?"
    rows = _band(summary, "uturn", "returned_difference")
    rows = rows[rows["field"] == "model"] if "field" in rows else rows
    return _of_differences("returns", question, rows, _deciding(found, ("return-difference",)), not_judged,
                           "training minus held-out share that returns",
                           "No U-turns of training and held-out images were measured.")


def _band(summary, diagnostic, quantity):
    return summary[(summary["diagnostic"] == diagnostic) & (summary["quantity"] == quantity)
                   & (summary["interval"] == "simultaneous")]


def _of_differences(name, question, rows, deciding, not_judged, what, missing):
    """Return the verdict on differences per time, from their one test and their simultaneous band."""
    if not deciding:
        return _entry(name, question, "not measured", missing, [])
    if not_judged:
        return _entry(name, question, "not judged", f"Not judged: {not_judged}.", deciding)
    best = min(deciding, key=lambda test: test["p_holm"])
    known, above = best["p_holm"] <= LEVEL, rows[rows["low"] > 0].sort_values("t")
    listed = ", ".join(f"{row.value:.2g} [{row.low:.2g}, {row.high:.2g}] at t = {row.t:g}"
                       for row in _spread(above if len(above) else rows.sort_values("value").tail(1)))
    start = f"the 95 % band over {rows['t'].nunique()} times lies above 0 at {len(above)} of them"
    alone = "" if known or above.empty else ", which is no evidence after the correction for the other questions"
    return _entry(name, question, "yes" if known else "no evidence",
                  f"{what.capitalize()}: p {_p(best['p'])}, corrected {_p(best['p_holm'])}; {start}{alone}: {listed}.",
                  deciding)


def _spread(rows, most=3):
    """Return at most three of the rows, the first, middle and last."""
    places = sorted({0, len(rows) // 2, len(rows) - 1}) if len(rows) > most else range(len(rows))
    return [list(rows.itertuples())[k] for k in places]


def _canaries(summary, found):
    question = "Do planted canaries come back more often than held-out ones?"
    deciding = _deciding(found, ("canaries",))
    if not deciding:
        return _entry("canaries", question, "not measured", "No canaries were given (--canaries DIR).", [])
    rows = summary[(summary["diagnostic"] == "canaries") & (summary["quantity"] == "returned")]
    shares = ", ".join(f"{r.value:.0%} [{r.low:.0%}, {r.high:.0%}] of {r.n} "
                       + _planted(r.multiplicity)
                       for r in rows.itertuples())
    answer = "yes" if any(test["p_holm"] <= LEVEL for test in deciding) else "no evidence"
    return _entry("canaries", question, answer, f"Canaries that came back: {shares}.{_epsilon(summary)}", deciding)


def _epsilon(summary):
    """Return the sentence on the bounds of ε, empty where no coins were thrown or no loss was measured."""
    rows = summary[(summary["diagnostic"] == "canaries") & (summary["quantity"] == "epsilon_at_least")]
    bounds = ", ".join(f"{r.value:.2g} for an image {_planted(r.multiplicity)}" for r in rows.itertuples())
    return f" At 95 % each, ε of differential privacy is at least {bounds} (all copies together)." if bounds else ""


def _planted(times):
    return "held out" if times == 0 else "planted once" if times == 1 else f"planted {times:.0f} times"


def _p(p):
    return "< 1e-4" if p < 1e-4 else f"= {p:.2g}"
