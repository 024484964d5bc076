"""Page of the papers' figures, from the runs kept in reports/example/: command, figures and their captions."""

import json
import os

from docs.ext.markdown import console, figure
from docs.measure import EXAMPLES

LEFT_OUT = ("report-digits",)  # a whole report; the gallery shows its figures
INTRODUCTION = """# The papers' figures

[1] is Bertrand, Gagneux, Massias, Emonet, *On the Closed-Form of Flow Matching: Generalization Does Not Arise from
Target Stochasticity* (arXiv 2506.03719, NeurIPS 2025); [2] is Reu, Dromigny, Bronstein, Vargas, *Gradient Variance
Reveals Failure Modes in Flow-Based Generative Models* (arXiv 2510.18118, NeurIPS 2025). Figures below were made by the
commands above them; their run folders are in `reports/example/` of the repository. `make paper` and `make studies` make
most of them.
"""


def pages():
    """Return {path: text} of the page."""
    lines = [INTRODUCTION]
    for folder in sorted(path.parent for path in EXAMPLES.glob("*/run.json")):
        if folder.name not in LEFT_OUT:
            lines += _run(folder)
    return {"made/papers.md": "\n".join(lines) + "\n"}


def _run(folder):
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    captions = json.loads((folder / "figures" / "captions.json").read_text(encoding="utf-8"))
    command = run["command"].partition(" --out")[0]
    lines = [f"## {folder.name.replace('-', ' ').capitalize()}", "", *console([command])]
    for name, text in captions.items():
        picture = folder / "figures" / f"{name}.png"
        if picture.is_file():
            place = os.path.relpath(picture, EXAMPLES.parents[1] / "docs" / "made")
            lines += figure(place, text["alt"], text["caption"])
    return lines
