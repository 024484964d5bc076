"""Limits of an audit: what its evidence does not show, and how many samples would show more."""

from fmdiag.diagnostics.audit.hypotheses import by_feature, exact_rates


def limits(record, summary):
    """Return what the evidence does not show, as sentences."""
    measured, without = set(record.get("diagnostics") or {}), record.get("without") or ()
    sentences = []
    for (feature, _), rows in by_feature(summary):
        n = rows.loc[rows["quantity"] == "f_mem", "n"].iloc[0]
        sentences.append(f"{n:.0f} samples were judged: copies rarer than about 1 in {n / 3:.0f} would be missed with "
                         f"a probability above 5 % ({feature}).")
    if measured & {"memorization"} and {feature for (feature, _), _ in by_feature(summary)} == {"pixels"}:
        sentences.append("Pixel distances see exact and noisy copies; shifted, cropped, mirrored or recoloured ones "
                         "look new in pixels.")
    sentences += [
        "The null is only as good as the held-out examples: they must be of the same distribution, and near-copies "
        "between them and the training examples raise it.",
        "The result is for these weights, this solver and this seed; other guidance or conditions may copy more.",
        "No evidence of memorisation is not evidence of none, and no bound in the sense of differential privacy."]
    if "membership" in measured:
        sentences.append("A field that knows its images need not return them as samples, and one whose samples are "
                         "copies of some rows need not know all.")
    elif "membership" not in without:
        sentences.append("No velocity field was measured: samples alone cannot show what the model knows and does not "
                         "return, nor whether they were selected.")
    sentences += _resolution(summary)
    if without:
        sentences.append(f"Left out on request, and so not known: {', '.join(without)}.")
    if "canaries" in measured:
        sentences.append("Canaries show what happens to images like them at the planted multiplicities, not to every "
                         "training image.")
    sentences += [f"{text}." for text in (record.get("checkpoint") or {}).get("warnings") or []]
    return sentences


def _resolution(summary):
    """Return which false positive rates the membership attacks cannot resolve, as a list of one sentence or none."""
    rows = summary[(summary["diagnostic"] == "membership") & (summary["quantity"] == "smallest_fpr")]
    return [f"True positives at .1 % false ones need 1000 held-out images; {row.n:.0f} resolve {row.value:.2%} at the "
            "least." for row in rows.itertuples() if row.value > 0.001]


def advice(record, summary):
    """Return what would have been found, and what would show more, as sentences."""
    power = ((record.get("verdict") or {}).get("numbers") or {}).get("power") or []
    found = [f"{one['alternative'].capitalize()} in the place of {one['share']:.0%} of the samples would have been "
             f"found in {one['power']:.0%} [{one['low']:.0%}, {one['high']:.0%}] of {one['n']:.0f} simulations of the "
             "rule."
             for one in power]
    for (feature, _), part in by_feature(summary):
        if "heldout" not in exact_rates(part).index:
            found.append(f"In {feature}: give held-out examples; without a null there is no verdict.")
    return found
