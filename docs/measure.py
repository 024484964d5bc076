"""What do the diagnostics show of a model that memorises and of one that generalises? Both measured, figures kept.

    python -m docs.measure              # every page; or the names of some, such as uturn

Runs stay in docs/runs/ and are not made twice, so that an interrupted command goes on where it stopped; docs/gallery/
receives the figures and facts.json. What the studies show is read from reports/example/.
"""

import argparse
import json
import re
from pathlib import Path

from PIL import Image

from docs.models import RUNS, command, halves, planted, planted_set, single
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.figures import RunData
from fmdiag.report.verdict import verdict

GALLERY = Path(__file__).parent / "gallery"
FACTS = GALLERY / "facts.json"
EXAMPLES = Path(__file__).parent.parent / "reports" / "example"
MODELS = ("memorises", "generalises")
PAIRING = ["pairing", "--dataset", "digits", "--n-pairs", "100", "--width", "128", "--depth", "2", "--steps", "1500",
           "--batch-size", "64"]
OPTIONS = {"gradient-variance": ["--n-samples", "256"]}
SIGMAS = {"memorises": "0", "generalises": "2"}
# Page -> its figures, where not all of the run's.
KEPT = {"audit": ["memorization_roc", "membership_auc"], "canaries": ["canaries_returned"]}
STUDIES = {"study_size": EXAMPLES / "study-size-fashion-mnist", "study_losses": EXAMPLES / "study-losses-fashion-mnist",
           "study_time": EXAMPLES / "study-time-digits"}
# Diagnostic -> (quantity, what it is called, other columns): numbers told beside the figures.
NUMBERS = {
    "quality": [("frechet_train", "Fréchet distance to the training rows", {"source": "model"}),
                ("frechet_train", "of held-out rows instead of samples", {"source": "heldout"}),
                ("frechet_test", "to the held-out rows", {"source": "model"})],
    "duplicates": [("duplicated", "share of training examples with an equal or near one", {"source": "train"}),
                   ("duplicated", "of held-out examples", {"source": "heldout"}), ("groups", "groups of them", {}),
                   ("largest", "members of the largest", {})],
    "membership": [("auc_overall", "AUC over all times from the CFM loss", {"score": "loss"}),
                   ("auc_overall", "from the distance to û*", {"score": "error"}),
                   ("excess_alignment_overall", "excess alignment", {})],
    "symmetry": [("breaking_time", "breaking time from the centre of the noise, of the model",
                  {"field": "model", "states": "model", "kind": "centre"}),
                 ("breaking_time", "of û*", {"field": "closed_form", "states": "closed_form", "kind": "centre"}),
                 ("eigenvalue", "median top eigenvalue over noises at t = 0.9, of the model",
                  {"field": "model", "states": "model", "kind": "noise", "t": 0.9}),
                 ("eigenvalue", "of û* at the same states",
                  {"field": "closed_form", "states": "model", "kind": "noise", "t": 0.9})],
    "hybrid": [("pfd", "probability flow distance between the model and û*", {"maps": "closed_form"}),
               ("pfd", "between the model and û* of as many held-out as training examples", {"maps": "equal_heldout"}),
               ("pfd", "between the model and û* of these training examples", {"maps": "equal_train"}),
               ("pfd", "between û* of both", {"maps": "resampled"})],
    "provenance": [("same_row", "share of noises with one row under the model and under û*", {}),
                   ("basin_divergence", "basin divergence", {})],
    "theories": [("sample_r2", "median r² between the samples of û* and the model's", {"theory": "closed_form"}),
                 ("sample_squared_correlation", "squared correlation", {"theory": "closed_form"}),
                 ("sample_r2", "r² of the Wiener field's samples", {"theory": "wiener"}),
                 ("train_preference_overall", "preference of û* fitted on training examples, own trajectories",
                  {"theory": "closed_form", "states": "model"})],
    "gradient-variance": [("variance", "variance at t = 0.1", {"t": 0.1}), ("variance", "at t = 0.5", {"t": 0.5}),
                          ("variance", "at t = 0.9", {"t": 0.9})],
}
COLORS = 96


def arguments(page, model):
    """Return the command of one page and model without --out, its models trained where they are missing."""
    if page == "agreement":
        return ["agreement", *halves(model)]
    if page == "canaries":
        checkpoint, folder = planted(model)
        return ["audit", checkpoint, "--canaries", folder]
    if page == "duplicates":   # of training sets: one with planted copies, and one as it is
        return [page, "--dataset", planted_set("generalises") if model == "memorises" else "digits"]
    if page == "pairing":
        return [*PAIRING, "--sigmas", SIGMAS[model]]
    return [page, single(model), *OPTIONS.get(page, [])]


def names():
    """Return the pages that are measured: every diagnostic that is a command, the audit, canaries and studies."""
    own = [name for name, card in DIAGNOSTICS.items() if card.command]
    return [*own, "audit", "canaries", *STUDIES]


def measure(pages):
    """Train and measure what is missing in docs/runs/ and renew the pages' figures and facts.json of docs/gallery/."""
    facts = json.loads(FACTS.read_text(encoding="utf-8")) if FACTS.is_file() else {}
    for page in pages:
        if page in STUDIES:
            facts[page] = {"study": _study(page, STUDIES[page])}
        else:
            facts[page] = {model: _measured(page, model) for model in MODELS}
    facts = {page: facts[page] for page in names() if page in facts}
    FACTS.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _measured(page, model):
    out = RUNS / model / page
    if not (out / "run.json").is_file():
        command([*arguments(page, model), "--out", out])
    found, captions = RunData(out), _captions(out)
    names = KEPT.get(page, list(captions))
    prefix = f"{page}_" if page == "audit" else ""
    figures = {prefix + name.replace("-", "_"): captions[name] for name in names if name in captions}
    for name in figures:
        _keep(out / "figures" / f"{_drawn(name, prefix, captions)}.png", f"{name}-{model}")
    return {"seconds": found.run["seconds"], "figures": figures, "found": _sentences(found, page),
            "n": found.run["dataset"]["n"]}


def _drawn(name, prefix, captions):
    """Return a figure's name in its run: the gallery's names have no hyphen, and the page's in front where needed."""
    return next(drawn for drawn in captions if prefix + drawn.replace("-", "_") == name)


def _study(page, path):
    found, captions = RunData(path), _captions(path)
    return {"seconds": found.run["seconds"], "figures": captions, "found": _sentences(found, page),
            "command": re.sub(r" --gather| --change| --(parts|out) \S+", "", found.run["command"])}


def _captions(path):
    """Return the texts of a run's figures without the data set, which the page names."""
    texts = json.loads((path / "figures" / "captions.json").read_text(encoding="utf-8"))
    return {name: {**text, "caption": text["caption"].partition(" Data: ")[0]} for name, text in texts.items()}


def _keep(source, name):
    """Copy a figure into the gallery in few colours."""
    (GALLERY / "figures").mkdir(parents=True, exist_ok=True)
    with Image.open(source) as picture:
        few = picture.convert("RGB").quantize(COLORS)
        few.save(GALLERY / "figures" / f"{name}.png", optimize=True)


def _sentences(found, page):
    """Return what a run found: its verdict where it judges, and the page's numbers."""
    told = verdict(found)
    judged = told["kind"] != "open" or "verdict" in found.run or found.run.get("reading") is not None
    repeated = any(told["text"] in sentence for sentence in told["details"])
    return [*([told["text"]] if judged and not repeated else []), *told["details"], *_numbers(found, page)]


def _numbers(found, page):
    parts = []
    for quantity, words, keys in NUMBERS.get(page, ()):
        rows = found.summary(page, quantity)
        for name, value in keys.items():
            rows = rows[rows[name] == value]
        row = rows.iloc[0]
        interval = f" [{row['low']:.3g}, {row['high']:.3g}]" if row["low"] == row["low"] else ""
        parts.append(f"{words} {row['value']:.3g}{interval}")
    return [("; ".join(parts) + ".")[:1].upper() + ("; ".join(parts) + ".")[1:]] if parts else []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="default: all")
    measure(parser.parse_args().pages or names())
