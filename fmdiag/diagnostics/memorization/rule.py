"""Rule of the verdict on copies: answer, sentence and numbers of one decision (`memorization.decision`).

The positive control, samples of û*, must pass the d1/d2 rule without exception, or the measurement itself is broken in
that feature space, which then decides nothing. Copies are found where the decision's p is at most 0.05. Where they are
not, the answer is what the data exclude: an excess above the one-sided 95 % limit. A limit above 5 points leaves it
undecided: as many copies as that could not have been found.
"""

from fmdiag.diagnostics.memorization.decision import ERROR, decide, spaces_of
from fmdiag.results import Verdict
from fmdiag.stats import proportion_interval

LARGEST_EXCLUSION = 0.05   # share: a larger excess that is not excluded leaves the question open
LEVEL = 0.95
ENOUGH_POWER = 0.9
NO_CONTROL = "no samples of û* were measured, so the positive control is missing"
IN_WORDS = {"copies with noise": "copies with noise of a tenth of the data's standard deviation"}
OPENING = {"copies found": "Copies found", "no excess found": "No excess of copies found", "undecided": "Undecided"}


def verdict(table, *, solver=None, not_judged=None, power=None, cautions=()):
    """Return the Verdict: one answer, a sentence with numbers and intervals per feature space.

    Parameters
    ----------
    table : DataFrame
        As returned by `memorization.measure`, with its attrs.
    solver : str, optional
        How the samples were drawn, e.g. ``"euler, 100 steps"``: their share of copies depends on it.
    not_judged : str, optional
        Why samples, rows or controls like these decide nothing: the answer is then "not judged", with this reason.
    power : DataFrame, optional
        As returned by `memorization.power.power`.
    cautions : sequence of str
        Sentences that the verdict ends with.
    """
    if not_judged:
        return Verdict("not judged", f"Not judged: {not_judged}.")
    failed, spaces = failed_controls(table), sound_spaces(table)
    broken = " ".join(failed.values())
    if not spaces:
        return Verdict("undecided", broken) if failed else Verdict("not judged", _without_null(table, solver))
    decision = decide(spaces, table.attrs.get("pool"))
    exclusion = max(space.exclusion(space.threshold, LEVEL) for space in spaces)
    answer = ("copies found" if decision.found else "no excess found" if exclusion <= LARGEST_EXCLUSION
              else "undecided")
    unit = "group" if "group" in table else "training example"
    seen = f"{_shares(decision, spaces, solver, unit)}{_labels(decision, spaces)}"
    text = f"{OPENING[answer]}: {seen}; {_p(decision, len(spaces))}"
    if not decision.found:
        text += _excluded(exclusion) + found_with(power)
    text += ("" if (table["source"] == "closed_form").any() else f"; {NO_CONTROL}") + "."
    return Verdict(answer, " ".join(filter(None, [text, broken, *cautions])), _effect(decision, spaces),
                   decision.p, None if decision.found else exclusion, numbers=numbers(decision, spaces, power))


def failed_controls(table):
    """Return {feature: sentence} of the feature spaces in which samples of û* are not all copies."""
    found = {}
    control = table[table["source"] == "closed_form"]
    for (feature, threshold), part in control.groupby(["feature", "threshold"], sort=False):
        if not part["memorized"].all():
            found[feature] = (f"No verdict in {feature}, positive control failed: only "
                              f"{_share(part['memorized'])} of {len(part)} samples of û*, copies by construction, "
                              f"have d1/d2 < {_threshold(threshold)}.")
    return found


def sound_spaces(table):
    """Return the Spaces of a memorization table in which the positive control does not fail."""
    failed = failed_controls(table)
    return [space for space in spaces_of(table) if space.feature not in failed]


def numbers(decision, spaces, power=None):
    """Return the plain values that a decision rests on, for JSON."""
    labels = decision.labels
    found = {"p_excess": [{"feature": feature, "threshold": threshold, "p": p}
                          for feature, (p, threshold) in decision.excess_p.items()],
             "clusters": {space.feature: len(set(space.clusters)) for space in spaces},
             "error": ERROR, "label_share": decision.label_share}
    if labels is not None:
        found |= {"p_labels": labels.p, "hit": labels.n_hit, "hit_training": labels.n_trained,
                  "chance": labels.chance, "near": labels.threshold if labels.n_hit else None}
    return found if power is None else found | {"power": power.to_dict("records")}


def _effect(decision, spaces):
    """Return the quantity that decides: the excess below the clearest threshold, or what the labels say."""
    labels = decision.labels
    if decision.found and decision.by_labels:
        value, low, high = proportion_interval(labels.n_trained, labels.n_hit)
        return {"quantity": "hit_training", "feature": spaces[labels.space].feature, "value": value, "low": low,
                "high": high, "level": LEVEL, "n": labels.n_hit}
    feature, threshold = decision.clearest
    space = next(space for space in spaces if space.feature == feature)
    value, low, high = space.excess(threshold, LEVEL)
    return {"quantity": "f_mem_excess", "feature": feature, "threshold": threshold, "value": value, "low": low,
            "high": high, "level": LEVEL, "n": len(space.ratios)}


def _shares(decision, spaces, solver, unit):
    """Return what passes the d1/d2 rule in each feature space."""
    parts = []
    for space in spaces:
        value, low, high = (100 * end for end in space.excess(space.threshold, LEVEL))
        copied = len(set(space.clusters[space.flags]))
        parts.append((f"in {space.feature} " if len(spaces) > 1 else "")
                     + f"{_share(space.flags)} of {len(space.flags)} samples{f' ({solver})' if solver else ''} have "
                     f"d1/d2 < {_threshold(space.threshold)}{_of(copied, unit)}, against {_share(space.null_flags)} of "
                     f"{len(space.null_flags)} held-out examples; the difference is {value:+.1f} points [{low:+.1f}, "
                     f"{high:+.1f}], copies of one {unit} counted together")
    return "; ".join(parts) + _wide(decision, spaces)


def _wide(decision, spaces):
    """Return the shares below the second threshold, where these decide."""
    feature, threshold = decision.clearest
    space = next(space for space in spaces if space.feature == feature)
    if not decision.found or decision.by_labels or threshold == space.threshold:
        return ""
    model, null = (_share(ratios < threshold) for ratios in (space.ratios, space.null_ratios))
    return f"; below {threshold:g}, {model} of the samples against {null} of the held-out examples"


def _of(copied, unit):
    return f", copies of {copied} {unit}{'s' if copied > 1 else ''}" if copied else ""


def _labels(decision, spaces):
    """Return what the label test saw at its clearest threshold."""
    labels = decision.labels
    if labels is None or not labels.n_hit:
        return ""
    where = f" ({spaces[labels.space].feature})" if len(spaces) > 1 else ""
    return (f"; {labels.n_trained} of the {labels.n_hit} examples nearest to samples{where} are training examples, "
            f"where chance gives {labels.chance:.0%} (within {labels.threshold:.2g} of the distance to the tenth "
            "nearest, the clearest threshold)")


def _p(decision, n_spaces):
    """Return the p-value, and of what."""
    p = "< 1e-4" if decision.p < 1e-4 else f"= {decision.p:.2g}"
    over = f", over {n_spaces} feature spaces" if n_spaces > 1 else ""
    if decision.labels is None:
        return f"p {p} (Fisher, clustered{over})"
    return f"p {p} (permuted labels over all thresholds, and Fisher, clustered{over}; corrected for both)"


def _excluded(exclusion):
    """Return what an answer without copies rests on."""
    limit = f"{100 * exclusion:.1f} points is {{}}excluded at {100 * LEVEL:.0f} %"
    if exclusion <= LARGEST_EXCLUSION:
        return "; an excess above " + limit.format("")
    return (f"; an excess of up to {limit.format('not ')}, an answer needs a limit of "
            f"{100 * LARGEST_EXCLUSION:.0f}: draw more samples, hold out more examples")


def found_with(power):
    """Return which copies would have been found, per alternative: the least share that is found nine times in ten."""
    if power is None or power.empty:
        return ""
    parts = []
    for alternative, rows in power.groupby("alternative", sort=False):
        enough = rows[rows["power"] >= ENOUGH_POWER]
        row = (enough if len(enough) else rows).iloc[0 if len(enough) else -1]
        kind = IN_WORDS.get(alternative, alternative)
        parts.append(f"{kind} in the place of {row['share']:.0%} of the samples in {row['power']:.0%} "
                     f"[{row['low']:.0%}, {row['high']:.0%}] of simulations")
    return "; this rule finds " + ", ".join(parts)


def _without_null(table, solver):
    """Return the sentence where there are no held-out examples."""
    model = table[table["source"] == "model"]
    parts = [f"{_share(part['memorized'])} of {len(part)} samples{f' ({solver})' if solver else ''} have "
             f"d1/d2 < {_threshold(threshold)}" + (f" in {feature}" if model["feature"].nunique() > 1 else "")
             for (feature, threshold), part in model.groupby(["feature", "threshold"], sort=False)]
    ending = "" if (table["source"] == "closed_form").any() else f"; {NO_CONTROL}"
    return (f"No verdict: no held-out set, no null; {', '.join(parts)}, which examples never trained on might have as "
            f"well; give some (held_out, --held-out){ending}.")


def _share(flags):
    value, low, high = proportion_interval(int(flags.sum()), len(flags))
    return f"{value:.1%} [{low:.1%}, {high:.1%}]"


def _threshold(value):
    return "1/3" if abs(value - 1 / 3) < 1e-12 else f"{value:g}"
