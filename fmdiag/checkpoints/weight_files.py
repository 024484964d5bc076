"""Files of tensors in a folder: whole or in parts with an index, in variants such as fp16 or non_ema.

A variant stands before the suffix, as in ``diffusion_pytorch_model.non_ema.bin``, and of parts at the end of the index,
as in ``model.safetensors.index.fp16.json``.
"""

import json
import re
from pathlib import Path

from fmdiag.checkpoints.file import read_safetensors, read_torch_file
from fmdiag.errors import FmdiagError
from fmdiag.files.regular import read_text

# In the order in which they are looked for.
NAMES = ("diffusion_pytorch_model.safetensors", "model.safetensors", "diffusion_pytorch_model.bin",
         "pytorch_model.bin", "model.bin")
RAW, AVERAGED = ("non_ema", "raw"), ("ema",)


def read_json(file):
    """Return what a JSON file holds.

    Raises
    ------
    FmdiagError
        If it is missing or no JSON.
    """
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise FmdiagError(f"{file} cannot be read as JSON ({error})") from error


def weight_files(folder, names=NAMES):
    """Return {variant: file or index} of a folder, "" for the plain one; earlier names are preferred."""
    held, found = sorted(path.name for path in Path(folder).iterdir()) if Path(folder).is_dir() else [], {}
    for name in names:
        stem, _, suffix = name.rpartition(".")
        pattern = re.compile(rf"{stem}(?:\.(\w+))?\.{suffix}(?:\.index(?:\.(\w+))?\.json)?")
        for file in held:
            match = pattern.fullmatch(file)
            if match and (Path(folder) / file).is_file():
                found.setdefault(match[1] or match[2] or "", Path(folder) / file)
    return found


def chosen_file(folder, wanted=None, names=NAMES):
    """Return (file, ``"ema"``, ``"raw"`` or None where it does not say) of the weights that are wanted.

    Averages come first; a plain file beside one named non_ema holds them. Of variants of precision the plain one, else
    the first by name is taken.

    Raises
    ------
    FmdiagError
        If the folder has files of weights and none of the wanted kind.
    """
    found = weight_files(folder, names)
    kinds = {variant: "raw" if variant in RAW else "ema" if variant in AVERAGED else None for variant in found}
    if "" in kinds and len(set(kinds.values()) - {None}) == 1:  # the plain one is what the named one is not
        kinds[""] = "ema" if "raw" in kinds.values() else "raw"
    order = sorted(found, key=lambda name: (kinds[name] == "raw", kinds[name] != "ema", name != "", name))
    fitting = [variant for variant in order if wanted is None or kinds[variant] in (None, wanted)]
    if order and not fitting:
        only = "averaged" if wanted == "raw" else "raw"
        raise FmdiagError(f"{folder} holds only {only} weights ({found[order[0]].name}): leave out --weights {wanted}")
    return (found[fitting[0]], kinds[fitting[0]]) if fitting else (None, None)


def tensors_of_file(file):
    """Return the tensors of a file, or of the parts that an index names, by name.

    Raises
    ------
    FmdiagError
        If one cannot be read, or the index leads outside its folder.
    """
    parts = [file.name]
    if file.suffix == ".json":
        index = read_json(file)
        parts = sorted(set(index["weight_map"].values())) if isinstance(index, dict) and "weight_map" in index else []
        if not parts or any(Path(part).name != part for part in parts):
            raise FmdiagError(f"{file} names no files, or some outside its folder: {', '.join(parts)[:200]}")
    read = read_safetensors if parts[0].endswith("safetensors") else read_torch_file
    return {key: tensor for part in parts for key, tensor in read(file.parent / part).items()}
