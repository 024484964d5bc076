"""Headline numbers of a run: at most ten, in a fixed order, each with its interval, from the summary and run.json.

The page, the terminal, the JSON and the exports show this one list. A number that is the largest of several times has
the simultaneous interval, which holds at the time that was chosen.
"""

import math
import numbers
from dataclasses import dataclass

MOST = 10
OF_ONE = 6         # of a diagnostic that has no number of its own here
HALF = 0.5
F_MEM = "fmdiag/f_mem-l2-distinct-d2"
POWER_AT = 0.05   # share of copies at which the power of the verdict is shown


@dataclass(frozen=True)
class Number:
    """Where a headline number stands in the summary.

    Parameters
    ----------
    name : str
        Its name in the list.
    words : str
        What it is; ``{threshold}``, ``{t}``, ``{feature}`` and other keys of its row stand for their values.
    quantity : str
        Its name in the summary.
    diagnostics : tuple of str
        Diagnostics that may give it, the first one preferred.
    definition : str
        Its definition, where its row names none.
    where : dict
        Keys of its row and their values, as far as the row has them.
    most : str
        "high" or "low" for the largest or smallest of several rows; else the first one is taken.
    """

    name: str
    words: str
    quantity: str
    diagnostics: tuple
    definition: str
    where: tuple = ()
    most: str = ""


MODEL, ALL_TIMES = ("source", "model"), ("interval", "simultaneous")
NUMBERS = (
    Number("f_mem", "share of samples that are copies (d1/d2 < {threshold})", "f_mem", ("memorization", "metrics"),
           F_MEM, (MODEL, ("interval", "exact"))),
    Number("f_mem_heldout", "share of held-out examples that look like copies, by the same rule", "f_mem",
           ("memorization",), F_MEM, (("source", "heldout"), ("interval", "exact"))),
    Number("f_mem_excess", "excess of copies among samples over held-out examples", "f_mem_excess",
           ("memorization", "metrics"), "fmdiag/f_mem-excess", (MODEL,)),
    Number("exclusion", "largest excess of copies that is not excluded", "", (), "fmdiag/f_mem-excess"),
    Number("power", "chance that the rule finds copies in place of {share} of the samples", "", (),
           "fmdiag/f_mem-excess"),
    Number("d1_d2", "median d1/d2: distance to the nearest over second nearest training example", "ratio",
           ("memorization",), F_MEM, (MODEL,)),
    Number("membership_auc", "", "", (), "fmdiag/membership-auc"),
    Number("gap", "loss on held-out minus training examples, largest over times (t = {t})", "gap",
           ("error", "membership"), "fmdiag/error", (ALL_TIMES,), "high"),
    Number("collapse_time", "time from which û* rests on one training example", "collapse_time_measured",
           ("alignment",), "fmdiag/alignment"),
    Number("hybrid_tau", "", "", (), "fmdiag/hybrid"),
    Number("frechet_test", "Fréchet distance of samples to held-out examples ({feature})", "frechet_test",
           ("metrics", "quality"), "fid/heusel-2017-unbiased-covariance", (MODEL,)),
    Number("return_time_difference", "U-turns: return time of held-out minus training examples",
           "return_time_difference", ("uturn",), "fmdiag/uturn", (("field", "model"),)),
    Number("lid_difference", "local dimension at training minus held-out examples, lowest over times (t = {t})",
           "lid_difference", ("geometry",), "fmdiag/geometry", (ALL_TIMES,), "low"),
    Number("patches", "share of samples with parts of training images at the same place", "flagged", ("patches",),
           "fmdiag/patches", (MODEL, ("place", "same"))),
    Number("canaries", "share of planted images that came back", "returned", ("canaries",), "fmdiag/canaries", (),
           "high"),
    Number("duplicated", "share of training examples that are near another one ({feature})", "duplicated",
           ("duplicates",), "fmdiag/duplicates", (("source", "train"),)),
    Number("squared_error", "squared error against û* on training paths, largest over times (t = {t})", "squared_error",
           ("error",), "fmdiag/error", (("states", "train"),), "high"),
    Number("duplicated_excess", "training minus held-out share of examples near another one ({feature})", "excess",
           ("duplicates",), "fmdiag/duplicates"),
    Number("same_row_excess", "noises with which model and û* reach one row, beyond held-out examples",
           "same_row_excess", ("provenance",), "fmdiag/provenance"),
)


def headline(summary, record):
    """Return the headline numbers of a run, at most ten.

    Parameters
    ----------
    summary : DataFrame
        Table summary of the run.
    record : dict
        Its run.json, of which the verdict is read.

    Returns
    -------
    list of dict
        quantity (a name), words (the quantity in plain words), value, low, high (None where there is none), n,
        definition. The power is left out first where there are more than ten: the verdict's sentence has it.
    """
    verdict, stated = record.get("verdict"), _Stated(summary)
    own = {"exclusion": _exclusion, "power": _power}
    found = []
    for number in NUMBERS:
        if number.name in own:
            found.append(own[number.name](number, verdict if isinstance(verdict, dict) else {}))
        elif number.name in SPECIAL:
            found.append(SPECIAL[number.name](number, stated))
        else:
            found.append(_stated(number, stated))
    found = [entry for entry in found if entry]
    found += _others(stated.table, {name for entry in found for name in entry.pop("from")})
    if len(found) > MOST:
        found = [entry for entry in found if entry["quantity"] != "power"]
    return found[:MOST]


class _Stated:
    """The rows of a summary that have a value, found by diagnostic and quantity without going through all of them."""

    def __init__(self, summary):
        self.table = summary[summary["value"].notna()]
        self.places = self.table.groupby(["diagnostic", "quantity"], sort=False).indices

    def rows(self, diagnostic, quantity):
        return self.table.iloc[self.places.get((diagnostic, quantity), [])]


def _stated(number, stated):
    """Return the entry of a number that stands in the summary; None where it does not."""
    for diagnostic in number.diagnostics:
        rows = stated.rows(diagnostic, number.quantity)
        for key, wanted in number.where:
            rows = rows[rows[key] == wanted] if key in rows else rows
        if len(rows):
            rows = rows.sort_values("value", ascending=number.most == "low", kind="stable") if number.most else rows
            return _entry(number, rows.iloc[0].to_dict())
    return None


def _entry(number, row, words=None):
    named = row.get("definition")
    shown = {key: _shown(value) for key, value in row.items()}
    return {"quantity": number.name, "words": words or number.words.format(**shown), "value": float(row["value"]),
            "low": _plain(row.get("low")), "high": _plain(row.get("high")),
            "n": None if _plain(row.get("n")) is None else int(row["n"]),
            "definition": named if isinstance(named, str) else number.definition,
            "from": {row.get("diagnostic"), *number.diagnostics[1:]}}


def _plain(value):
    return float(value) if isinstance(value, numbers.Real) and math.isfinite(value) else None


def _shown(value):
    """Return a key as it is read: 1/3 and not 0.333333."""
    if isinstance(value, float):
        return "1/3" if abs(value - 1 / 3) < 1e-9 else f"{value:g}"
    return value


def _exclusion(number, verdict):
    value, n = _plain(verdict.get("exclusion")), (verdict.get("effect") or {}).get("n")
    return None if value is None else _entry(number, {"value": value, "n": n})


def _power(number, verdict):
    """Return the power against the alternative that is found least often, at POWER_AT copies."""
    rows = [row for row in (verdict.get("numbers") or {}).get("power", ()) if row["share"] == POWER_AT]
    if not rows:
        return None
    return _entry(number, min(rows, key=lambda row: row["power"]) | {"value": min(row["power"] for row in rows),
                                                                     "share": f"{POWER_AT:.0%}"})


def _membership(number, stated):
    """Return the AUC of the attack that one half of the examples chose, on the other; else of the best judged score."""
    rows, words = stated.rows("membership", "best_auc"), "training against held-out examples"
    rows = rows[rows["half"] == "report"] if "half" in rows else rows.iloc[:0]
    chosen = stated.rows("membership", "attack_p")
    rows = rows[rows["attack"] == chosen["attack"].iloc[0]] if len(rows) and len(chosen) else rows.iloc[:0]
    if len(rows):
        row = rows.iloc[0].to_dict()
        return _entry(number, row, f"{words}, AUC of {row['attack']} (chosen on others; 1/2: not told apart)")
    judged = set(stated.rows("membership", "auc_p").get("score", ()))
    rows = stated.rows("membership", "auc_overall")
    rows = rows[rows["score"].isin(judged)] if judged else rows
    if rows.empty:
        return None
    row = rows.loc[rows["value"].idxmax()].to_dict()
    largest = f" (largest of {len(rows)} scores; 1/2: not told apart)" if len(rows) > 1 else ""
    # The largest of several is a little too large; the words say so, and the best attack above is chosen elsewhere.
    return _entry(number, row, f"{words}, AUC by {row['score']}{largest}")


def _hybrid(number, stated):
    """Return the least τ from which on half of the hybrid samples are copies; its interval inverts theirs."""
    rows = stated.rows("hybrid", "memorized")
    rows = rows.drop_duplicates("tau").sort_values("tau") if len(rows) else rows
    if rows.empty or not (rows["value"] >= HALF).any():
        return None
    first = {name: rows.loc[rows[name] >= HALF, "tau"] for name in ("value", "high", "low")}
    found = {name: taus.iloc[0] if len(taus) else math.nan for name, taus in first.items()}
    row = {"diagnostic": "hybrid", "value": found["value"], "low": found["high"], "high": found["low"],
           "n": int(rows["n"].iloc[0])}
    return _entry(number, row, f"least of {len(rows)} τ until which û* must lead for half of the samples to be copies")


SPECIAL = {"membership_auc": _membership, "hybrid_tau": _hybrid}


def _others(summary, covered):
    """Yield, for diagnostics that have no number of their own here, a few quantities that stand alone."""
    known = {name for number in NUMBERS for name in (number.name, number.quantity)}
    for name, rows in summary.groupby("diagnostic", sort=False):
        if name in covered:
            continue
        rows = rows[rows["step"] == rows["step"].max()] if "step" in rows and rows["step"].notna().any() else rows
        timed = [key for key in ("t", "tau") if key in rows]
        alone = rows[rows[timed].isna().all(axis=1)] if timed else rows
        alone = alone if alone["low"].isna().all() else alone[alone["low"].notna()]   # bounds say more than counts
        kept = (alone if len(alone) else rows.tail(1)).drop_duplicates("quantity")
        kept = kept.sort_values("quantity", key=lambda names: ~names.isin(known), kind="stable").head(OF_ONE)
        for row in kept.to_dict("records"):
            words = f"{name}: {row['quantity'].replace('_', ' ')}{_keys(row)}"
            entry = _entry(Number(row["quantity"], words, "", (), "fmdiag/summary"), row, words)
            del entry["from"]
            yield entry


def _keys(row):
    fixed = ("diagnostic", "quantity", "value", "low", "high", "level", "n", "interval", "definition", "remark", "note",
             "caution")
    keys = [f"{key} {_shown(value)}" for key, value in row.items()
            if key not in fixed and (isinstance(value, str) or _plain(value) is not None)]
    return f" ({', '.join(keys)})" if keys else ""
