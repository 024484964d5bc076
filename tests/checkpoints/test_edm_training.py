"""What an EDM file records of its training is read from it."""

import pickle
import warnings

import oracle
import pytest

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.families.edm_training import recorded


class AugmentPipe:
    """The attributes of EDM's."""

    def __init__(self, p=1, xflip=0, yflip=0, scale=0, rotate_max=1, scale_std=0.2):
        self.p, self.xflip, self.yflip, self.scale = p, xflip, yflip, scale
        self.rotate_max, self.scale_std = rotate_max, scale_std


def loaded(folder, **content):
    (folder / "their.pkl").write_bytes(pickle.dumps({"ema": oracle.EDMNetwork("edm", "x1"), **content}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_checkpoint(folder / "their.pkl", trust_pickle=True)


@pytest.mark.parametrize("flip", [True, False])
def test_fault_1_15_edm_training_is_read(flip, tmp_path):
    found = loaded(tmp_path, dataset_kwargs={"path": "datasets/cifar10-32x32.zip", "xflip": flip, "use_labels": False},
                   augment_pipe=AugmentPipe(p=0.12, xflip=1e8, yflip=1, scale=1))
    known, origin = found.description, found.description["origin"]
    assert known["hflip"] is flip and known["trained_on"] == "datasets/cifar10-32x32.zip"
    assert known["augmentation"] == "p = 0.12: xflip, yflip, scale, given to the network as a condition"
    assert {origin[name] for name in ("hflip", "trained_on", "augmentation")} == {"read from the file"}
    assert known["dataset"]["hflip"] is flip and ("flips" in str(known["warnings"])) is flip


def test_fault_1_15_what_the_file_does_not_say_stays_assumed(tmp_path):
    found = loaded(tmp_path).description
    assert found["hflip"] is False and found["origin"]["hflip"] == "assumed" and "augmentation" not in found
    assert loaded(tmp_path, augment_pipe=None).description["augmentation"] == "none"
    assert recorded({"dataset_kwargs": {"path": "x.zip", "max_size": 500}})["trained_on"] == (
        "x.zip, 500 rows of it at most")


def test_fault_1_15_the_command_shows_it(tmp_path, capsys):
    from fmdiag.cli.main import run

    loaded(tmp_path, dataset_kwargs={"path": "data.zip", "xflip": True}, augment_pipe=AugmentPipe(p=0.1, yflip=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run(["checkpoint", str(tmp_path / "their.pkl"), "--trust-pickle"]) == 0
    shown = capsys.readouterr().out
    assert "mirror images True  [read from the file]" in shown and "trained on    data.zip" in shown
    assert "augmentation  p = 0.1: yflip" in shown
