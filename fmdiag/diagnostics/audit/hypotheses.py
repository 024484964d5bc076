"""Hypotheses that an audit tests, and whether its controls hold, from the summaries of its parts."""

from fmdiag.stats import holm


def tests(summary):
    """Return the one-sided tests of the parts, with p-values corrected by Holm within their family.

    Copies among the samples are the primary question, one test over all feature spaces and thresholds; all others are
    secondary and corrected among themselves, so that asking more never weakens the first.
    """
    copies = summary[(summary["diagnostic"] == "memorization") & (summary["quantity"] == "p_value")]
    found = [("copies", "samples come nearer to training examples than chance and held-out examples explain", p)
             for p in copies["value"]]
    for diagnostic, quantity, name, hypothesis in (
            ("membership", "auc_p", "membership", "the field scores training images higher than held-out ones"),
            ("membership", "attack_p", "attack", "the attack that is best on one half of the images tells training "
             "images from held-out ones on the other half, and better than a blind baseline does"),
            ("membership", "excess_p", "excess-alignment", "the field is closer to û* of the training examples"),
            ("error", "gap_p", "gap", "the loss is lower on training images than on held-out ones at some time"),
            ("uturn", "difference_p", "return-difference", "training images return more often than held-out ones"),
            ("geometry", "lid_p", "dimension", "the local dimension is lower at training images than at held-out ones"),
            ("patches", "patches_p", "parts", "more samples than held-out images have parts of training images"),
            ("canaries", "canary_p", "canaries", "planted canaries come back more often than held-out ones")):
        rows = summary[(summary["diagnostic"] == diagnostic) & (summary["quantity"] == quantity)]
        for row in rows.to_dict("records"):
            score = row.get("score")
            found.append((f"{name}/{score}" if isinstance(score, str) else name, hypothesis, row["value"]))
    n_primary = len(copies)
    families = [("primary", found[:n_primary]), ("secondary", found[n_primary:])]
    return [{"id": name, "hypothesis": hypothesis, "family": family, "p": float(p), "p_holm": float(corrected)}
            for family, members in families if members
            for (name, hypothesis, p), corrected in zip(members, holm([p for _, _, p in members]), strict=True)]


def by_feature(summary):
    """Return [((feature, threshold), summary rows)] of the memorization diagnostic; empty where it was not measured."""
    rows = summary[summary["diagnostic"] == "memorization"]
    return list(rows.groupby(["feature", "threshold"], sort=False)) if len(rows) else []


def exact_rates(rows):
    """Return the rows of f_mem with exact intervals by source: model, heldout, closed_form as far as measured."""
    return rows[(rows["quantity"] == "f_mem") & (rows["interval"] == "exact")].set_index("source")


def controls(summary):
    """Return the controls: samples of û*, which must all be memorised, and held-out rows, the null."""
    found = []
    for (feature, _), rows in by_feature(summary):
        exact = exact_rates(rows)
        for source, name, expected in (("closed_form", "positive: samples of û*", 1.0),
                                       ("heldout", "null: held-out examples", None)):
            if source in exact.index:
                row = exact.loc[source]
                found.append({"id": f"{name}, {feature}", "definition": "fmdiag/f_mem-l2-distinct-d2",
                              **{key: float(row[key]) for key in ("value", "low", "high", "level")},
                              "n": int(row["n"]), "expected": expected,
                              "passed": None if expected is None else bool(row["value"] == expected)})
    return found
