"""Data that never end, hold nothing, or hold what no float32 does: refused in a line, at once."""

import json
import os
import re
import socket

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from fmdiag.datasets import load_dataset
from fmdiag.datasets.canaries import load_canaries, plant
from fmdiag.diagnostics.gradient_variance.couplings import load_pairs
from fmdiag.errors import FmdiagError

SUFFIXES = ("npy", "npz", "pt", "pth", "safetensors", "parquet", "idx", "idx.gz", "ubyte", "zip", "tar", "tar.gz",
            "tgz", "tar.bz2", "tar.xz")


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def listening(path):
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # names of sockets are short
        one.bind(path.name)
        os.chdir(here)


@pytest.mark.parametrize("make", [pipe, device, listening], ids=["pipe", "device", "socket"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fault_5_low_pipes_devices_and_sockets_are_refused_at_once(suffix, make, tmp_path):
    path = tmp_path / f"a.{suffix}"
    make(path)
    with pytest.raises(FmdiagError, match=re.escape(str(path)) + " is a .*: give a regular file"):
        load_dataset(path)
    if suffix == "npz":
        with pytest.raises(FmdiagError, match="give a regular file"):
            load_pairs(path)


@pytest.mark.parametrize("name", ["train.npy", "train.pt", "train-00000.parquet", "data_batch_1",
                                  "train-images-idx3-ubyte"])
@pytest.mark.parametrize("make", [pipe, device], ids=["pipe", "device"])
def test_pipes_and_devices_in_a_folder(name, make, tmp_path):
    make(tmp_path / name)
    with pytest.raises(FmdiagError, match="give a regular file|no pictures here"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("shape", [(2**48 - 1, 0), (0, 2), (0,), (), (2**40, 2**40, 0), (3, 0, 2)])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_fault_5_6_shapes_without_a_number_are_refused_at_once(shape, suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.write(bytes(4))
    if suffix == "npz":
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "a.npy", "x.npy")
    with pytest.raises(FmdiagError, match=r"a.np.*shape \("):
        load_dataset(path)


@pytest.mark.parametrize("shape", [(2**40, 0), (0, 3)])
def test_tensors_without_a_number(shape, tmp_path):
    torch.save(torch.zeros(shape), tmp_path / "a.pt")
    save_file({"x": np.zeros((0, 3), np.float32)}, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        with pytest.raises(FmdiagError, match=r"needs shape \(n, ...\)"):
            load_dataset(tmp_path / name)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_fault_5_low_wide_numbers_that_float32_cannot_tell_apart(dtype, tmp_path):
    near = np.random.default_rng(0).integers(0, 100_000, (50, 2)) + 10**18
    np.save(tmp_path / "a.npy", near.astype(dtype))
    with pytest.raises(FmdiagError, match="a.npy: values from 1e.18 .* float32, .*, loses .* subtract what"):
        load_dataset(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", (near - 10**18).astype(dtype))
    assert load_dataset(tmp_path / "b.npy").n == 50
    np.save(tmp_path / "c.npy", (near - 10**18).astype(dtype) * 10**10)
    assert load_dataset(tmp_path / "c.npy").n == 50


def test_float64_beyond_float32(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0.0, 1.0], [1e300, 2.0]]))
    with pytest.raises(FmdiagError, match="loses inf"):
        load_dataset(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.full((3, 2), 1e17))
    assert load_dataset(tmp_path / "b.npy").n == 3


@pytest.fixture
def planted(tmp_path):
    digits = load_dataset("digits")
    manifest = plant(tmp_path, digits, digits.held_out, n_each=2)
    (tmp_path / "canaries.json").write_text(json.dumps(manifest))
    return tmp_path


def damage_list(manifest):
    return [1]


def damage_entry(manifest):
    return manifest | {"canaries": [3]}


def damage_rows(manifest):
    return manifest | {"canaries": [entry | {"rows": ["x"]} for entry in manifest["canaries"]]}


def damage_multiplicity(manifest):
    return manifest | {"canaries": [entry | {"multiplicity": None} for entry in manifest["canaries"]]}


def damage_key(manifest):
    return manifest | {"canaries": [{"id": 0}]}


@pytest.mark.parametrize("damage", [damage_list, damage_entry, damage_rows, damage_multiplicity, damage_key])
def test_fault_5_low_canaries_json_of_other_types(damage, planted):
    content = json.loads((planted / "canaries.json").read_text())
    (planted / "canaries.json").write_text(json.dumps(damage(content)))
    with pytest.raises(FmdiagError, match="does not describe canaries: give a folder"):
        load_canaries(planted, load_dataset(planted))


@pytest.mark.parametrize("text", ["", "[" * 100_000, "nope", "\ud800"])
def test_canaries_json_that_is_no_json(text, planted):
    (planted / "canaries.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(FmdiagError, match="canaries.json: not readable as JSON"):
        load_canaries(planted, load_dataset(planted))


@pytest.mark.parametrize("held_out", [{"a": 1}, [1], 3.5, object(), True])
def test_fault_5_low_held_out_of_another_type(held_out):
    with pytest.raises(FmdiagError):
        load_dataset("digits", held_out=held_out).held_out  # noqa: B018


@pytest.mark.parametrize("options", [{"size": "x"}, {"size": [3]}, {"n": "x"}, {"n": 2.5}, {"value_range": 3},
                                     {"value_range": ["a", "b"]}, {"split": ["train"]}, {"size": True}])
def test_fault_5_low_options_of_another_type(options):
    with pytest.raises(FmdiagError):
        load_dataset("digits", **options)
