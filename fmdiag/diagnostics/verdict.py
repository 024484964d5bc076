"""Does the model memorise? A sentence from the summary of `memorization`, decided against its controls.

The threshold alone decides nothing. The positive control, samples of û*, must be memorised without exception, or the
measurement itself is broken; then the model memorises if the interval of its excess over held-out rows lies above 0.
"""

NO_CONTROL = "no samples of û* were measured, so the positive control is missing"


def verdict(summary):
    """Return the verdict, a sentence with its numbers and intervals per feature space.

    Parameters
    ----------
    summary : DataFrame
        As returned by `memorization.summarise`.
    """
    rows = summary[summary["diagnostic"] == "memorization"]
    parts = list(rows.groupby(["feature", "threshold"], sort=False))
    return " ".join((f"In {feature}: " if len(parts) > 1 else "") + _sentence(part) for (feature, _), part in parts)


def _sentence(rows):
    exact = rows[(rows["quantity"] == "f_mem") & (rows["interval"] == "exact")].set_index("source")
    excess = rows[rows["quantity"] == "f_mem_excess"]
    rule = f"d1/d2 < {_threshold(rows['threshold'].iloc[0])}"
    model = f"{_share(exact.loc['model'])} of {exact.loc['model', 'n']:.0f} samples have {rule}"
    if "closed_form" in exact.index and exact.loc["closed_form", "value"] < 1:
        control = exact.loc["closed_form"]
        return (f"No verdict, positive control failed: only {_share(control)} of {control['n']:.0f} samples of û*, "
                f"copies by construction, have {rule}; {model}.")
    ending = "" if "closed_form" in exact.index else f"; {NO_CONTROL}"
    if excess.empty:
        return (f"No verdict: no held-out set, no null; {model}, which rows never trained on might have as well; "
                f"give some (held_out, --held-out){ending}.")
    excess, null = excess.iloc[0], exact.loc["heldout"]
    judgement = "The model memorises" if excess["low"] > 0 else "No evidence of memorisation"
    return (f"{judgement}: {model}, against {_share(null)} of {null['n']:.0f} held-out rows; the difference is "
            f"{100 * excess['value']:+.1f} points [{100 * excess['low']:+.1f}, {100 * excess['high']:+.1f}]{ending}.")


def _share(row):
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _threshold(value):
    return "1/3" if abs(value - 1 / 3) < 1e-12 else f"{value:g}"
