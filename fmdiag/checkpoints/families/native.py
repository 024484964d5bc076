"""fmdiag's own checkpoint: one .pt that ``torch.load(weights_only=True)`` reads and that says what it is.

Keys: format, version, network (for `build_network`), path, dataset (`TrainingSet.describe` and how it was loaded:
source, size, subset_n, subset_seed, held_out), weights and ema (state dicts; either may be absent), ema_decay, loss,
seed, steps, training (learning rate, batch size, precision, ...). Weights may be stored in half precision; they are
used in float32.
"""

from fmdiag.checkpoints.cautions import FIXED_PAIRS, NOISED, OT, initial_weights
from fmdiag.checkpoints.checkpoint import Checkpoint
from fmdiag.checkpoints.file import check_sums, write_torch_file
from fmdiag.checkpoints.initial_share import LEAST, initial_share
from fmdiag.checkpoints.weights import load_weights
from fmdiag.errors import FmdiagError
from fmdiag.fields import NetworkField, build_network
from fmdiag.files.hashing import file_sha256
from fmdiag.paths import path_from_description

FORMAT = "fmdiag-checkpoint"
VERSION = 1
RECORDED = ("dataset", "ema_decay", "loss", "seed", "steps", "training")


def recognise(source):
    """Return whether a Source is a native checkpoint."""
    return isinstance(source.content, dict) and source.content.get("format") == FORMAT


def load(content, file, *, weights=None, device="cpu"):
    """Return the Checkpoint of a loaded native file.

    Parameters
    ----------
    content : dict
        What `read_torch_file` returned.
    file : Path
        Where from, for messages.
    weights : str, optional
        ``"ema"`` or ``"raw"``; default: averaged where the file has them.
    device : str or torch.device
        Where the network is to compute.

    Raises
    ------
    FmdiagError
        If the version or network is unknown, or weights are missing, surplus, of another shape or not finite.
    """
    if content.get("version") != VERSION:
        raise FmdiagError(f"{file} is a native checkpoint of version {content.get('version')}, this fmdiag reads "
                          f"version {VERSION}: update fmdiag")
    missing = [key for key in ("network", "path") if not isinstance(content.get(key), dict)]
    if missing:
        raise FmdiagError(f"{file} is a native checkpoint without {' and '.join(missing)}: save it again")
    wrong = [key for key in ("dataset", "training") if not isinstance(content.get(key, {}), dict | None)]
    if wrong:
        raise FmdiagError(f"{file} is a native checkpoint whose {' and '.join(wrong)} is no dict: save it again")
    check_sums(file)
    key, state = _chosen(content, file, weights)
    try:
        path = path_from_description(content["path"])
        module = load_weights(lambda: build_network(content["network"]), state)
    except FmdiagError as error:
        raise FmdiagError(f"{file}: {error}") from error
    description = {"family": "native", "weights": key, "network": content["network"],
                   "parameters": sum(p.numel() for p in module.parameters()), "path": content["path"],
                   **{name: content.get(name) for name in RECORDED},
                   "other_weights": "raw" if key == "ema" and content.get("weights") else None,
                   "warnings": _cautions(str(content.get("loss"))) + _initial(content, key)}
    field = NetworkField(module.to(device).eval(), content["network"]["shape"])
    return Checkpoint(field, description, path, file, file_sha256(file))


def save_checkpoint(content, file, *, raw=True, dtype=None):
    """Write a native checkpoint; an earlier file is replaced only when the new one is complete.

    Parameters
    ----------
    content : dict
        As ``TrainingState.checkpoint()`` returns it.
    file : path
        Destination.
    raw : bool
        Whether to keep the raw weights beside the averaged ones.
    dtype : torch.dtype, optional
        Storage dtype of the weights, e.g. torch.float16 for a small file.

    Raises
    ------
    OSError
        Full disk or read-only folder; the earlier file is intact.
    """
    content = {"format": FORMAT, "version": VERSION, **content}
    if not raw:
        content.pop("weights", None)
    for key in ("weights", "ema"):
        if key in content:
            content[key] = {name: w.detach().to("cpu", dtype or w.dtype) for name, w in content[key].items()}
    write_torch_file(content, file)


def _cautions(loss):
    """Return the cautions that go with the label of an objective; those of another coupling begin with "ot"."""
    return [OT] * loss.startswith("ot") + [FIXED_PAIRS] * loss.startswith("pairs") + [NOISED] * ("noised" in loss)


def _initial(content, key):
    """Return the caution about averages of so few steps that they are the initial network, at fmdiag's own warm-up."""
    decay, steps = content.get("ema_decay"), content.get("steps")
    if key != "ema" or not isinstance(decay, float) or not isinstance(steps, int):
        return []
    share = initial_share(decay, steps, 0)
    raw = bool(content.get("weights"))
    return [initial_weights(share, decay, steps, assumed=False, raw=raw)] if share >= LEAST else []


def _chosen(content, file, weights):
    """Return (kind, state dict): averages where there are some, unless another kind is given."""
    held = {kind: content[key] for key, kind in (("ema", "ema"), ("weights", "raw")) if content.get(key)}
    kind = weights or next(iter(held), None)
    if kind in held:
        return kind, held[kind]
    if not held:
        raise FmdiagError(f"{file} holds no weights: save it again")
    only = {"ema": "averaged weights (EMA)", "raw": "raw weights"}[next(iter(held))]
    raise FmdiagError(f"{file} holds only {only}: leave out --weights {kind}, or give --weights "
                      f"{next(iter(held))}")
