"""Verdicts of an audit, one per question, decided by its corrected tests and its controls."""

from fmdiag.diagnostics.audit.schema import LEVEL

# The rule's answers are the audit's.
ANSWER_OF = {"copies found": "yes", "no excess found": "no evidence"}


def verdicts(summary, found, not_judged=None, copies=None):
    """Return the verdicts from the tests `found`: on copies among samples, on the field, on canaries.

    `not_judged` says why the held-out rows decide nothing, where they do not; `copies` is the verdict of the
    memorization diagnostic as plain values, the one answer to the first question.
    """
    return [_copies(copies, found), _field(summary, found, not_judged), _canaries(summary, found)]


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
    deciding = _deciding(found, ("membership", "excess-alignment"))
    if not deciding:
        return _entry("field", question, "not measured", "No velocity field was measured on held-out images.", [])
    best = min(deciding, key=lambda test: test["p_holm"])
    rows = summary[(summary["quantity"] == "auc_overall") & (summary["interval"] == "bootstrap")]
    areas = ", ".join(f"{r.score} {r.value:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in rows.itertuples())
    late = summary[(summary["quantity"] == "auc") & (summary["interval"] == "bootstrap")]
    top = late.loc[late["value"].idxmax()]
    known = best["p_holm"] <= LEVEL
    text = (f"{'The field knows its training images' if known else 'No evidence that the field knows its images'}: "
            f"membership AUC over all times {areas}; of {len(late)} areas per time the largest, which is no test, is "
            f"{top['score']} {top['value']:.3f} at t = {top['t']:g}; smallest p {_p(best['p_holm'])} ({best['id']}), "
            f"corrected for {sum(test['family'] == 'secondary' for test in found)} secondary tests.")
    if not_judged:
        return _entry("field", question, "not judged", f"Not judged: {not_judged}.", deciding)
    return _entry("field", question, "yes" if known else "no evidence", text, deciding)


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
    return _entry("canaries", question, answer, f"Canaries that came back: {shares}.", deciding)


def _planted(times):
    return "held out" if times == 0 else "planted once" if times == 1 else f"planted {times:.0f} times"


def _p(p):
    return "< 1e-4" if p < 1e-4 else f"= {p:.2g}"
