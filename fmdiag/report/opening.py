"""First screen of the page: five questions of a reader, each answered from run.json and the summary, and a picture.

Nothing is judged here: answer, effect, exclusion and power are the verdict's own numbers, in words.
"""

import base64
import io
import re

import numpy as np
from PIL import Image

from fmdiag.report.tables import cell
from fmdiag.report.verdict import from_tables
from fmdiag.results.headline import headline

EACH = 6            # samples of each half of the picture
SIDE, GAP = 56, 4   # pixels of a picture in it, and between two
ANSWERS = {"copies found": "Yes: copies found",
           "no excess found": "No excess of copies found, which is no proof that there is none",
           "undecided": "Undecided: the evidence decides neither way",
           "not judged": "Not judged: the evidence allows no answer"}
COLUMNS = {"source", "sample", "nearest", "ratio", "feature"}
ARRAYS = {"source", "sample", "picture", "images", "rows", "row_images"}
NO_BREAK = "\N{NO-BREAK SPACE}"
SHARES = ("f_mem", "f_mem_heldout", "f_mem_excess", "exclusion", "power", "patches", "canaries", "same_row_excess")


def opening(run):
    """Return {"answer", "questions", "numbers", "picture"} of a run, None for a comparison of runs.

    Parameters
    ----------
    run : RunData
        The run. "questions" are (question, answer) pairs, empty where no verdict on copies was given; "numbers" are
        dicts with words, cell, n and definition; "field": whether the velocity was compared with û*; "picture"
        has src, width, height, alt and caption, or is None.
    """
    if run.run.get("runs"):
        return None
    verdict = run.run.get("verdict") or run.run.get("reading") or from_tables(run)
    verdict = verdict if isinstance(verdict, dict) and verdict.get("answer") in ANSWERS else {}
    summary = run.table("summary")
    found = {} if summary is None else {one["quantity"]: one for one in headline(summary, run.run)}
    questions = _questions(run, verdict, found) if verdict else []
    field = not {"error", "hybrid", "membership"}.isdisjoint(run.run.get("diagnostics") or {})
    return {"answer": ANSWERS.get(str(verdict.get("answer"))), "questions": questions, "picture": picture(run),
            "field": field,
            "numbers": [{"words": one["words"], "cell": shown(one), "definition": one["definition"], "n": one["n"]}
                        for one in found.values()]}


def shown(one):
    """Return the cell of a headline number: shares in per cent."""
    factor, unit = (100, " %") if one["quantity"] in SHARES else (1, "")
    low, high = (np.nan if end is None else factor * end for end in (one["low"], one["high"]))
    made = cell(factor * one["value"], low, high)
    text = made["text"] if made["interval"] or not unit else f"{factor * one['value']:.2g}"
    return made | {"text": text + unit}


def _questions(run, verdict, found):
    pairs = [("Is it memorising?", _memorising(verdict, found)), ("How sure is that?", _sure(verdict)),
             ("What was compared?", _compared(run, found)), ("What would have been missed?", _missed(verdict, found)),
             ("What was assumed?", _assumed(run))]
    return [(question, re.sub(r"(?<=\d)%", " %", answer)) for question, answer in pairs]


def _text(one):
    made = shown(one)
    return f"{made['text']} {made['interval']}".strip()


def _memorising(verdict, found):
    shares = [f"{_text(found[name])} of {what}" for name, what in (
        ("f_mem", "the samples are copies of training examples"),
        ("f_mem_heldout", "held-out examples look like copies by the same rule")) if name in found]
    parts = [verdict["answer"].capitalize().replace("No excess", "No excess of copies"),
             ", and ".join(shares)]
    if "membership_auc" in found:
        parts.append(f"By the velocity field, training examples are told from held-out ones with AUC "
                     f"{_text(found['membership_auc'])} (1/2: not at all)")
    return " ".join(f"{part}." for part in parts if part)


def _sure(verdict):
    effect, p, exclusion = (verdict.get(name) for name in ("effect", "p", "exclusion"))
    parts, ends = [], ("value", "low", "high")
    effect = effect if effect and all(effect.get(end) is not None for end in ends) else None
    if effect and effect.get("quantity", "f_mem_excess") == "f_mem_excess":
        parts.append(f"The difference is {100 * effect['value']:+.1f} points [{100 * effect['low']:+.1f}, "
                     f"{100 * effect['high']:+.1f}] (95 % interval)")
    elif effect:
        parts.append(f"{effect['value']:.0%} [{effect['low']:.0%}, {effect['high']:.0%}] of the examples nearest to "
                     "samples are training examples")
    if p is not None:
        size = "< 0.0001" if p < 1e-4 else f"= {p:.2g}"
        parts.append(f"p {size}".replace(" ", NO_BREAK) + ": how often chance alone shows as much")
    if exclusion is not None:
        parts.append(f"more than {exclusion:.1%} copies excluded at 95 %")
    return "; ".join(parts) + "." if parts else "No number decides; see the verdict in full."


def _compared(run, found):
    data = run.run.get("dataset") or {}
    samples, heldout = (found.get(name, {}).get("n") for name in ("f_mem", "f_mem_heldout"))
    asked = (run.run.get("diagnostics") or {}).get("memorization") or {}
    solver = f" ({asked['method']}, {asked['n_steps']} steps)" if {"method", "n_steps"} <= set(asked) else ""
    control = f", and {heldout} held-out examples as control" if heldout else "; there is no held-out control"
    return (f"{samples or 'Some'} samples{solver} with {data.get('n') or 'all'} training examples of "
            f"{data.get('name') or 'the data set'}{control}.")


def _missed(verdict, found):
    parts, n = [], found.get("f_mem", {}).get("n")
    power = [row for row in (verdict.get("numbers") or {}).get("power") or () if row["power"] < 0.9]
    weak = {row["alternative"]: row for row in sorted(power, key=lambda row: row["share"])}
    for kind, row in weak.items():
        parts.append(f"{kind} in place of {row['share']:.0%} of the samples in {1 - row['power']:.0%} of simulations")
    if n:
        parts.append(f"copies rarer than about 1 in {n / 3:.0f}")
    spaces = (found.get("f_mem", {}).get("definition") or "")
    parts.append("copies that were shifted, cropped or recoloured" if "pca" not in spaces else "")
    return "; ".join(part for part in parts if part).capitalize() + "."


def _assumed(run):
    facts = run.run.get("checkpoint") or {}
    cautions = [*(facts.get("warnings") or []), *(run.run.get("cautions") or [])]
    many = f" ({len(cautions)} caution{'s' if len(cautions) > 1 else ''} below)" if cautions else ""
    return ("Held-out examples are of the same distribution as the training examples and were not trained on; the "
            f"result is for these weights, this solver and seed {run.run.get('seed', 0)}{many}.")


def picture(run):
    """Return {"src", "alt", "caption"} of samples above their nearest training examples, or None without pictures."""
    arrays, table = run.arrays("gallery"), run.table("memorization")
    if arrays is None or table is None or not (COLUMNS <= set(table) and ARRAYS <= set(arrays)):
        return None
    first = table[(table["source"] == "model") & (table["feature"] == table["feature"].iloc[0])].set_index("sample")
    place = {int(sample): int(at) for source, sample, at in zip(
        arrays["source"], arrays["sample"], arrays["picture"], strict=True) if source == "model" and at >= 0}
    rows = {int(row): k for k, row in enumerate(arrays["rows"])}
    usable = first[first.index.isin(list(place)) & first["nearest"].isin(list(rows))]
    if usable.empty:
        return None
    closest = list(usable.sort_values("ratio", kind="stable").index[:EACH])
    others = [number for number in sorted(usable.index) if number not in closest][:EACH]
    columns = [[arrays["images"][place[number]], arrays["row_images"][rows[int(usable.loc[number, "nearest"])]]]
               for number in (*closest, *others)]
    source, width, height = _encoded(columns, len(closest))
    return {"src": source, "width": width, "height": height,
            "alt": f"{len(columns)} samples in the upper line, the nearest training example of each below it.",
            "caption": f"Upper line: samples; lower line: the nearest training example of each. Left: the "
                       f"{len(closest)} samples that are nearest by d1/d2 ({_ratios(usable, closest)}); right: "
                       f"{len(others)} others, the first of the seed that are pictured ({_ratios(usable, others)})."}


def _ratios(table, numbers):
    values = table.loc[numbers, "ratio"]
    return f"d1/d2 {values.min():.2f} to {values.max():.2f}" if len(values) else "none"


def _encoded(columns, n_left):
    """Return (data URI, width, height) of a PNG of pairs of images (c, h, w); a wider gap after the first `n_left`."""
    canvas = np.full((2 * SIDE + GAP, len(columns) * (SIDE + GAP) + 4 * GAP, 3), 255, np.uint8)
    for k, pair in enumerate(columns):
        left = k * (SIDE + GAP) + (4 * GAP if k >= n_left else 0)
        for line, image in enumerate(pair):
            canvas[line * (SIDE + GAP):line * (SIDE + GAP) + SIDE, left:left + SIDE] = _thumbnail(image)
    stream = io.BytesIO()
    Image.fromarray(canvas).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode(), canvas.shape[1], canvas.shape[0]


def _thumbnail(image):
    """Return an image (c, h, w) as (SIDE, SIDE, 3), whole pixels where it is small."""
    pixels = np.moveaxis(np.asarray(image, np.uint8), 0, -1)
    pixels = np.repeat(pixels[..., :1], 3, axis=-1) if pixels.shape[-1] != 3 else pixels
    small = max(pixels.shape[:2]) < SIDE
    made = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(made.resize((SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS))
