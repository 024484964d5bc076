"""Which readers and loaders are fuzzed, from which files, by which mutations, and what is a valid outcome?"""

import functools
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from checks.fuzz.cases import binary, packed, pickled, strange_source, tar_or_bytes, textual, torch_file, zip_or_bytes
from checks.fuzz.claims import document, linked
from checks.fuzz.folders import (
    read_audit,
    read_canaries,
    read_run,
    read_strange_card,
    read_strange_source,
    read_study,
    unpacked,
)
from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.checkpoint import Checkpoint
from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.datasets.pictures import BadPictureError, decode, read_header, strict_decoding
from fmdiag.errors import FmdiagError

CORPUS = Path(__file__).parent / "corpus"
VALUES_LOOKED_AT = 10**6


@dataclass(frozen=True)
class Target:
    """A reader under test.

    `make(data, rng, other)` returns the content of a case; `place` is the file's path below the work folder, or empty
    where a case is one file of a folder, of which those with the suffixes `changed` are mutated; `read` is called with
    (that file's path, the work folder).
    """

    name: str
    place: str
    make: object
    read: object
    changed: tuple = ()

    def seeds(self):
        """Return the valid files, name -> content, in order of their names."""
        folder = CORPUS / self.name
        return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}

    def case(self, number, seed=0):
        """Return (name of the valid file, content) of a case; negative numbers are the valid files themselves."""
        seeds = self.seeds_once()
        if number < 0:
            name = list(seeds)[-number - 1]
            return name, seeds[name]
        rng, names = random.Random(f"{self.name} {seed} {number}"), self.names()
        name = rng.choice(names)
        return name, self.make(seeds[name], rng, seeds[rng.choice(names)])

    def names(self):
        """Return the names of the files that are mutated."""
        return [name for name in self.seeds_once() if name.endswith(self.changed or "")]

    def seeds_once(self):
        return _seeds(self)


@functools.cache
def _seeds(target):
    return target.seeds()


def read_links(path, work):
    """Read the folder that a tar stands for."""
    folder = work / "case.folder"
    unpacked(path.read_bytes(), folder)
    try:
        read_rows(folder, work)
    finally:
        shutil.rmtree(folder)


def read_rows(path, work):
    """Load a data set and look at all of it; a held-out part that is refused is as good as a whole set that is."""
    rows = load_dataset(path, data_root=work / "data-root", skip_bad=path.suffix == ".folder")
    check_rows(rows)
    if rows.held_out is not None:
        check_rows(rows.held_out)


def check_rows(rows):
    assert isinstance(rows, TrainingSet) and rows.n >= 1 and rows.dim >= 1
    assert rows.labels is None or rows.labels.shape == (rows.n_stored,)
    assert rows[[0, rows.n - 1]].shape == (2, *rows.shape)
    if rows.n * rows.dim <= VALUES_LOOKED_AT:
        assert bool(torch.isfinite(rows[:]).all())
        assert len(rows.fingerprint) == 64 and rows.describe()["n"] == rows.n


def read_picture(path, work):
    """Decode a picture as the readers of folders, archives and Parquet do."""
    try:
        with strict_decoding():
            header = read_header(path)
            for size, grey in ((None, header.grey), (3, not header.grey)):
                rows = decode(path.read_bytes(), size=size, grey=grey)
                assert rows.dtype == np.uint8 and rows.ndim == 3
                assert size is not None or rows.shape[1:] == (header.height, header.width)
    except BadPictureError as error:
        # What `decoded` makes of it.
        raise FmdiagError(f"{path}: unreadable picture ({error})") from error


def read_checkpoint(path, work, **choices):
    checkpoint = load_checkpoint(path, **choices)
    assert isinstance(checkpoint, Checkpoint) and len(checkpoint.sha256) == 64
    shape = checkpoint.description["network"].get("shape")
    if shape is not None and np.prod(shape) <= VALUES_LOOKED_AT and checkpoint.description["family"] == "native":
        assert checkpoint.field(torch.zeros(2, *shape), 0.5).shape == (2, *shape)


def read_foreign(path, work):
    """Read tensors of another family by themselves, and as a card's network."""
    card = work / "card.toml"
    if not card.exists():
        card.write_text('factory = "checks.fuzz.program:Program"\n')
    try:
        read_checkpoint(path, work)
    except FmdiagError as error:
        if "no known family" not in str(error):
            raise
    read_checkpoint(path, work, model=card)


def read_as_card(path, work):
    weights = work / "ema.pt"
    if not weights.exists():
        weights.write_bytes((CORPUS / "foreign" / "ema.pt").read_bytes())
        (work / "program.py").write_text((Path(__file__).parent / "program.py").read_text())
    read_checkpoint(weights, work, model=path, factory="program.py:Program")


def read_diffusers(path, work):
    """The mutated file in place of its own among the others of a diffusers folder."""
    import diffusers

    diffusers.logging.set_verbosity(diffusers.logging.CRITICAL)
    read_checkpoint(path.parent.parent, work)


TARGETS = {target.name: target for target in (
    Target("npy", "case.npy", textual, read_rows),
    Target("npz", "case.npz", zip_or_bytes, read_rows),
    Target("pt", "case.pt", torch_file, read_rows),
    Target("safetensors", "case.safetensors", textual, read_rows),
    Target("idx", "case.idx", binary, read_rows),
    Target("idx_gz", "case.idx.gz", packed, read_rows),
    Target("cifar", "cifar/data_batch_1", pickled, lambda path, work: read_rows(path.parent, work)),
    Target("parquet", "case.parquet", binary, read_rows),
    Target("picture", "case.png", packed, read_picture),
    Target("links", "case.tar.of", linked, read_links),
    Target("zip", "case.zip", zip_or_bytes, read_rows),
    Target("tar", "case.tar", tar_or_bytes, read_rows),
    Target("tar_gz", "case.tar.gz", functools.partial(tar_or_bytes, mode="gz"), read_rows),
    Target("native", "case.pt", torch_file, read_checkpoint),
    Target("foreign", "case.pth", torch_file, read_foreign),
    Target("foreign_safetensors", "weights.safetensors", textual, read_foreign),
    Target("torchscript", "case.pt", zip_or_bytes, functools.partial(read_checkpoint, trust_code=True)),
    Target("pt2", "case.pt2", zip_or_bytes, functools.partial(read_checkpoint, trust_code=True)),
    Target("edm", "case.pkl", pickled, read_checkpoint),
    Target("card_toml", "case.toml", textual, read_as_card),
    Target("card_yaml", "case.yaml", textual, read_as_card),
    Target("strange_card", "case.toml", textual, read_strange_card),
    Target("source", "case.pt", strange_source, read_strange_source),
    Target("diffusers", "", textual, read_diffusers),
    Target("run", "", document, read_run, (".json",)),
    Target("study", "", document, read_study, (".json",)),
    Target("canaries", "", document, read_canaries, (".json",)),
    Target("audit", "", document, read_audit),
)}


def placed(target, name, content, work):
    """Write a case and return its path; for a folder of several files the others are as they should be."""
    if not target.place:
        for other, valid in target.seeds_once().items():
            (work / target.name / other).parent.mkdir(parents=True, exist_ok=True)
            (work / target.name / other).write_bytes(valid)
        path = work / target.name / name
    else:
        path = work / target.place
    if path.parent != work:
        path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)   # never overwritten in place: an earlier case may be mapped still
    path.write_bytes(content)
    return path
