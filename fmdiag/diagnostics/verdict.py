"""Does the model memorise? A sentence from the summary of `memorization`, decided against its controls.

The threshold alone decides nothing. The positive control, samples of û*, must be memorised without exception, or the
measurement itself is broken; then the model memorises if the interval of its excess over held-out rows lies above 0 and
Fisher's one-sided p-value, corrected for the number of feature spaces (Holm), is at most 0.05.
"""

from fmdiag.metrics.excess import holm

NO_CONTROL = "no samples of û* were measured, so the positive control is missing"


def verdict(summary, *, solver=None, not_judged=None):
    """Return the verdict, a sentence with its numbers and intervals per feature space.

    Parameters
    ----------
    summary : DataFrame
        As returned by `memorization.summarise`.
    solver : str, optional
        How the samples were drawn, e.g. ``"euler, 100 steps"``: their share of copies depends on it.
    not_judged : str, optional
        Why samples, rows or controls like these decide nothing: the verdict is then "Not judged" with this reason.
    """
    if not_judged:
        return f"Not judged: {not_judged}."
    rows = summary[summary["diagnostic"] == "memorization"]
    parts = list(rows.groupby(["feature", "threshold"], sort=False))
    p_values = rows[rows["quantity"] == "p_value"].set_index(["feature", "threshold"])["value"]
    p_values[:] = holm(p_values)
    return " ".join((f"In {keys[0]}: " if len(parts) > 1 else "")
                    + _sentence(part, p_values.get(keys), len(p_values), solver) for keys, part in parts)


def _sentence(rows, p_value=None, comparisons=1, solver=None):
    exact = rows[(rows["quantity"] == "f_mem") & (rows["interval"] == "exact")].set_index("source")
    excess = rows[rows["quantity"] == "f_mem_excess"]
    rule = f"d1/d2 < {_threshold(rows['threshold'].iloc[0])}"
    drawn = f"samples ({solver})" if solver else "samples"
    model = f"{_share(exact.loc['model'])} of {exact.loc['model', 'n']:.0f} {drawn} have {rule}"
    if "closed_form" in exact.index and exact.loc["closed_form", "value"] < 1:
        control = exact.loc["closed_form"]
        return (f"No verdict, positive control failed: only {_share(control)} of {control['n']:.0f} samples of û*, "
                f"copies by construction, have {rule}; {model}.")
    ending = "" if "closed_form" in exact.index else f"; {NO_CONTROL}"
    if excess.empty:
        return (f"No verdict: no held-out set, no null; {model}, which rows never trained on might have as well; "
                f"give some (held_out, --held-out){ending}.")
    excess, null = excess.iloc[0], exact.loc["heldout"]
    memorises = excess["low"] > 0 and (p_value is None or p_value <= 0.05)
    judgement = "The model memorises" if memorises else "No evidence of memorisation"
    return (f"{judgement}: {model}, against {_share(null)} of {null['n']:.0f} held-out rows; the difference is "
            f"{100 * excess['value']:+.1f} points [{100 * excess['low']:+.1f}, {100 * excess['high']:+.1f}]"
            f"{_test(p_value, comparisons)}{'' if memorises else _resolution(rows)}{ending}.")


def _test(p_value, comparisons):
    if p_value is None:
        return ""
    corrected = f", Holm over {comparisons} feature spaces" if comparisons > 1 else ""
    return f", one-sided p {'< 1e-4' if p_value < 1e-4 else f'= {p_value:.2g}'} (Fisher{corrected})"


def _resolution(rows):
    """Return what an absence of evidence is worth: the excess that would probably have been found."""
    found = rows[(rows["quantity"] == "resolvable_excess") & rows["value"].notna()]
    return "".join(f"; one of {100 * value:.1f} points would be found with 90 % power" for value in found["value"])


def _share(row):
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _threshold(value):
    return "1/3" if abs(value - 1 / 3) < 1e-12 else f"{value:g}"
