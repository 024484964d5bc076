"""One repetition: a case through the public entry points, and what is kept of it."""

import warnings
import zlib

import numpy as np

import fmdiag

STEPS = 2   # of the samples of û* that are the positive control: its integration is exact at the end whatever these are


def repeat(name, case, number):
    """Return the record of one repetition, plain values; its seed is made of the family's name and the number."""
    drawn = case(generator(name, number))
    options = dict(drawn.options)
    groups = options.pop("groups", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train, held_out = _sets(drawn, groups, options)
        run = fmdiag.Run(train=train, held_out=held_out, seed=number)
        result = run.memorization(samples=drawn.samples, n_steps=STEPS)
    return record(number, result)


def interval(name, draw, number):
    """Return the record of one interval: low, high and what it should hold."""
    low, high, truth = _quietly(draw, name, number)
    return {"number": number, "low": float(low), "high": float(high), "truth": float(truth)}


def p_value(name, draw, number):
    """Return the record of one test: its p-value, None where nothing is judged."""
    p = _quietly(draw, name, number)
    return {"number": number, "p": None if p is None else float(p)}


def _quietly(draw, name, number):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return draw(generator(name, number))


def generator(name, number):
    """Return the generator of a repetition."""
    return np.random.default_rng([zlib.crc32(name.encode()), number])


def _sets(drawn, groups, options):
    """Return (training set, held-out examples) of a case."""
    if groups is None:
        return fmdiag.load_dataset(drawn.train, **options), drawn.held_out
    return (fmdiag.load_dataset(drawn.train, groups=groups[0], **options),
            fmdiag.load_dataset(drawn.held_out, groups=groups[1]))


def record(number, result):
    """Return what is kept: the answer, p, excess, exclusion, announced power, and whether all agree."""
    verdict, summary = result.verdict, result.summary
    excess = summary[summary["quantity"] == "f_mem_excess"]
    ends = [round(float(excess.iloc[0][name]), 5) for name in ("value", "low", "high")] if len(excess) else None
    announced = {f"{row['alternative']}, {row['share']:.0%}": row["power"]
                 for row in verdict.numbers.get("power", [])}
    return {"number": number, "answer": verdict.answer, "p": verdict.p, "excess": ends,
            "exclusion": verdict.exclusion, "power": announced, "contradiction": contradiction(result)}


OPENINGS = {"copies found": "Copies found: ", "no excess found": "No excess of copies found: ",
            "undecided": ("Undecided: ", "No verdict in "), "not judged": ("Not judged: ", "No verdict: ")}


def contradiction(result):
    """Return in what the answer differs from text, p-value or summary, or None."""
    verdict = result.verdict
    if not verdict.text.startswith(OPENINGS[verdict.answer]):
        return "text"
    if verdict.p is not None:
        if (verdict.p <= 0.05) != (verdict.answer == "copies found"):
            return "p"
        shown = result.summary.loc[result.summary["quantity"] == "p_value", "value"]
        if len(shown) and abs(shown.iloc[0] - verdict.p) > 1e-12:
            return "summary"
    return None
