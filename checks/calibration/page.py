"""Results of the calibration, from the log of repetitions, and the page that shows them."""

import json

import numpy as np
from scipy import stats

from checks.calibration.families import BASES, NULLS, POWERS, SHARES
from fmdiag.stats import holm, proportion_interval

ERROR = 0.05
TESTS = ("membership", "uturn", "geometry", "watch")
UNKNOWING = ("third-party", "population")   # in the names of fields that know no training example
ANNOUNCED = {"exact copies": "exact copies", "copies with noise": "copies with noise .1"}   # in the verdict: planted
# Families whose samples are of the distribution of the held-out examples, so that the true excess is 0.
SAME = [name for name in NULLS if not any(word in name for word in (
    "sampler", "copier", "held-out rows", "repeated", "frame by frame", "leaning"))]


def results(folder):
    """Return the results as plain values: families, excess, power, contradictions."""
    done = {file.stem: [json.loads(line) for line in file.read_text().splitlines()]
            for file in sorted(folder.glob("*.jsonl"))}
    nulls = {name: done[name] for name in NULLS if name in done}
    found = {"nulls": [_null(name, rows) for name, rows in nulls.items()],
             "excess": [_misses(name, nulls[name]) for name in SAME if name in nulls],
             "power": [_power(name, done) for name in POWERS if name in done],
             "intervals": [_held(name, rows) for name, rows in done.items() if name.startswith("interval of ")],
             **{test: [_found(name.removeprefix(f"{test}, "), rows) for name, rows in done.items()
                       if name.startswith(f"{test}, ")] for test in TESTS},
             "repetitions": sum(map(len, done.values())),
             "contradictions": [{"family": name, "number": row["number"], "what": row["contradiction"]}
                                for name, rows in done.items() for row in rows if row.get("contradiction")]}
    unknowing = [[entry for entry in found[test] if any(word in entry["family"] for word in UNKNOWING)]
                 for test in TESTS]
    for entries, key in ((found["nulls"], "false_alarms"), (found["excess"], "misses"),
                         (found["intervals"], "misses"), *((entries, "found") for entries in unknowing)):
        tested = [entry for entry in entries if entry["n"]]
        p = holm([stats.binom.sf(entry[key] - 1, entry["n"], ERROR) for entry in tested])
        for entry, value in zip(tested, p, strict=True):
            entry |= {"p_holm": float(value), "fails": bool(value <= ERROR)}
    return found


def _null(name, rows):
    answers = [row["answer"] for row in rows]
    return {"family": name, "n": len(rows), "false_alarms": answers.count("copies found"),
            **_ends(answers.count("copies found"), len(rows)),
            **{key.replace(" ", "_"): answers.count(key) for key in ("no excess found", "undecided", "not judged")}}


def _misses(name, rows):
    """Return how often the interval of the excess misses its true value, 0, where the null is judged."""
    ends = [row["excess"] for row in rows if row["excess"] and row["answer"] != "not judged"]
    missed = sum(not low <= 0 <= high for _, low, high in ends)
    return {"family": name, "n": len(ends), "misses": missed, **(_ends(missed, len(ends)) if ends else {})}


def _held(name, rows):
    """Return how often an interval misses what it should hold; one that is not given (NaN) is not counted."""
    rows = [row for row in rows if row["low"] == row["low"] and row["high"] == row["high"]]
    missed = sum(not row["low"] <= row["truth"] <= row["high"] for row in rows)
    return {"family": name.removeprefix("interval of "), "n": len(rows), "misses": missed,
            **(_ends(missed, len(rows)) if rows else {})}


def _found(name, rows):
    """Return how often a test at 5 % says that the field knows its training examples."""
    judged = [row["p"] for row in rows if row["p"] is not None]
    found = sum(p <= ERROR for p in judged)
    return {"family": name, "n": len(judged), "found": found,
            "not_judged": len(rows) - len(judged), **(_ends(found, len(judged)) if judged else {})}


def _power(name, done):
    """Return how often planted copies are found, beside the power that null runs of the same sizes announce."""
    kind, share, base = name.split(", ", 2)
    rows = done[name]
    k = sum(row["answer"] == "copies found" for row in rows)
    entry = {"copies": kind, "share": share, "base": base, "n": len(rows), "found": k, **_ends(k, len(rows)),
             "not_judged": sum(row["answer"] == "not judged" for row in rows)}
    announced = [row["power"][f"{alternative}, {share}"] for alternative, planted in ANNOUNCED.items()
                 if planted == kind and base in BASES for row in done.get(base, []) if row["power"]]
    if announced:
        mean = float(np.mean(announced))
        entry |= {"announced": mean, "announced_by": len(announced), "inside": bool(entry["low"] <= mean <= entry["high"])}
    return entry


def _ends(k, n):
    value, low, high = proportion_interval(k, n)
    return {"value": value, "low": low, "high": high}


def write_page(found, file):
    """Write the page, Markdown."""
    failing = [entry["family"] for entry in found["nulls"] if entry["fails"]]
    wide = [entry["family"] for entry in found["excess"] if entry.get("fails")]
    others = [entry["family"] for entry in found["intervals"] if entry.get("fails")]
    lines = [HEAD, f"{found['repetitions']} repetitions; answer, text, p-value and summary contradicted one another in "
             f"{len(found['contradictions'])}.", "", "## False alarms", "", FALSE_ALARMS, "",
             f"Families that fail: {', '.join(failing) or 'none'}.", "",
             *_table(("family", "repetitions", "copies found", "95 % interval", "no excess found", "undecided",
                      "not judged"),
                     [(e["family"], e["n"], e["false_alarms"], _interval(e), e["no_excess_found"], e["undecided"],
                       e["not_judged"]) for e in found["nulls"]]),
             "", "## Interval of the excess", "", EXCESS, "", f"Families that fail: {', '.join(wide) or 'none'}.", "",
             *_table(("family", "judged", "misses", "95 % interval"),
                     [(e["family"], e["n"], e["misses"], _interval(e) if e["n"] else "") for e in found["excess"]]),
             "", "## Power", "", POWER, "",
             *_table(("copies", "share", "data", "repetitions", "found", "95 % interval", "announced", "inside"),
                     [(e["copies"], e["share"], e["base"], e["n"], e["found"], _interval(e),
                       f"{e['announced']:.0%}" if "announced" in e else "", {True: "yes", False: "no"}.get(
                           e.get("inside"), "")) for e in found["power"]]),
             "", "## Other intervals", "", INTERVALS, "", f"Intervals that fail: {', '.join(others) or 'none'}.", "",
             *_table(("interval", "repetitions", "misses", "95 % interval"),
                     [(e["family"], e["n"], e["misses"], _interval(e) if e["n"] else "") for e in found["intervals"]]),
             "", "## Membership", "", MEMBERSHIP, "", *_of_test(found["membership"]),
             "", "## U-turns", "", UTURN, "", *_of_test(found["uturn"]),
             "", "## Dimensions", "", GEOMETRY, "", *_of_test(found["geometry"]),
             "", "## Looks along training", "", WATCH, "", *_of_test(found["watch"]), ""]
    file.write_text("\n".join(lines))


HEAD = """# Calibration of the verdict on copies

What the verdict of `fmdiag memorization` is worth, by simulation: how often it finds copies where there are none, how
often its interval misses, and how often planted copies are found. Made by `python -m checks.calibration --page
docs/calibration.md`; every repetition goes through `fmdiag.Run(...).memorization(...)`, its seed fixed by the family's
name and its number. Families are defined in `checks/calibration/families.py`. Unless the name says otherwise there are
400 training examples, 200 held-out ones and 200 samples; 900, 300 and 300 of digits. As every seed is fixed, the log of
an earlier version goes on being counted where repetitions made again give the same answers, p-values and intervals.
"""
FALSE_ALARMS = """In every family the sampler knows nothing of which examples are training and which held-out ones, but in
those that lean towards training rows without copying any, as a model does that fits its own rows a little better. A
family fails where the share of "copies found" is above 5 % by the one-sided exact binomial test, Holm's correction over
the families. Where held-out rows are of another distribution or recur, "not judged" is the right answer."""
EXCESS = """f_mem of the samples minus that of the held-out examples, Newcombe's 95 % interval of effective counts; true
value 0, where the samples are of the held-out examples' distribution. A family fails by the same rule at 5 %."""
POWER = f"""Shares of {', '.join(f'{share:.0%}' for share in SHARES)} of the samples replaced by copies. Announced: the
mean of the power that verdicts on data of the same sizes without copies state; inside: whether it lies in the exact
interval of the share found. Noise is given in standard deviations of the data. Shifted copies look new in pixels."""

INTERVALS = """Level 95 %; what each is and what it should hold is defined in `checks/calibration/intervals.py` and
`theories.py` beside it; train_preference is that of networks that know nothing of which examples are which. Intervals
of AuthPct, Carlini's metrics and NNDR are about samples beside this training set, not about other training sets. An
interval fails where it misses in more than 5 % by the one-sided exact test, Holm's correction over all."""
MEMBERSHIP = """Does the test say, at 5 %, that a field knows its training images? Third-party û\\*: of other rows of the
same distribution, and the population's field know none of them, so that "found" is a false alarm, which fails by the
rule above. The others know all, or half, of them. "Best attack": the published attack and time that are best on one half
of the images, judged on the other half."""


UTURN = """Does the test of `fmdiag uturn` say, at 5 %, that training examples return more often than held-out ones: the
p-value of the largest difference over the times? The population's field and third-party û\\* know none of them, so that
"found" is a false alarm, which fails by the rule above. The others know all, or half, of them."""

WATCH = """Does a watch of 20 checkpoints raise an alarm, any of its three tests at any of its looks, at 5 % for all of
them? The population's field, disturbed anew at every look, and fields that go over from it to û\\* of third examples
know none of the training examples, so that "found" is a false alarm, which fails by the rule above. The others go over
to û\\* of the training examples. 20 pairs, samples and examples of each kind per look."""


GEOMETRY = """Does the test of `fmdiag geometry` say, at 5 %, that the local dimension is lower at training examples than
at held-out ones: the p-value of the largest difference over the times? Fields and rule as for U-turns."""


def _of_test(entries):
    return _table(("field", "judged", "found", "95 % interval", "not judged", "fails"),
                  [(e["family"], e["n"], e["found"], _interval(e) if e["n"] else "", e["not_judged"],
                    {True: "yes", False: "no"}.get(e.get("fails"), "")) for e in entries])


def _table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head),
            *("| " + " | ".join(map(str, row)) + " |" for row in rows)]


def _interval(entry):
    return f"[{entry['low']:.1%}, {entry['high']:.1%}]"
