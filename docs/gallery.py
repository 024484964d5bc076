"""One page per diagnostic: its figure for a memorising and a generalising model, how to read it, definition, cost."""

import json
import os

from docs.measure import EXAMPLES, FACTS, GALLERY, STUDIES
from docs.texts import ABOUT, CALLED, COMMANDS, COST, MODELS, SIZE, USUAL_SIZE, text_of
from fmdiag.cli.main import commands

TABLES = "The tables that it writes are described in the docstrings of the [API reference](../api/README.md)."


def pages():
    """Return {file name: text} of the gallery, from facts.json alone."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    return {f"{name}.md": (_study if "study" in models else _page)(name, models) for name, models in facts.items()}


def index():
    """Return the lines of docs/README.md that list the gallery."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    return [f"- [{text_of(name).title}](gallery/{name}.md): {text_of(name).question}" for name in facts]


def _page(name, models):
    called = {model: CALLED.get(name, MODELS)[model].format(n=models[model]["n"]) for model in MODELS}
    lines = _head(name, COMMANDS.get(name, [f"fmdiag {name} ckpt.pt"]), commands()[name])
    for figure in dict.fromkeys(figure for model in models.values() for figure in model["figures"]):
        lines += _pair(figure, models, called)
    lines += _reading(name)
    title = "two training sets" if name == "alignment" else "models"
    lines += [f"## What these {title} show", "", *([ABOUT[name], ""] if name in ABOUT else [])]
    for model, label in called.items():
        size = SIZE.get(name, USUAL_SIZE).format(n=models[model]["n"])
        lines += [f"- {label}{size}:", *(f"  - {sentence}" for sentence in models[model]["found"])]
    measured = ", ".join(f"{models[model]['seconds']:.0f} s" for model in MODELS)
    options = "with the command above" if name in COMMANDS else "with all defaults"
    lines += ["", *_definition(name), f"{COST[name]} Measured on one core of a shared machine {options}, left and "
              f"right: {measured}.", "", TABLES]
    return _text(lines)


def _study(name, models):
    """Return the page of a study, whose own series goes from models that memorise to models that generalise."""
    found, kind = models["study"], name.partition("_")[2]
    lines = _head(name, [found["command"]], commands()["study"])
    lines += ["One study has both: its series goes from models that memorise to models that generalise.", ""]
    for figure, text in found["figures"].items():
        place = f"figures/{figure}.png"
        if STUDIES[name].is_relative_to(EXAMPLES):
            place = os.path.relpath(STUDIES[name] / "figures" / f"{figure}.png", GALLERY)
        lines += [f"![{text['alt']}]({place})", "", text["caption"], ""]
    lines += [*_reading(name), "## What this study shows", "", *(f"- {sentence}" for sentence in found["found"]), ""]
    lines += [*_definition(name), f"{COST[name]} This one took {found['seconds'] / 60:.0f} minutes of one core; it can "
              f"be interrupted and goes on where it stopped. `fmdiag study {kind} --help` lists its options."]
    return _text(lines)


def _head(name, commands, short):
    text = text_of(name)
    return [f"# {text.title}", "", f"*{text.question}*", "", *(f"    {line}" for line in commands), "", short, ""]


def _reading(name):
    text = text_of(name)
    return ["## How to read it", "", f"**Memorisation.** {text.memorization}", "",
            f"**Generalisation.** {text.generalization}", ""]


def _definition(name):
    text = text_of(name)
    return ["## Definition", "", text.definition, "", f"Reference: {text.reference}", "", "## Cost", ""]


def _pair(figure, models, called):
    """Return the lines of one figure: both pictures side by side, each with its alternative text, and the caption."""
    known = {model: models[model]["figures"][figure] for model in MODELS if figure in models[model]["figures"]}
    head = "| " + " | ".join(called[model] for model in known) + " |"
    pictures = " | ".join(f"![{text['alt']}](figures/{figure}-{model}.png)" for model, text in known.items())
    caption = _caption([text["caption"] for text in known.values()])
    return [head, "|" + "---|" * len(known), f"| {pictures} |", "", caption, ""]


def _caption(captions):
    """Return the caption of two figures: that of the left one, and where words differ those of the right one too."""
    left, right = captions[0].split(" "), captions[-1].split(" ")
    if len(left) != len(right):
        return captions[0]
    return " ".join(a if a == b else f"{a} (right: {b})" for a, b in zip(left, right, strict=True))


def _text(lines):
    return "\n".join(lines).replace("û*", "û\\*") + "\n"


def write():
    """Write the pages into docs/gallery/."""
    for name, text in pages().items():
        (GALLERY / name).write_text(text, encoding="utf-8")
