"""fmdiag checkpoint: what a checkpoint holds, and what was inferred about it."""

import json

import click

from fmdiag.files.documents import as_json

from .echo import echo, echo_json
from .options import convention_options, reading_options

EXAMPLES = """\b
Examples:
  fmdiag checkpoint reports/digits/checkpoint.pt
  fmdiag checkpoint --json ckpt.pt | jq .dataset
  fmdiag checkpoint their.pt --dataset images/                           is it read rightly? tested on its rows
  fmdiag checkpoint their.pt --path cosine --write-card card.toml
  fmdiag checkpoint reports/digits/checkpoint.pt --compact digits.pt     averaged weights only, half precision
"""

FACTS = {"scheduler": "scheduler", "attention": "attention", "heads": "heads", "schedule": "noise levels",
         "parameterisation": "output", "learned_variance": "variance", "time": "time", "call": "call",
         "reachable": "reachable", "data_range": "data range", "hflip": "mirror images", "coupling": "coupling",
         "no_class": "no class", "weights_at": "weights at", "augmentation": "augmentation", "epochs": "epochs",
         "code": "code", "trained_on": "trained on", "condition": "condition", "kind": "kind",
         "sampler_steps": "most steps"}
# What gives a fact that is assumed; anything may also stand in a model card.
OPTIONS = {"weights": "--weights", "attention": "--heads", "heads": "--heads", "schedule": "--path",
           "parameterisation": "--parameterisation", "time": "--time-direction, --time-scale", "call": "--model",
           "data_range": "--value-range", "hflip": "--hflip, --no-hflip", "coupling": "--coupling",
           "no_class": "--class-label"}


@click.command("checkpoint", epilog=EXAMPLES)
@click.argument("file", metavar="CHECKPOINT", type=click.Path())
@click.option("--ema/--no-ema", default=True, show_default=True, help="Averaged weights where the file has them.")
@convention_options
@reading_options
@click.option("--write-card", "card_file", type=click.Path(dir_okay=False),
              help="Write what was read and assumed as a model card (TOML), to correct and give as --model; of a file "
              "of no known family the beginning of one.")
@click.option("--compact", "compact_file", type=click.Path(dir_okay=False),
              help="Write a copy to share: averaged weights only, in half precision (native checkpoints).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def command(file, ema, card_file, compact_file, as_json, accept_reading, **options):
    """Print what a checkpoint holds: family, weights, architecture, path, training set, steps."""
    from fmdiag.checkpoints import load_checkpoint
    from fmdiag.errors import FmdiagError
    from fmdiag.files.destination import check_new_file
    from fmdiag.runs.inputs import CHOICES, recorded_reading

    for option, target in (("--write-card", card_file), ("--compact", compact_file)):
        if target is not None:
            check_new_file(target, option)
    try:
        checkpoint = load_checkpoint(file, ema=ema, **{name: options[name] for name in CHOICES})
    except FmdiagError as error:
        if card_file is None or options["model"] is not None or not _begun(file, card_file, options["trust_code"]):
            raise
        echo(str(error), err=True)
        echo(f"wrote {card_file}: name your class in it as factory, then give --model {card_file}", err=True)
        return
    if options["dataset"] is not None:
        reading = recorded_reading({**options, "n": options["n_rows"]})
        checkpoint.training_set(options["dataset"], accept_reading=accept_reading, **reading)
    if card_file is not None:
        _write_card(checkpoint, card_file, options["model"])
    if compact_file is not None:
        _write_compact(checkpoint, compact_file)
    if as_json:
        echo_json({"file": str(checkpoint.file), "sha256": checkpoint.sha256, **checkpoint.description})
        return
    for name, value in _rows(checkpoint):
        echo(f"{name:<13} {value}")


def _begun(file, card_file, trust_code):
    """Return whether the beginning of a card was written, for a file of no known family."""
    from fmdiag.checkpoints import start_card
    from fmdiag.checkpoints.card import write_text
    from fmdiag.errors import FmdiagError

    try:
        text = start_card(file, trust_code=trust_code)
    except FmdiagError:
        return False
    if text is not None:
        write_text(text, card_file)
    return text is not None


def _write_card(checkpoint, file, model):
    from pathlib import Path

    from fmdiag.checkpoints import card_of, relocated, write_card

    card = card_of(checkpoint)
    if model is not None:
        card["factory"] = relocated(card.get("factory"), Path(model).parent, Path(file).parent)
    write_card(card, file)
    echo(f"wrote {file}", err=True)


def _write_compact(checkpoint, file):
    import torch

    from fmdiag.checkpoints import save_checkpoint
    from fmdiag.checkpoints.file import read_torch_file
    from fmdiag.errors import FmdiagError

    if checkpoint.description["family"] != "native":
        raise FmdiagError(f"{checkpoint.file} is not a native checkpoint: --compact copies those only")
    content = read_torch_file(checkpoint.file)
    save_checkpoint(content, file, raw="ema" not in content, dtype=torch.float16)
    echo(f"wrote {file}", err=True)


def _rows(checkpoint):
    known = json.loads(as_json(checkpoint.description))  # a file may hold anything: shown as plain values
    dataset, training = known.get("dataset") or {}, known.get("training") or {}
    yield "file", f"{checkpoint.file}  (sha256 {checkpoint.sha256[:12]})"
    yield "family", known["family"]
    yield "weights", known["weights"] + (f" (decay {known['ema_decay']})" if known.get("ema_decay") else "") + _origin(
        known, "weights")
    yield "network", f"{_arguments(known['network'])}; {known['parameters']:,} parameters{_origin(known, 'network')}"
    yield from _convention(known)
    yield "path", _arguments(known["path"]) + ("; converted to it" if "origin" in known else "")
    if dataset.get("fingerprint"):
        flips = ", mirror images included" if dataset.get("hflip") else ""
        name, split, n, shape = (dataset.get(key, "unknown") for key in ("name", "split", "n", "shape"))
        yield "data set", f"{name} {split}, n = {n}{flips}, shape {shape}"
        yield "fingerprint", dataset["fingerprint"]
    else:
        yield "data set", "not recorded: give --dataset to the commands that need it"
    if "origin" not in known:
        yield "loss", known.get("loss") or "not recorded"
    yield "steps", known.get("steps") if known.get("steps") is not None else "not recorded"
    if training:
        yield "training", ", ".join(f"{key} {value}" for key, value in training.items() if not isinstance(value, dict))
    if known.get("reading"):
        yield "reading", _tested(known["reading"])
    for warning in known.get("warnings") or ():
        yield "caution", warning


def _tested(reading):
    """Return the losses of a reading on training rows, per quarter of time."""
    parts = [f"{loss:.3g} ({zero:.3g})" for loss, zero in zip(reading["loss"], reading["zero_field"], strict=True)
             if loss is not None]
    return f"CFM loss along time {', '.join(parts)}; in brackets that of the zero field"


def _convention(known):
    """Yield what was read or assumed about a foreign network's time, output and data."""
    for name, label in FACTS.items():
        if known.get(name) is not None:
            yield label, _text(name, known[name]) + _origin(known, name)
    if known.get("class_label") is not None:
        yield "class", f"{known['class_label']}, guidance {known['guidance']:g}"


def _text(name, value):
    if name == "reachable":
        return f"t in [{value[0]:.4g}, {value[1]:.4g}]"
    if name == "learned_variance":
        return "learned: the second half of the channels is left out"
    return _arguments(value) if isinstance(value, dict) else str(value)


def _origin(known, name):
    origin = (known.get("origin") or {}).get(name)
    options = f", else {OPTIONS[name]}" if origin == "assumed" and name in OPTIONS else ""
    return f"  [{origin}]{options}" if origin else ""


def _arguments(description):
    if "name" not in description:
        return ", ".join(f"{key} {value}" for key, value in description.items())
    arguments = ", ".join(f"{key} {value}" for key, value in description.items() if key != "name")
    return f"{description['name']} ({arguments})" if arguments else description["name"]
