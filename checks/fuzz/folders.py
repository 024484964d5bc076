"""Readers of folders under fuzzing: runs, studies, canaries, audits, pictures with links, and files of strangers.

A case is one file of the folder, mutated; the others are as they should be. Strangers' files are read in a working
folder beside them: what they name outside of it must stay unread, and no code of theirs may run.
"""

import contextlib
import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import torch

from checks.fuzz.guard import GUARD
from fmdiag.checkpoints import load_checkpoint
from fmdiag.datasets import load_dataset
from fmdiag.datasets.canaries import load_canaries
from fmdiag.diagnostics.audit.schema import validate
from fmdiag.errors import FmdiagError
from fmdiag.figures import RunData
from fmdiag.files.documents import read_document
from fmdiag.report import compare
from fmdiag.report.page import page_content
from fmdiag.runs.earlier import earlier_result, run_key
from fmdiag.studies.folder import StudyFolder
from fmdiag.studies.parts import Part, PartStore

CORPUS = Path(__file__).parent / "corpus"
POINTS = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
STRANGER = "import os\nos.system('true')\nfrom checks.fuzz.program import Program\n"


def read_run(path, work):
    """Read a run as the page, a comparison with a whole run, and a run that goes on from it do."""
    folder, whole = work / "run", work / "whole"
    if not whole.exists():
        shutil.copytree(CORPUS / "run", whole)
    run_key(folder)
    earlier_result(folder, "alignment", "x")
    page_content(RunData(folder))
    runs = compare.read_runs([folder, whole])
    compare.warnings(runs)
    compare.facts_of(runs)


def read_study(path, work):
    """Open a study's folder and look at its parts, as the same command does that goes on with it."""
    folder = work / "study"
    for part in ("study.json", "parts"):
        assert (folder / part).exists()
    inputs = read_document(CORPUS / "study/study.json", dict)["inputs"]
    StudyFolder(folder, inputs)
    record = next((CORPUS / "study/parts").glob("*/part.json"))
    known = read_document(record, dict)
    PartStore(folder / "parts").warn_of_others([Part(known["kind"], known["inputs"])])


def read_canaries(path, work):
    """Read planted canaries beside the training set that they were planted in."""
    canaries = load_canaries(path.parent, load_dataset(work / "canaries/train.npy"))
    assert len(canaries.images) == len(canaries.multiplicity)


def read_audit(path, work):
    """Check a document of an audit, whose messages do not know its file."""
    try:
        validate(read_document(path, dict))
    except FmdiagError as error:
        raise FmdiagError(f"{path}: {error}") from error


def unpacked(content, folder):
    """Make the folder that a tar stands for: links as they are, names below the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder = folder.resolve()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for info in sorted(archive, key=lambda info: not info.isreg()):
            place = folder / os.path.normpath(f"/{info.name}").lstrip("/")
            with contextlib.suppress(OSError, ValueError):  # a folder below a file, an impossible name
                place.parent.mkdir(parents=True, exist_ok=True)
                # Nothing is made through a link, nor twice.
                if place.parent.resolve().is_relative_to(folder) and not os.path.lexists(place):
                    _make(place, info, archive, folder)


def _make(place, info, archive, folder):
    if info.issym():
        place.symlink_to(info.linkname)
    elif info.islnk():
        os.link(folder / "a.png", place)
    elif info.isfifo():
        os.mkfifo(place)
    elif info.isdir():
        place.mkdir()
    else:
        place.write_bytes(archive.extractfile(info).read())


@contextlib.contextmanager
def among_strangers(work):
    """Enter a working folder with data of the user's, links that lead out of it, and private data beside it."""
    here, private = work / "here", work / "outside"
    if not here.exists():
        for folder in (here / "folder", private):
            folder.mkdir(parents=True)
        np.save(here / "points.npy", POINTS)
        np.save(private / "points.npy", POINTS)
        (here / "link.npy").symlink_to(private / "points.npy")
        (here / "loop.npy").symlink_to("loop.npy")
        (here / "folder/a.npy").symlink_to(private / "points.npy")
        os.mkfifo(here / "pipe")
    with contextlib.chdir(here):
        GUARD.private = f"{os.path.realpath(private)}{os.sep}"
        try:
            yield
        finally:
            GUARD.private = None


def read_strange_source(path, work):
    """Load a checkpoint and follow what it names as its data, without a word of the user's."""
    with among_strangers(work):
        checkpoint = load_checkpoint(path)
        rows = checkpoint.training_set(data_root=work / "data-root")
        assert rows.shape == (2,) and (rows.held_out is None or rows.held_out.shape == (2,))


def read_strange_card(path, work):
    """Load weights by a card that lies outside the working folder, with code beside it that nobody trusted."""
    if not (work / "program.py").exists():
        (work / "program.py").write_text(STRANGER)
        torch.save({"ema": {"scale": torch.ones(2)}}, work / "weights.pt")
    with among_strangers(work):
        load_checkpoint(work / "weights.pt", model=path)
