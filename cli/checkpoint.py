"""fmdiag checkpoint: what a checkpoint holds, and what was inferred about it."""

import json

import click

EXAMPLES = """\b
Examples:
  fmdiag checkpoint reports/digits/checkpoint.pt
  fmdiag checkpoint --json ckpt.pt | jq .dataset
  fmdiag checkpoint reports/digits/checkpoint.pt --compact digits.pt     averaged weights only, half precision
"""


@click.command("checkpoint", epilog=EXAMPLES)
@click.argument("file", metavar="CHECKPOINT", type=click.Path())
@click.option("--ema/--no-ema", default=True, show_default=True, help="Averaged weights where the file has them.")
@click.option("--compact", "compact_file", type=click.Path(dir_okay=False),
              help="Write a copy to share: averaged weights only, in half precision (native checkpoints).")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON on stdout.")
def command(file, ema, compact_file, as_json):
    """Print what a checkpoint holds: family, weights, architecture, path, training set, steps."""
    from fmdiag.checkpoints import load_checkpoint

    checkpoint = load_checkpoint(file, ema=ema)
    if compact_file is not None:
        _write_compact(checkpoint, compact_file)
    if as_json:
        click.echo(json.dumps({"file": str(checkpoint.file), "sha256": checkpoint.sha256, **checkpoint.description}))
        return
    for name, value in _rows(checkpoint):
        click.echo(f"{name:<13} {value}")


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
    yield "weights", known["weights"] + (f" (decay {known['ema_decay']})" if known["weights"] == "ema" else "")
    yield "network", f"{_arguments(known['network'])}; {known['parameters']:,} parameters"
    yield "path", _arguments(known["path"])
    if dataset:
        flips = ", mirror images included" if dataset.get("hflip") else ""
        yield "data set", f"{dataset['name']} {dataset['split']}, n = {dataset['n']}{flips}, shape {dataset['shape']}"
        yield "fingerprint", dataset["fingerprint"]
    else:
        yield "data set", "not recorded: give --dataset to the commands that need it"
    yield "loss", known.get("loss") or "not recorded"
    yield "steps", known.get("steps") if known.get("steps") is not None else "not recorded"
    if training:
        yield "training", ", ".join(f"{key} {value}" for key, value in training.items() if not isinstance(value, dict))


def _arguments(description):
    arguments = ", ".join(f"{key} {value}" for key, value in description.items() if key != "name")
    return f"{description['name']} ({arguments})" if arguments else description["name"]
