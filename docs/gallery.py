"""One page per diagnostic: its figure for a memorising and a generalising model, how to read it, definition, cost."""

import json

from docs.measure import FACTS, GALLERY
from fmdiag.cli.main import COMMANDS
from fmdiag.report.sections import section

MODELS = {"memorises": "A model that memorises", "generalises": "A model that generalises"}
# What the time goes into; the seconds beside it are measured.
COST = {
    "alignment": "û* at n_pairs × n_times states: two products of the states with all n rows each, O(n_pairs · "
                 "n_times · n · d); no model is called.",
    "error": "As alignment, and one call of the model per pair and time.",
    "hybrid": "One trajectory of û* per noise, then n_steps calls of the model from every τ on: about half of n_taus × "
              "n_steps calls per noise with Euler.",
    "memorization": "n_steps calls of the model per sample (none with --samples), n_steps of û* for 64 controls, and "
                    "an exact search of the nearest rows, O(samples · n · d).",
    "quality": "Samples as for memorization; Fréchet distances need O(samples · d²), precision, recall and KID all "
               "pairs of samples and rows.",
    "membership": "û* with each image in the place of a training row, at n_images × n_noises × n_times states; three "
                  "calls of the model for each.",
    "provenance": "Two trajectories per followed sample with all n rows at 21 times, and n_noises samples of the model "
                  "and of û*.",
}


def pages():
    """Return {file name: text} of the gallery, from facts.json alone."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    return {f"{name}.md": _page(name, models) for name, models in facts.items()}


def index():
    """Return the lines of docs/README.md that list the gallery."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    return [f"- [{section(name).title}](gallery/{name}.md): {section(name).question}" for name in facts]


def _page(name, models):
    text = section(name)
    lines = [f"# {text.title}", "", f"*{text.question}*", "", f"    fmdiag {name} ckpt.pt", "", COMMANDS[name], ""]
    for figure in next(iter(models.values()))["figures"]:
        lines += _figure(figure, models)
    lines += ["## How to read it", "", f"**Memorisation.** {text.memorisation}", "",
              f"**Generalisation.** {text.generalisation}", "", "## What these two models show", ""]
    for model, label in MODELS.items():
        found = " ".join(models[model]["found"]) or "The figures above."
        lines.append(f"- {label} ({models[model]['n']} training digits): {found}")
    lines += ["", "## Definition", "", text.definition, "", f"Reference: {text.reference}", "", "## Cost", "",
              f"{COST.get(name, '')} Measured on one core with all defaults: " + ", ".join(
                  f"{models[model]['seconds']:.0f} s for n = {models[model]['n']}" for model in MODELS) + ".", "",
              "The tables that it writes are described in the docstrings of the [API reference](../api/README.md)."]
    return "\n".join(lines).replace("û*", "û\\*") + "\n"


def _figure(figure, models):
    """Return the lines of one figure: both pictures side by side, each with its alternative text, and the caption."""
    known = {model: models[model]["figures"][figure] for model in MODELS if figure in models[model]["figures"]}
    head = "| " + " | ".join(MODELS[model] for model in known) + " |"
    pictures = " | ".join(f"![{text['alt']}](figures/{figure}-{model}.png)" for model, text in known.items())
    caption = next(iter(known.values()))["caption"].partition(" Data: ")[0]
    return [head, "|" + "---|" * len(known), f"| {pictures} |", "", caption, ""]


def write():
    """Write the pages into docs/gallery/."""
    for name, text in pages().items():
        (GALLERY / name).write_text(text, encoding="utf-8")
