"""What a training script's arguments say of its data is read, in every family; what they do not say stays assumed."""

import argparse

import pytest
from test_conformance import ROWS, WRONG, card, save, state
from test_family_readings import dit_state
from test_foreign_bad_files import torchcfm, unet

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.script_facts import script_facts
from fmdiag.cli.main import run


@pytest.mark.parametrize("flip", [True, False])
def test_fault_1_15_arguments_of_an_own_class(flip, tmp_path, capsys):
    content = {"model": state(WRONG), "ema": state(ROWS), "hyper_parameters": {
        "data_dir": "data/faces", "random_flip": flip, "random_crop": True, "color_jitter": 0.4, "augment": False}}
    file, model = save(content, tmp_path), card(tmp_path)
    known = load_checkpoint(file, model=model).description
    assert (known["trained_on"], known["hflip"]) == ("data/faces", flip)
    assert known["augmentation"] == "random_crop, color_jitter 0.4"
    assert {known["origin"][name] for name in ("trained_on", "hflip", "augmentation")} == {"read from the file"}
    assert any(text.startswith("augmented: ") and "random_crop, color_jitter 0.4" in text for text in known["warnings"])
    assert known["dataset"]["hflip"] is flip and any(text.startswith("flips:") for text in known["warnings"]) is flip
    assert run(["checkpoint", str(file), "--model", str(model)]) == 0
    said = capsys.readouterr().out
    assert "data/faces  [read from the file]" in said and f"mirror images {flip}  [read from the file]" in said
    model = card(tmp_path, extra="[data]\nhflip = true\n")
    given = load_checkpoint(file, model=model).description
    assert given["hflip"] is True and given["origin"]["hflip"] == "given"


@pytest.mark.parametrize("content", [
    {**torchcfm(unet()), "args": argparse.Namespace(data_path="/data/x", hflip=True)},
    {"model": dit_state(), "ema": dit_state(), "opt": {}, "args": argparse.Namespace(
        path_type="Linear", data_path="/data/x", hflip=True)}], ids=["torchcfm", "SiT"])
def test_fault_1_15_arguments_of_families(content, tmp_path):
    known = load_checkpoint(save(content, tmp_path)).description
    assert not any(text.startswith("augmented") for text in known["warnings"])
    assert known["trained_on"] == "/data/x" and known["hflip"] and known["origin"]["hflip"] == "read from the file"


def test_what_is_no_fact():
    """A path that is a list, a flip that is a probability, an empty name: nothing is concluded."""
    assert script_facts({"args": {"data_path": ["a"], "hflip": 0.5, "dataset": "", "augment": False, "cutout": 0.0,
                                  "augmentation": "none"}}) == {}
    assert script_facts(None) == script_facts({}) == {}


@pytest.mark.parametrize("arguments, coupled", [
    ({"use_ot": True}, True), ({"minibatch_ot": True}, True), ({"model": "otcfm"}, True), ({"coupling": "ot"}, True),
    ({"matcher": "ExactOptimalTransportConditionalFlowMatcher"}, True), ({"cfm_type": "OT-CFM"}, True),
    ({"use_ot": False}, False), ({"model": "icfm"}, False), ({"coupling": "independent"}, False), ({"ot": "x"}, False)])
def test_optimal_transport_among_the_arguments(arguments, coupled, tmp_path):
    """What minimises the loss of coupled pairs is not û*, as a caution says; --coupling overrules the file."""
    file = save({"model": state(ROWS), "hyper_parameters": arguments}, tmp_path)
    known = load_checkpoint(file, model=card(tmp_path)).description
    assert (known.get("coupling") == "ot") is coupled
    assert any(text.startswith("ot-coupling: ") for text in known["warnings"]) is coupled
    overruled = load_checkpoint(file, model=card(tmp_path), coupling="independent").description
    assert not any(text.startswith("ot-coupling") for text in overruled["warnings"])


def test_a_card_tells_of_augmentation(tmp_path):
    file = save({"model": state(ROWS), "hyper_parameters": {"random_crop": True}}, tmp_path)
    for told, said in (("uniform dequantisation", "uniform dequantisation"), ("none", None)):
        model = card(tmp_path, extra=f'[data]\naugmentation = "{told}"\n')
        known = load_checkpoint(file, model=model).description
        cautions = [text for text in known["warnings"] if text.startswith("augmented: ")]
        assert len(cautions) == (said is not None) and all(said in text for text in cautions)
