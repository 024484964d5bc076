"""Write the folders that fuzzing starts from: ``python -m checks.fuzz.make_folders``. They are committed."""

import contextlib
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch

import fmdiag
from checks.fuzz.folders import CORPUS, POINTS
from checks.fuzz.make_corpus import picture
from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint, save_checkpoint
from fmdiag.cli.main import run
from fmdiag.datasets.canaries import plant
from fmdiag.files.documents import as_json

KEPT = (".json", ".parquet")
TINY = ["--network", "mlp", "--width", "2", "--depth", "1", "--batch-size", "4", "--steps", "2", "--warmup", "0"]


def kept(made, name, *, but=()):
    """Copy documents and tables of a folder into the corpus."""
    for path in sorted(made.rglob("*")):
        if path.suffix in KEPT and path.name not in but:
            place = CORPUS / name / path.relative_to(made)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def a_run(folder):
    with fmdiag.Run(train=POINTS, out=folder / "run", seed=0) as made:
        made.alignment(n_pairs=2, times=(0.2, 0.8))
        made.save()
    kept(folder / "run", "run")


def a_study(folder):
    words = ["study", "size", "--dataset", "digits", *TINY, "--sizes", "4", "--seeds", "1", "--n-samples", "4", "--n-nearest",
             "4", "--n-steps", "1", "--n-pairs", "2", "--out", str(folder / "study")]
    assert run(words) == 0
    kept(folder / "study", "study", but=[p.name for p in (folder / "study/tables").glob("*")] + ["captions.json",
                                                                                                "readings.json"])


def some_canaries(folder):
    (folder / "canaries").mkdir()
    digits = fmdiag.load_dataset("digits").subset(4)
    manifest = plant(folder / "canaries", digits, digits.held_out, multiplicities=(1, 2), n_each=1)
    (folder / "canaries/canaries.json").write_text(as_json(manifest, indent=1))
    shutil.copytree(folder / "canaries", CORPUS / "canaries", ignore=shutil.ignore_patterns("test.npy"))


def an_audit(folder):
    words = ["audit", str(bundled_checkpoint()), "--n-samples", "24", "--n-images", "4", "--n-noises", "1", "--n-steps", "4", "--out", str(folder / "audit")]
    assert run(words) == 0
    document = json.loads((folder / "audit/audit.json").read_text())
    # Three of each kind are as good as hundreds.
    document |= {"values": document["values"][:3], "controls": document["controls"][:3]}
    (CORPUS / "audit").mkdir()
    (CORPUS / "audit/audit.json").write_text(json.dumps(document, indent=1))


def a_folder_of_links():
    """A tar that stands for a folder of pictures, since version control keeps no pipes."""
    (CORPUS / "links").mkdir()
    with tarfile.open(CORPUS / "links/pictures.tar", "w") as archive:
        for name in ("a.png", "train/0/a.png", "train/1/b.png"):
            info, content = tarfile.TarInfo(name), picture()
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def strangers():
    """A checkpoint that names the user's own points, and cards that name code."""
    content = torch.load(CORPUS / "native/mlp.pt", weights_only=True)
    (CORPUS / "source").mkdir()
    np.save(Path("points.npy"), POINTS)
    recorded = {**fmdiag.load_dataset("points.npy", held_out=0.25).describe(), "source": "points.npy", "held_out": 0.25}
    save_checkpoint({**content, "dataset": recorded}, CORPUS / "source/mlp.pt", dtype=torch.float16)
    load_checkpoint(CORPUS / "source/mlp.pt")
    (CORPUS / "strange_card").mkdir()
    for number, factory in enumerate(("program.py:Program", "os:system", "torch.nn:Linear", "checks.fuzz.program:Program")):
        (CORPUS / f"strange_card/{number}.toml").write_text(
            f'family = "module"\nfactory = "{factory}"\nweights_key = "ema"\ncall = "x, t"\n[arguments]\na = 1\n'
            '[convention]\nparameterisation = "velocity"\n[data]\nshape = [2]\n')


if __name__ == "__main__":
    for name in ("run", "study", "canaries", "audit", "links", "source", "strange_card"):
        shutil.rmtree(CORPUS / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        with contextlib.chdir(place):
            for make in (a_run, a_study, some_canaries, an_audit):
                make(Path(place))
            a_folder_of_links()
            strangers()
