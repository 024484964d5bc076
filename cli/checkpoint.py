"""fmdiag checkpoint: what a checkpoint holds, and what was inferred about it."""

import json

import click

from .options import convention_options

EXAMPLES = """\b
Examples:
  fmdiag checkpoint reports/digits/checkpoint.pt
  fmdiag checkpoint --json ckpt.pt | jq .dataset
  fmdiag checkpoint their.pt --path cosine --write-card card.toml
  fmdiag checkpoint reports/digits/checkpoint.pt --compact digits.pt     averaged weights only, half precision
"""

FACTS = {"scheduler": "scheduler", "attention": "attention", "schedule": "noise levels", "parameterisation": "output",
         "time": "time", "call": "call", "reachable": "reachable", "data_range": "data range", "hflip": "mirror images",
         "coupling": "coupling", "epochs": "epochs", "trained_on": "trained on"}


@click.command("checkpoint", epilog=EXAMPLES)
@click.argument("file", metavar="CHECKPOINT", type=click.Path())
@click.option("--ema/--no-ema", default=True, show_default=True, help="Averaged weights where the file has them.")
@convention_options
@click.option("--write-card", "card_file", type=click.Path(dir_okay=False),
              help="Write what was read and assumed as a model card (TOML), to correct and give as --model.")
@click.option("--compact", "compact_file", type=click.Path(dir_okay=False),
              help="Write a copy to share: averaged weights only, in half precision (native checkpoints).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def command(file, ema, card_file, compact_file, as_json, **choices):
    """Print what a checkpoint holds: family, weights, architecture, path, training set, steps."""
    from fmdiag.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(file, ema=ema, **choices)
    if card_file is not None:
        _write_card(checkpoint, card_file)
    if compact_file is not None:
        _write_compact(checkpoint, compact_file)
    if as_json:
        click.echo(json.dumps({"file": str(checkpoint.file), "sha256": checkpoint.sha256, **checkpoint.description}))
        return
    for name, value in _rows(checkpoint):
        click.echo(f"{name:<13} {value}")


def _write_card(checkpoint, file):
    from fmdiag.checkpoints import card_of
    from fmdiag.checkpoints.choices import write_card

    write_card(card_of(checkpoint), file)
    click.echo(f"wrote {file}", err=True)


def _write_compact(checkpoint, file):
    import torch

    from fmdiag.checkpoints import save_checkpoint
    from fmdiag.checkpoints.file import read_torch_file
    from fmdiag.errors import FmdiagError

    if checkpoint.description["family"] != "native":
        raise FmdiagError(f"{checkpoint.file} is not a native checkpoint: --compact copies those only")
    content = read_torch_file(checkpoint.file)
    save_checkpoint(content, file, raw="ema" not in content, dtype=torch.float16)
    click.echo(f"wrote {file}", err=True)


def _rows(checkpoint):
    known = checkpoint.description
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
        yield "data set", f"{dataset['name']} {dataset['split']}, n = {dataset['n']}{flips}, shape {dataset['shape']}"
        yield "fingerprint", dataset["fingerprint"]
    else:
        yield "data set", "not recorded: give --dataset to the commands that need it"
    if "origin" not in known:
        yield "loss", known.get("loss") or "not recorded"
    yield "steps", known.get("steps") if known.get("steps") is not None else "not recorded"
    if training:
        yield "training", ", ".join(f"{key} {value}" for key, value in training.items() if not isinstance(value, dict))
    for warning in known.get("warnings") or ():
        yield "caution", warning


def _convention(known):
    """Yield what was read or assumed about a foreign network's time, output and data."""
    for name, label in FACTS.items():
        if known.get(name) is not None:
            value = known[name]
            text = _arguments(value) if name == "schedule" else f"t in {value}" if name == "reachable" else str(value)
            yield label, text + _origin(known, name)
    if known.get("class_label") is not None:
        yield "class", f"{known['class_label']}, guidance {known['guidance']:g}"


def _origin(known, name):
    origin = (known.get("origin") or {}).get(name)
    return f"  [{origin}]" if origin else ""


def _arguments(description):
    if "name" not in description:
        return ", ".join(f"{key} {value}" for key, value in description.items())
    arguments = ", ".join(f"{key} {value}" for key, value in description.items() if key != "name")
    return f"{description['name']} ({arguments})" if arguments else description["name"]
