"""Which family does a checkpoint file belong to? Recognised by content, never by its name."""

from importlib.resources import files
from pathlib import Path

from fmdiag.checkpoints import native
from fmdiag.checkpoints.file import read_torch_file
from fmdiag.errors import FmdiagError

# A further family is one module with `recognise(content)` and `load(content, file, *, ema, device)`, and one line here.
FAMILIES = {"native": native}


def load_checkpoint(path, *, ema=True, device="cpu"):
    """Read a checkpoint as a velocity field.

    Parameters
    ----------
    path : path
        The file.
    ema : bool
        Whether to use averaged weights where the file has them (it almost always should).
    device : str or torch.device
        Where the network is to compute.

    Returns
    -------
    Checkpoint
        With ``field(x, t)``, ``description``, ``path``, ``training_set()``, ``file`` and ``sha256``.

    Raises
    ------
    FmdiagError
        If the file is missing, damaged, of no known family, or its weights do not fit or are not finite.
    """
    file = Path(path)
    content = read_torch_file(file)
    for family in FAMILIES.values():
        if family.recognise(content):
            return family.load(content, file, ema=ema, device=device)
    if isinstance(content, dict) and content.get("format") == "fmdiag-training-state":
        raise FmdiagError(f"{file} is the state of a training run: give the checkpoint.pt beside it")
    raise FmdiagError(f"{file} holds a checkpoint of no known family ({_outline(content)}): fmdiag reads "
                      f"{', '.join(FAMILIES)}")


def bundled_checkpoint():
    """Return the path of the checkpoint that comes with fmdiag: a network trained on the digits."""
    return Path(str(files("fmdiag.data") / "digits.pt"))


def _outline(content):
    if isinstance(content, dict):
        keys = [str(key) for key in list(content)[:4]]
        return f"a dict with keys {', '.join(keys)}{', ...' if len(content) > len(keys) else ''}"
    return f"a {type(content).__name__}"
