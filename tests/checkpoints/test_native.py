"""Native checkpoints: what is written is what is read, in any storage dtype, with the data set it names."""

import numpy as np
import pytest
import torch

from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint, save_checkpoint
from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.errors import FmdiagError
from fmdiag.fields import NetworkField, build_network
from fmdiag.paths import CosinePath, LinearPath
from fmdiag.training import choose_network, train

SPEC = {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 1}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", n=12)


@pytest.fixture(scope="module")
def content(digits):
    record = {"source": "digits", "size": None, "subset_n": 12, "subset_seed": 0, "held_out": None}
    state = train(digits, SPEC, path=LinearPath(0.01), steps=10, batch_size=8, precision="fp32", dataset=record)
    return state.checkpoint()


@pytest.fixture
def file(content, tmp_path):
    save_checkpoint(content, tmp_path / "ckpt.pt")
    return tmp_path / "ckpt.pt"


def expected_field(content, key):
    network = build_network(SPEC)
    network.load_state_dict(content[key])
    return NetworkField(network)


def points():
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("ema, key, name", [(True, "ema", "ema"), (False, "weights", "raw")])
def test_field_is_that_of_the_weights_written(content, file, ema, key, name):
    checkpoint = load_checkpoint(file, ema=ema)
    assert torch.equal(checkpoint.field(points(), 0.4), expected_field(content, key)(points(), 0.4))
    assert checkpoint.description["weights"] == name


def test_description_says_what_was_trained(content, file, digits):
    checkpoint = load_checkpoint(file)
    known = checkpoint.description
    assert known["family"] == "native" and known["network"] == SPEC and known["steps"] == 10 and known["seed"] == 0
    assert known["dataset"]["fingerprint"] == digits.fingerprint and known["dataset"]["n"] == 12
    assert known["parameters"] == sum(p.numel() for p in build_network(SPEC).parameters())
    assert checkpoint.path == LinearPath(0.01) and checkpoint.file == file and len(checkpoint.sha256) == 64


def test_half_precision_storage_is_used_in_float32(content, tmp_path):
    save_checkpoint(content, tmp_path / "half.pt", raw=False, dtype=torch.float16)
    checkpoint = load_checkpoint(tmp_path / "half.pt")
    assert {p.dtype for p in checkpoint.field.module.parameters()} == {torch.float32}
    full = expected_field(content, "ema")(points(), 0.4)
    # float16 has 11 bits: each weight is off by 2^-12 relative at most; a few layers add up.
    torch.testing.assert_close(checkpoint.field(points(), 0.4), full, rtol=1e-2, atol=1e-2 * full.abs().max().item())


def test_raw_weights_serve_where_there_is_no_average_and_not_the_reverse(content, tmp_path):
    save_checkpoint({k: v for k, v in content.items() if k != "ema"}, tmp_path / "raw.pt")
    assert load_checkpoint(tmp_path / "raw.pt").description["weights"] == "raw"
    save_checkpoint(content, tmp_path / "ema.pt", raw=False)
    with pytest.raises(FmdiagError, match="only averaged weights"):
        load_checkpoint(tmp_path / "ema.pt", ema=False)


def test_file_is_read_by_torch_with_weights_only(file):
    content = torch.load(file, weights_only=True)
    assert content["format"] == "fmdiag-checkpoint" and content["version"] == 1


def test_other_paths_are_kept(content, tmp_path):
    save_checkpoint({**content, "path": CosinePath().describe()}, tmp_path / "cosine.pt")
    assert load_checkpoint(tmp_path / "cosine.pt").path == CosinePath()


def test_training_set_is_the_recorded_subset(file, digits):
    training_set = load_checkpoint(file).training_set()
    assert training_set.n == 12 and training_set.fingerprint == digits.fingerprint
    assert training_set.held_out.n == 297


def test_training_set_of_another_fingerprint_is_refused(file, tmp_path, digits):
    checkpoint = load_checkpoint(file)
    with pytest.raises(FmdiagError, match=rf"digits.*n = 12.*{digits.fingerprint[:12]}.*n = 7.*--allow-mismatch"):
        checkpoint.training_set(n=7)
    assert checkpoint.training_set(n=7, allow_mismatch=True).n == 7


def test_training_set_of_another_shape_is_refused_even_when_mismatch_is_allowed(file, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((4, 1, 9, 9), dtype=np.uint8))
    with pytest.raises(FmdiagError, match=r"shape \(1, 8, 8\).*digits.*shape \(1, 9, 9\)"):
        load_checkpoint(file).training_set(tmp_path / "wide.npy", allow_mismatch=True)


def test_flips_and_data_that_moved(tmp_path):
    rows = np.random.default_rng(0).integers(0, 255, (5, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", rows)
    training_set = load_dataset(tmp_path / "a.npy", hflip=True)
    state = train(training_set, SPEC, steps=1, batch_size=2, precision="fp32",
                  dataset={"source": str(tmp_path / "a.npy")})
    save_checkpoint(state.checkpoint(), tmp_path / "ckpt.pt")
    checkpoint = load_checkpoint(tmp_path / "ckpt.pt")
    assert checkpoint.training_set().n == 10
    (tmp_path / "a.npy").rename(tmp_path / "b.npy")
    assert checkpoint.training_set(tmp_path / "b.npy").fingerprint == training_set.fingerprint
    with pytest.raises(FmdiagError, match="fingerprint"):
        checkpoint.training_set(tmp_path / "b.npy", hflip=False)


def test_checkpoint_without_data_set_asks_for_one(content, tmp_path):
    save_checkpoint({**content, "dataset": None}, tmp_path / "ckpt.pt")
    with pytest.raises(FmdiagError, match="give --dataset"):
        load_checkpoint(tmp_path / "ckpt.pt").training_set()
    assert load_checkpoint(tmp_path / "ckpt.pt").training_set("digits").n == 1500


def test_unet_round_trip(tmp_path):
    training_set = TrainingSet(np.zeros((2, 1, 8, 8), dtype=np.uint8))
    state = train(training_set, choose_network((1, 8, 8), width=8, depth=1), steps=2, batch_size=2, precision="fp32")
    save_checkpoint(state.checkpoint(), tmp_path / "ckpt.pt")
    assert load_checkpoint(tmp_path / "ckpt.pt").field(points(), 0.2).shape == (5, 1, 8, 8)


def test_bundled_checkpoint_knows_its_digits():
    checkpoint = load_checkpoint(bundled_checkpoint())
    assert checkpoint.training_set().n == 1500
    assert bundled_checkpoint().stat().st_size <= 2_000_000
