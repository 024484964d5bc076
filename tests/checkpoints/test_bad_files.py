"""Every file that is no usable checkpoint is refused in one line that says what, where and what to do."""

import argparse
import os
import pickle
import re
import resource
import tarfile
import tempfile

import numpy as np
import pytest
import torch

from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint, save_checkpoint
from fmdiag.checkpoints.file import write_torch_file
from fmdiag.errors import FmdiagError
from fmdiag.fields import build_network

SPEC = {"name": "mlp", "shape": [2], "width": 8, "depth": 1}


class RunsCode:
    """Creates a file when unpickled."""

    def __init__(self, witness):
        self.witness = str(witness)

    def __reduce__(self):
        return os.mkdir, (self.witness,)


def native(**changes):
    weights = build_network(SPEC).state_dict()
    return {"network": SPEC, "path": {"name": "linear"}, "ema": weights, "weights": weights, "dataset": None, **changes}


def with_weight(name, value):
    return {**build_network(SPEC).state_dict(), name: value}


def refused(file, message):
    with pytest.raises(FmdiagError, match=message) as caught:
        load_checkpoint(file)
    text = str(caught.value)
    assert str(file) in text and "\n" not in text and len(text) < 400


def test_missing_file(tmp_path):
    refused(tmp_path / "no.pt", "no such checkpoint")


def test_folder(tmp_path):
    refused(tmp_path, "is a folder")


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_file(tmp_path, share):
    file = tmp_path / "ckpt.pt"
    save_checkpoint(native(), file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    refused(file, "truncated.*copy it again")


@pytest.mark.parametrize("place", [0.03, 0.2, 0.5, 0.8])
def test_changed_bytes(tmp_path, place):
    file = tmp_path / "ckpt.pt"
    save_checkpoint(native(), file)
    content = bytearray(file.read_bytes())
    start = int(len(content) * place)
    content[start : start + 64] = bytes(byte ^ 0xFF for byte in content[start : start + 64])
    file.write_bytes(content)
    refused(file, "damaged.*copy it again")


@pytest.mark.parametrize("content, message", [(b"", "is empty"), (b"<!DOCTYPE html>", "not a torch checkpoint"),
                                              (b"\x00\x01\x02" * 99, "not a torch checkpoint"),
                                              (b"\x80\x04\x95", "truncated")])
def test_other_files(tmp_path, content, message):
    (tmp_path / "ckpt.pt").write_bytes(content)
    refused(tmp_path / "ckpt.pt", message)


def test_archives_of_another_kind(tmp_path):
    np.savez(tmp_path / "ckpt.npz", a=np.zeros(3))
    refused(tmp_path / "ckpt.npz", "archive of another kind")


@pytest.mark.parametrize("save", [
    torch.save,
    lambda content, file: torch.save(content, file, _use_new_zipfile_serialization=False),
    lambda content, file: file.write_bytes(pickle.dumps(content)),
    lambda content, file: file.write_bytes(pickle.dumps(content, protocol=2)),
], ids=["zip", "old torch", "pickle", "old pickle"])
def test_a_pickle_that_wants_to_run_code_is_never_run(tmp_path, save):
    file = tmp_path / "ckpt.pt"
    save({"ema": RunsCode(tmp_path / "witness")}, file)
    refused(file, r"run code on loading \(posix.mkdir\) and was not loaded")
    assert not (tmp_path / "witness").exists()


def test_a_namespace_is_read_as_the_values_it_holds(tmp_path):
    torch.save({"args": argparse.Namespace(lr=1)}, tmp_path / "ckpt.pt")
    refused(tmp_path / "ckpt.pt", "no known family .a dict with keys args")


@pytest.mark.parametrize("content, message", [
    ({"weight": torch.zeros(2)}, "no known family .a dict with keys weight.*--family NAME"),
    ([1, 2], "no known family .a list"),
    ({"format": "fmdiag-training-state"}, "give the checkpoint.pt beside it"),
    ({"format": "fmdiag-checkpoint", "version": 99}, "version 99.*update fmdiag"),
    ({"format": "fmdiag-checkpoint", "version": 1}, "without network and path"),
])
def test_unknown_content(tmp_path, content, message):
    torch.save(content, tmp_path / "ckpt.pt")
    refused(tmp_path / "ckpt.pt", message)


@pytest.mark.parametrize("changes, message", [
    ({"ema": with_weight("enter.bias", torch.full((8,), float("nan")))}, "enter.bias has 8 NaN.*earlier checkpoint"),
    ({"ema": with_weight("enter.bias", torch.full((8,), float("inf")))}, "enter.bias has 8 NaN or infinite"),
    ({"ema": with_weight("enter.bias", torch.zeros(9))}, r"enter.bias has shape \(9,\), its network needs \(8,\)"),
    ({"ema": with_weight("stray", torch.zeros(1))}, "1 surplus .stray."),
    ({"ema": {"enter.bias": torch.zeros(8)}}, r"17 missing \(.*, \.\.\.\);"),
    ({"ema": {"enter.bias": 3}}, "not a dict of tensors"),
    ({"ema": {}, "weights": {}}, "holds no weights"),
    ({"network": {"name": "resnet", "shape": [2]}}, "unknown network 'resnet'"),
    ({"network": {**SPEC, "width": 10**12}}, "width in"),
    ({"network": {**SPEC, "width": 60_000}}, "has shape"),
    ({"path": {"name": "spiral"}}, "unknown probability path"),
])
def test_native_files_that_contradict_themselves(tmp_path, changes, message):
    save_checkpoint_of(native(**changes), tmp_path / "ckpt.pt")
    refused(tmp_path / "ckpt.pt", message)


def save_checkpoint_of(content, file):
    write_torch_file({"format": "fmdiag-checkpoint", "version": 1, **content}, file)


def test_full_disk_leaves_the_earlier_file(tmp_path):
    file = tmp_path / "ckpt.pt"
    save_checkpoint(native(), file)
    before = file.read_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            save_checkpoint(native(), file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert caught.value.filename == str(file)
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["ckpt.pt"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        save_checkpoint(native(), tmp_path / "file" / "ckpt.pt")


@pytest.mark.parametrize("text", ['family = "nowhere"', "[convention]\ntime_scale = 2.0"], ids=["family", "native"])
def test_a_refusal_that_rests_on_a_model_card_names_it(tmp_path, text):
    card = tmp_path / "card.toml"
    card.write_text(text)
    with pytest.raises(FmdiagError, match=re.escape(str(card))) as caught:
        load_checkpoint(bundled_checkpoint(), model=card)
    assert str(bundled_checkpoint()) in str(caught.value)


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("kind", ["storages", "nothing"])
def test_a_tar_is_refused_before_torch_makes_a_folder_to_unpack_it(tmp_path, monkeypatch, kind, trust):
    """torch reads a format of 2017 by unpacking; a pipe as its first member would be waited for."""
    with tarfile.open(tmp_path / "a.pt", "w") as archive:
        if kind == "storages":
            archive.addfile(tarfile.TarInfo("storages"))
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *place: pytest.fail("unpacked"))
    with pytest.raises(FmdiagError, match="a.pt is a tar archive"):
        load_checkpoint(tmp_path / "a.pt", trust_code=trust)
