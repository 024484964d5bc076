"""Rule of the verdict on copies: an answer, its sentence and its numbers, decided against the controls.

The threshold alone decides nothing. The positive control, samples of û*, must be memorised without exception, or the
measurement itself is broken; then copies are found if the interval of the excess over held-out rows lies above 0 and
Fisher's one-sided p-value, corrected for the number of feature spaces (Holm), is at most 0.05. Where they are not, the
answer is what the data exclude: an excess above the one-sided 95 % limit. A limit above 5 points leaves it undecided:
as many copies as that could not have been found.
"""

from fmdiag.results import Verdict
from fmdiag.stats import excluded_difference, holm
from fmdiag.stats.power import POWER

LARGEST_EXCLUSION = 0.05   # share: a larger excess that is not excluded leaves the question open
LEVEL = 0.95
NO_CONTROL = "no samples of û* were measured, so the positive control is missing"
OPENING = {"copies found": "The model memorises", "no excess found": "No excess of copies found",
           "undecided": "Undecided"}
# Of several feature spaces the first of these answers that one of them has is that of the run.
ORDER = ("copies found", "undecided", "not judged", "no excess found")


def verdict(summary, *, solver=None, not_judged=None):
    """Return the Verdict: one answer, a sentence with numbers and intervals per feature space.

    Parameters
    ----------
    summary : DataFrame
        As returned by `memorization.measure.summarise`.
    solver : str, optional
        How the samples were drawn, e.g. ``"euler, 100 steps"``: their share of copies depends on it.
    not_judged : str, optional
        Why samples, rows or controls like these decide nothing: the answer is then "not judged", with this reason.
    """
    if not_judged:
        return Verdict("not judged", f"Not judged: {not_judged}.")
    rows = summary[summary["diagnostic"] == "memorization"]
    parts = list(rows.groupby(["feature", "threshold"], sort=False))
    p_values = rows[rows["quantity"] == "p_value"].set_index(["feature", "threshold"])["value"]
    p_values[:] = holm(p_values)
    judged = [_judged(part, p_values.get(keys), len(p_values), solver) for keys, part in parts]
    deciding = min(judged, key=lambda one: ORDER.index(one.answer))
    text = " ".join((f"In {keys[0]}: " if len(parts) > 1 else "") + one.text
                    for (keys, _), one in zip(parts, judged, strict=True))
    return Verdict(deciding.answer, text, deciding.effect, deciding.p, deciding.exclusion)


def _judged(rows, p_value, comparisons, solver):
    """Return the Verdict in one feature space."""
    exact = rows[(rows["quantity"] == "f_mem") & (rows["interval"] == "exact")].set_index("source")
    excess = rows[rows["quantity"] == "f_mem_excess"]
    rule = f"d1/d2 < {_threshold(rows['threshold'].iloc[0])}"
    drawn = f"samples ({solver})" if solver else "samples"
    model = f"{_share(exact.loc['model'])} of {exact.loc['model', 'n']:.0f} {drawn} have {rule}"
    if "closed_form" in exact.index and exact.loc["closed_form", "value"] < 1:
        control = exact.loc["closed_form"]
        return Verdict("undecided", f"No verdict, positive control failed: only {_share(control)} of "
                       f"{control['n']:.0f} samples of û*, copies by construction, have {rule}; {model}.")
    ending = "" if "closed_form" in exact.index else f"; {NO_CONTROL}"
    if excess.empty:
        return Verdict("not judged", f"No verdict: no held-out set, no null; {model}, which rows never trained on "
                       f"might have as well; give some (held_out, --held-out){ending}.")
    exclusion = excluded_difference(*_counts(exact.loc["model"]), *_counts(exact.loc["heldout"]), level=LEVEL)
    found = bool(excess.iloc[0]["low"] > 0 and (p_value is None or p_value <= 1 - LEVEL))
    answer = ("copies found" if found else "no excess found" if exclusion <= LARGEST_EXCLUSION else "undecided")
    text = (f"{OPENING[answer]}: {model}, {_difference(exact.loc['heldout'], excess.iloc[0])}"
            f"{_test(p_value, comparisons)}{'' if found else _excluded(exclusion) + _resolution(rows)}{ending}.")
    effect = {name: float(excess.iloc[0][name]) for name in ("value", "low", "high", "level", "n")}
    return Verdict(answer, text, {"quantity": "f_mem_excess", **effect}, None if p_value is None else float(p_value),
                   None if found else exclusion)


def _counts(row):
    return round(row["value"] * row["n"]), int(row["n"])


def _difference(null, excess):
    return (f"against {_share(null)} of {null['n']:.0f} held-out rows; the difference is "
            f"{100 * excess['value']:+.1f} points [{100 * excess['low']:+.1f}, {100 * excess['high']:+.1f}]")


def _excluded(exclusion):
    """Return what an answer without copies rests on."""
    limit = f"{100 * exclusion:.1f} points is {{}}excluded at {100 * LEVEL:.0f} %"
    if exclusion <= LARGEST_EXCLUSION:
        return "; an excess above " + limit.format("")
    return (f"; an excess of up to {limit.format('not ')}, an answer needs a limit of "
            f"{100 * LARGEST_EXCLUSION:.0f}: draw more samples, hold out more examples")


def _test(p_value, comparisons):
    if p_value is None:
        return ""
    corrected = f", Holm over {comparisons} feature spaces" if comparisons > 1 else ""
    return f", one-sided p {'< 1e-4' if p_value < 1e-4 else f'= {p_value:.2g}'} (Fisher{corrected})"


def _resolution(rows):
    """Return what an absence of evidence is worth: the excess that would probably have been found."""
    found = rows[(rows["quantity"] == "resolvable_excess") & rows["value"].notna()]
    return "".join(f"; one of {100 * value:.1f} points would be found with {100 * POWER:.0f} % power"
                   for value in found["value"])


def _share(row):
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _threshold(value):
    return "1/3" if abs(value - 1 / 3) < 1e-12 else f"{value:g}"
