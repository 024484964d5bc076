"""Gallery: a page per diagnostic and study from its card, with what was measured of two models.

One memorises and one generalises; what was found is in docs/gallery/facts.json, made by `python -m docs.measure`. A
diagnostic that was not measured for the gallery yet has its page without figures.
"""

import importlib.util
import json
import os
import tomllib
from pathlib import Path

from docs.ext.markdown import console, escaped, figure, side_by_side, table
from docs.measure import EXAMPLES, FACTS, GALLERY, MODELS, STUDIES
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.diagnostic import Card
from fmdiag.diagnostics.parameters import specs
from fmdiag.figures.cards import cards

CALLED = {"memorises": "A model that memorises", "generalises": "A model that generalises"}
NOTES = tomllib.loads((Path(__file__).parents[1] / "gallery" / "notes.toml").read_text(encoding="utf-8"))
INTRODUCTION = """# Gallery

Each diagnostic on two models of the same digits: one that was trained on 16 of them until it returns them, and the
bundled one, trained on 1500. Where a page needs other models, it says which. Studies have both in one series.

"""


def shown():
    """Return {name: Card} of everything that has a page, studies last."""
    own = {name: Card(name=name, **note["card"]) for name, note in NOTES.items() if "card" in note}
    known = {name: card for name, card in cards().items() if card.question and name != "loss"}
    known = {name: card for name, card in known.items() if name != "metrics"} | own  # metrics: the page of definitions
    return dict(sorted(known.items(), key=lambda item: item[0].startswith("study_")))


def read_facts():
    """Return what was measured: {page: {model: figures with their texts, sentences, seconds}}."""
    return json.loads(FACTS.read_text(encoding="utf-8"))


def pages():
    """Return {path: text} of the gallery."""
    facts, found = read_facts(), shown()
    texts = {f"gallery/{name}.md": "\n".join(_page(card, facts.get(name))) + "\n" for name, card in found.items()}
    rows = [[f"[{escaped(card.title)}]({name}.md)", escaped(card.question)] for name, card in found.items()]
    tree = ["```{toctree}", ":hidden:", "", *found, "```", ""]
    return texts | {"gallery/index.md": INTRODUCTION + "\n".join([*table(("page", "question"), rows), *tree])}


def _page(card, facts):
    lines = [f"# {escaped(card.title)}", "", f"*{escaped(card.question)}*", "", *console(_commands(card, facts)),
             escaped(getattr(card, "short", "")), ""]
    lines += _figures(card, facts) if facts else []
    lines += ["## How to read it", "", f"**Memorisation.** {escaped(card.memorization)}", "",
              f"**Generalisation.** {escaped(card.generalization)}", ""]
    lines += _found(card, facts) if facts else []
    lines += ["## Definition", "", escaped(card.definition), "", f"Reference: {escaped(card.reference)}", ""]
    return [*lines, *_cost(card, facts), *(_asked(card) if card.name in DIAGNOSTICS else [])]


def _commands(card, facts):
    if facts and "study" in facts:
        return [facts["study"]["command"]]
    return NOTES.get(card.name, {}).get("commands") or list(getattr(card, "examples", ())[:1])


def _figures(card, facts):
    if "study" in facts:
        lines = ["One study has both: its series goes from models that memorise to models that generalise.", ""]
        for name, text in facts["study"]["figures"].items():
            lines += figure(_place(card.name, name), text["alt"], text["caption"])
        return lines
    lines = []
    for name in dict.fromkeys(name for model in facts.values() for name in model["figures"]):
        known = {model: facts[model]["figures"][name] for model in MODELS if name in facts[model]["figures"]}
        lines += side_by_side([(_called(card.name, model, facts), figure(f"figures/{name}-{model}.png", text["alt"]))
                               for model, text in known.items()])
        lines += [escaped(_caption([text["caption"] for text in known.values()])), ""]
    return lines


def _place(page, name):
    if STUDIES[page].is_relative_to(EXAMPLES):
        return os.path.relpath(STUDIES[page] / "figures" / f"{name}.png", GALLERY)
    return f"figures/{name}.png"


def _called(page, model, facts):
    return NOTES.get(page, {}).get(model, CALLED[model]).format(n=facts[model]["n"])


def _caption(captions):
    """Return the caption of two figures: that of the left one, and where words differ those of the right one too."""
    left, right = captions[0].split(" "), captions[-1].split(" ")
    if len(left) != len(right):
        return captions[0]
    return " ".join(a if a == b else f"{a} (right: {b})" for a, b in zip(left, right, strict=True))


def _found(card, facts):
    if "study" in facts:
        return ["## What this study shows", "", *(f"- {escaped(text)}" for text in facts["study"]["found"]), ""]
    note = NOTES.get(card.name, {})
    lines = ["## What these models show", "", *([note["about"], ""] if "about" in note else [])]
    for model in MODELS:
        size = note.get("size", " ({n} training digits)").format(n=facts[model]["n"])
        lines += [f"- {_called(card.name, model, facts)}{size}:",
                  *(f"  - {escaped(text)}" for text in facts[model]["found"])]
    return [*lines, ""]


def _cost(card, facts):
    grows = getattr(card, "cost", "") or NOTES.get(card.name, {}).get("cost", "")
    lines = [f"Grows with: {escaped(grows)}.", ""] if grows else []
    if facts and "study" in facts:
        lines += [f"This one took {facts['study']['seconds'] / 60:.0f} minutes of one core; a study can be interrupted "
                  "and goes on where it stopped.", ""]
    elif facts:
        seconds = ", ".join(f"{facts[model]['seconds']:.0f} s" for model in MODELS)
        lines += [f"Measured on one core of a shared machine with the command above, left and right: {seconds}.", ""]
    return ["## Cost", "", *lines] if lines else []


def _asked(card):
    """Return the lines on the method, its parameters and its tables."""
    rows = [[f"`{name}`", f"`{default if spec.shown is None else spec.shown}`", escaped(spec.help)]
            for name, (spec, default) in specs(card.parameters).items()]
    lines = ["## From Python", "", "```python", 'run = fmdiag.Run("ckpt.pt")', f"result = run.{card.method}()", "```",
             "", *table(("parameter", "default", "what it is"), rows)]
    for name, row in (card.tables or {}).items():
        lines += [f"- Table `{name}`: a row is a {escaped(row)}."]
    measure = f"fmdiag.diagnostics.{card.method}.measure"
    return [*lines, "", *([f"Columns: {{py:mod}}`{measure}`.", ""] if importlib.util.find_spec(measure) else [])]
