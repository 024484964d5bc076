"""Controls of a null: areas under ROC curves between held-out rows and training rows, gated on their size.

    spacing   distances of held-out rows to training rows, beside those of training rows to the others
    blind     out-of-fold scores of a classifier that knows neither the model nor its samples

Both are 1/2 for exchangeable rows; their intervals are Newcombe's of an area. A control fails where its whole interval
lies outside a band around 1/2: a p-value would reject every held-out set that is large enough. The classifier's lower
end counts for nothing, as scores from folds fall below 1/2 by themselves.
"""

from fmdiag.stats import difference_interval, newcombe_auc

BAND = 0.1
LEVEL = 0.95
COLUMNS = ["control", "feature", "value", "low", "high", "level", "n", "n_training", "band_low", "band_high", "passed"]


def separation(control, feature, held_out, training):
    """Return the row of a control: the area between scores of held-out rows and of training rows, finite."""
    value, low, high = newcombe_auc(held_out, training, level=LEVEL)
    band = (0.0 if control == "blind" else 0.5 - BAND), 0.5 + BAND
    return _row(control, feature, (value, low, high), band, len(held_out), len(training),
                low <= band[1] and high >= band[0])


def surplus(kind, feature, ratios, natural, rule, passed):
    """Return the row of a control of overlap: by how much the share of held-out rows that touch exceeds the natural."""
    counts = int((ratios < rule).sum()), len(ratios), int((natural < rule).sum()), len(natural)
    found = tuple(float(x) for x in difference_interval(*counts, level=LEVEL))
    return _row(f"overlap_{kind}", feature, found, (-1.0, 0.0), len(ratios), len(natural), passed)


def failed(controls):
    """Return why a null with these controls decides nothing, and what to do; None where it may."""
    bad = controls[~controls["passed"] & controls["control"].isin(["spacing", "blind"])]
    if bad.empty:
        return None
    worst = bad.loc[(bad["value"] - 0.5).abs().idxmax()]
    how = _how(worst)
    return (f"the {worst['n']} held-out examples are not exchangeable with training examples: {how} (AUC "
            f"{worst['value']:.2f} [{worst['low']:.2f}, {worst['high']:.2f}], and {0.5 - BAND:g} to {0.5 + BAND:g} "
            f"would do), so that they "
            "are no null of this training set: hold rows of its own source out before training (--held-out 0.1), or "
            "give --held-out examples prepared as the training examples were")


def _how(row):
    if row["control"] == "blind":
        return "a classifier tells them apart without the model"
    way = "farther from" if row["value"] > 0.5 else "nearer to"
    return f"they lie {way} the training examples than these lie from one another in {row['feature']}"


def _row(control, feature, interval, band, n, n_training, passed):
    value, low, high = (float(x) for x in interval)
    return {"control": control, "feature": feature, "value": value, "low": low, "high": high, "level": LEVEL,
            "n": n, "n_training": n_training, "band_low": band[0], "band_high": band[1], "passed": bool(passed)}
