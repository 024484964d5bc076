"""The beginning of a model card for a file of no known family: where its weights lie, and what is still to be named."""

import json
import re
from pathlib import Path

from fmdiag.checkpoints.candidates import candidates
from fmdiag.checkpoints.families import FAMILIES
from fmdiag.checkpoints.fitting import PREFIXES
from fmdiag.checkpoints.nearest import nearest
from fmdiag.checkpoints.places import arguments_of
from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.checkpoints.weight_files import read_json
from fmdiag.errors import FmdiagError

MOST = 12  # arguments that are shown
TEXT = """factory = "models.py:Net"          # your class, or a function that makes it; relative to this card
{weights}
{arguments}
[convention]
parameterisation = "velocity"      # -velocity, epsilon, x1, v, score
time_direction = "noise-to-data"   # or data-to-noise
time_scale = 1.0                   # the network's last time, e.g. 1000
path = "linear"                    # cosine, vp, ddpm-linear, ddpm-cosine, edm, ...
"""


def start_card(path, *, trust_code=False):
    """Return the text of a model card to complete, None for a checkpoint that some family recognises.

    Parameters
    ----------
    path : path
        File or folder.
    trust_code : bool
        Whether files may run code.

    Raises
    ------
    FmdiagError
        If it cannot be read, or holds no weights.
    """
    source = open_checkpoint(path, trust_code=trust_code, own_class=True)
    if source.kind != "tensors" or any(family.recognise(source) for family in FAMILIES.values()):
        return None
    found = candidates(source.content)
    if not found:
        raise FmdiagError(f"{path} holds no weights that a card could name")
    like = nearest(source.content)
    return (f"# {like}\n" if like else "") + TEXT.format(
        weights=_weights(found), arguments=_arguments(_recorded(source)))


def _weights(found):
    """Return the lines about where the weights lie: the first is what is taken anyway."""
    chosen = next((one for one in found if one.averaged), found[0])
    tensors = chosen.shadow if chosen.state is None else chosen.state
    others = [one.key or "the file itself" for one in found if one is not chosen][:3]
    also = f"; also: {', '.join(others)}" if others else ""
    lines = [f"weights_key = {json.dumps(chosen.key)}   # {len(tensors)} tensors{', averages' * bool(chosen.averaged)}"
             f"{_plain(also)}"]
    prefix = next((p for p in PREFIXES if chosen.state and all(name.startswith(p) for name in chosen.state)), None)
    return "\n".join(lines + ([f"# their names begin with {prefix}, which is taken off where your class lacks it"]
                              if prefix else []))


def _recorded(source):
    """Return arguments of the training, or of a Hub folder's class, that are plain values."""
    config = Path(source.file) / "config.json"
    found = read_json(config) if config.is_file() else arguments_of(source.content)
    return {str(k): v for k, v in found.items() if isinstance(v, bool | int | float | str) and re.fullmatch(
        r"\w+", str(k))} if isinstance(found, dict) else {}


def _arguments(recorded):
    """Return the table of the class's arguments, with what the file records as comments."""
    shown = [f"# {name} = {json.dumps(value, ensure_ascii=True)}" for name, value in list(recorded.items())[:MOST]]
    return "\n".join(["", "[arguments]                        # of the class", *(
        ["# recorded, to choose from:"] if shown else []), *shown, ""])


def _plain(text):
    return re.sub(r"[\x00-\x1f\x7f]", "?", text)


