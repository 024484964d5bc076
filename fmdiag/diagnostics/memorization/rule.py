"""Rule of the verdict on copies: an answer, its sentence and its numbers, decided against the controls.

The threshold alone decides nothing. The positive control, samples of û*, must be memorised without exception, or the
measurement itself is broken; then copies are found if the interval of the excess over held-out rows lies above 0 and
Fisher's one-sided p-value, corrected for the number of feature spaces (Holm), is at most 0.05.
"""

from fmdiag.results import Verdict
from fmdiag.stats import holm
from fmdiag.stats.power import POWER

NO_CONTROL = "no samples of û* were measured, so the positive control is missing"
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
    return Verdict(deciding.answer, text, deciding.effect, deciding.p)


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
    return _against_the_null(rows, excess.iloc[0], exact.loc["heldout"], model, p_value, comparisons, ending)


def _against_the_null(rows, excess, null, model, p_value, comparisons, ending):
    memorises = bool(excess["low"] > 0 and (p_value is None or p_value <= 0.05))
    judgement = "The model memorises" if memorises else "No evidence of memorisation"
    text = (f"{judgement}: {model}, against {_share(null)} of {null['n']:.0f} held-out rows; the difference is "
            f"{100 * excess['value']:+.1f} points [{100 * excess['low']:+.1f}, {100 * excess['high']:+.1f}]"
            f"{_test(p_value, comparisons)}{'' if memorises else _resolution(rows)}{ending}.")
    effect = {name: float(excess[name]) for name in ("value", "low", "high", "level", "n")}
    p = None if p_value is None else float(p_value)
    return Verdict("copies found" if memorises else "no excess found", text, {"quantity": "f_mem_excess", **effect}, p)


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
