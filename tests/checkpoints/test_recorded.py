"""What a checkpoint names as its data is read only where it is the user's; everything else is asked for."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint
from fmdiag.datasets import load_dataset
from fmdiag.datasets.cards import load_card
from fmdiag.errors import FmdiagError, FmdiagWarning


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("FMDIAG_DATA_ROOT", str(tmp_path / "root"))
    return tmp_path / "work"


def digits(folder):
    """Write rows of the digits' shape and return their file."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "rows.npy", np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32))
    return folder / "rows.npy"


def naming(work, **record):
    """Return a checkpoint whose record names other data."""
    content = torch.load(bundled_checkpoint(), weights_only=True)
    content["dataset"] = {name: value for name, value in {**content["dataset"], "fingerprint": None, "subset_n": None,
                                                          "held_out": None, **record}.items() if value is not None}
    torch.save(content, work / "their.pt")
    return load_checkpoint(work / "their.pt")


def refused(checkpoint, *parts, **options):
    with pytest.raises(FmdiagError) as caught:
        checkpoint.training_set(**options)
    said = str(caught.value)
    assert all(part in said for part in ("their.pt", *parts)) and said.isprintable(), said


@pytest.mark.parametrize("place", ["work", "work/data/below", "root", "root/set"])
@pytest.mark.parametrize("what", ["source", "held_out"])
def test_fault_5_8_data_in_the_working_folder_and_the_data_root_are_followed(what, place, work, tmp_path):
    record = {"source": str(digits(work)), what: str(digits(tmp_path / place))}
    assert naming(work, **record).training_set().n == 20


@pytest.mark.parametrize("name", ["5", "1e400", "nan", "pipe"])
def test_what_only_looks_like_a_number_and_what_is_no_file_are_refused_as_the_checkpoints_data(name, work, tmp_path):
    """A link named 5 leads elsewhere like any other; only held-out rows may be a share."""
    (work / "5").symlink_to(digits(tmp_path / "outside"))
    os.mkfifo(work / "pipe")
    refused(naming(work, source=name), name)


@pytest.mark.parametrize("spelt", ["{outside}", "../outside/rows.npy", "~/outside/rows.npy", "link.npy",
                                   "linked/rows.npy", "data", "data/../../outside/rows.npy", "{outside}/..", "/etc"])
@pytest.mark.parametrize(("what", "option"), [("source", "--dataset"), ("held_out", "--held-out")])
def test_fault_5_8_data_elsewhere_are_asked_for(what, option, spelt, work, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    outside = digits(tmp_path / "outside")
    (work / "link.npy").symlink_to(outside)
    (work / "linked").symlink_to(outside.parent)
    (work / "data").mkdir()
    (work / "data" / "a").symlink_to(outside)
    spelt = spelt.format(outside=outside)
    checkpoint = naming(work, **{"source": str(digits(work)), what: spelt})
    refused(checkpoint, spelt, "neither in the working folder nor in the data root", f"give {option} PATH")
    given = {"dataset": outside} if what == "source" else {"held_out": str(outside)}
    assert checkpoint.training_set(**given).n == 20  # the advice works


@pytest.mark.parametrize("name", ["imagenette", "cifar10", "mnist", "celeba"])
def test_fault_5_8_named_sets_are_not_fetched_for_a_file(name, work, tmp_path, monkeypatch):
    def fetched(*arguments, **options):
        pytest.fail("a download was started")

    monkeypatch.setattr("requests.sessions.Session.request", fetched)
    monkeypatch.setattr("pooch.retrieve", fetched)
    refused(naming(work, source=name), f"named set {name}", f"--dataset {name}")
    refused(naming(work, source=str(digits(work)), held_out=name), f"named set {name}", f"--held-out {name}")
    assert not (tmp_path / "root").exists()


def test_bundled_sets_are_followed(work):
    assert load_checkpoint(bundled_checkpoint()).training_set().n == 1500
    assert naming(work, source="two-moons", held_out=0.5).description["dataset"]["source"] == "two-moons"


@pytest.mark.parametrize("record", [
    {"held_out": {"a": 1}}, {"source": 3}, {"source": ["a"]}, {"size": "8"}, {"fingerprint": 3}, {"value_range": "0,1"},
    {"groups": 3}, {"source": "a\0b"}, {"source": "~nobody_of_this_name/x"}, {"subset_n": "many"},
    {"name": 3, "fingerprint": "0"}])
def test_records_that_are_none_are_one_line(record, work):
    refused(naming(work, **record), "give --dataset")


def test_recorded_groups_are_followed_and_may_be_given_anew(work):
    rows = np.random.default_rng(0).normal(size=(20, 1, 8, 8)).astype(np.float32)
    np.savez(work / "rows.npz", images=rows, patient=np.repeat(np.arange(5), 4))
    known = naming(work, source=str(work / "rows.npz"), held_out=0.4, groups="patient")
    trained = known.training_set(accept_reading=True)
    assert len(set(trained.groups)) == 3 and len(set(trained.held_out.groups)) == 2
    same = naming(work, source=str(work / "rows.npz"), held_out=0.4, groups="patient", fingerprint=trained.fingerprint)
    assert same.training_set(accept_reading=True).fingerprint == trained.fingerprint
    refused(same, "--groups none holds out other rows", "train again with --groups none", groups="none")


def test_rows_that_were_split_before_there_were_groups_are_split_so_again(work, monkeypatch):
    monkeypatch.setattr("fmdiag.datasets.named.load_card", lambda name: replace(load_card(name), groups="labels"))
    alone = load_dataset("digits", held_out=0.4, groups="none")
    known = naming(work, source="digits", held_out=0.4, fingerprint=alone.fingerprint)
    assert known.training_set().groups is None
    with pytest.warns(match="whole groups of 10"):
        assert load_dataset("digits", held_out=0.4).describe()["groups"] == "labels"


@pytest.mark.parametrize("pattern", [r"(\w+)+x", r"(a|a)*b", r".*.*.*(x)"])
def test_a_recorded_pattern_that_may_never_end_is_asked_for(pattern, work):
    known = naming(work, source=str(digits(work)), groups=pattern)
    refused(known, f"records --groups {pattern}", "give --groups yourself")
    assert known.training_set(groups="none", accept_reading=True).groups is None


def test_fault_5_8_another_fingerprint_stays_an_error(work):
    refused(naming(work, source=str(digits(work)), fingerprint="0" * 64, name="digits"), "is another set")


def test_fault_5_8_links_of_strange_text_are_printable(work):
    refused(naming(work, source="/x\x1b[31m\n$\\frac{$"), "\\x1b[31m")


def test_fault_5_8_an_index_of_weights_stays_in_its_folder(work, tmp_path):
    import diffusers

    diffusers.UNet2DModel(sample_size=8, block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1,
                          down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
                          ).save_pretrained(work / "unet")
    weights = work / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(tmp_path / "theirs.safetensors")
    weights.with_name(f"{weights.name}.index.json").write_text('{"weight_map": {"a": "../../theirs.safetensors"}}')
    with pytest.raises(FmdiagError, match="outside its folder"):
        load_checkpoint(work / "unet", path_name="linear")


def test_a_share_held_out_that_the_checkpoint_does_not_record_is_a_caution(work):
    source = str(digits(work))
    with pytest.warns(FmdiagWarning, match="--held-out 0.5 takes rows out of .* if it was trained on all rows"):
        rows = naming(work, source=source).training_set(held_out=0.5)
    assert rows.held_out.n == 10 and any("are training examples too" in text for text in rows.cautions)
    own = load_dataset(source, held_out=0.5)
    assert not naming(work, source=source, held_out="0.5", fingerprint=own.fingerprint).training_set(
        held_out=0.5).cautions
