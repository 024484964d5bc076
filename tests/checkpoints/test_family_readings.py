"""Files that do not say what their network is: no family is taken from how averages are saved, readings are tested."""

import argparse

import numpy as np
import oracle
import pytest
import torch
from test_conformance import EVEN, ROWS, WRONG, agrees, card, save, state

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.families import transformer
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError, FmdiagWarning

AVERAGES = {"decay": 0.999, "num_updates": 9, "shadow_params": [ROWS]}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(file, ROWS.numpy())
    return file


@pytest.mark.parametrize("averages", [AVERAGES, {**AVERAGES, "collected_params": None}])
def test_fault_1_2_averages_as_shadow_params_are_of_the_cards_class(averages, tmp_path):
    file = save({"model": state(WRONG), "ema": averages}, tmp_path)
    checkpoint = load_checkpoint(file, model=card(tmp_path, schedule="linear"))
    agrees(checkpoint, EVEN)
    known = checkpoint.description
    assert (known["family"], known["weights"], known["warnings"]) == ("module", "ema", [])
    with pytest.raises(FmdiagError, match="RectifiedFlow, score_sde and torch_ema do.*family = \"rectified_flow\""):
        load_checkpoint(file)


def test_fault_1_2_files_of_score_sde_are_not_taken_for_flows_in_silence(rows, tmp_path):
    file = save({"optimizer": {}, "model": state(WRONG, "module."), "ema": AVERAGES, "step": 9}, tmp_path)
    checkpoint = load_checkpoint(file, model=card(tmp_path, schedule="ddpm", output="epsilon"))
    assert checkpoint.description["warnings"][0].startswith("assumed-convention: ")
    with pytest.raises(FmdiagError, match="--path ddpm --parameterisation=epsilon fits better"):
        checkpoint.training_set(rows)
    known = load_checkpoint(file, model=card(tmp_path, convention='path = "ddpm"\nparameterisation = "epsilon"',
                                             schedule="ddpm", output="epsilon"))
    known.training_set(rows)
    assert not any("assumed" in text or "reading" in text for text in known.description["warnings"])


@pytest.mark.filterwarnings("ignore:.*code:fmdiag.errors.FmdiagWarning")
def test_fault_1_3_a_training_state_of_edm_is_edms_with_raw_weights(tmp_path):
    network = oracle.EDMNetwork("edm", "x1")
    network.points.data = ROWS
    torch.save({"net": network, "optimizer_state": {}}, tmp_path / "training-state-000100.pt")
    checkpoint = load_checkpoint(tmp_path / "training-state-000100.pt", trust_pickle=True)
    agrees(checkpoint, EVEN)
    known = checkpoint.description
    assert (known["family"], known["weights"], known["origin"]["weights"]) == ("edm", "raw", "read from the file")
    assert known["warnings"][0].startswith("raw-weights: ")
    with pytest.raises(FmdiagError, match="holds only raw weights: leave out --weights ema"):
        load_checkpoint(tmp_path / "training-state-000100.pt", trust_pickle=True, weights="ema")
    torch.save({"ema": network}, tmp_path / "snapshot.pkl")
    with pytest.raises(FmdiagError, match="holds only averaged weights: leave out --weights raw"):
        load_checkpoint(tmp_path / "snapshot.pkl", trust_pickle=True, weights="raw")


def dit_state(channels=3):
    torch.manual_seed(0)
    return transformer.Transformer(channels=channels, out_channels=channels, width=384, depth=1, heads=6, patch=4,
                                   n_patches=4, n_labels=11).state_dict()


def ideal_dit(monkeypatch, schedule, output="velocity"):
    def forward(self, x, time, labels):
        return oracle.answer(ROWS, x, time.double().clamp(max=999), schedule, output)

    monkeypatch.setattr(transformer.Transformer, "forward", forward)


def test_fault_1_5_a_dit_that_was_trained_as_a_flow_is_refused_before_any_advice_on_heads(
        rows, tmp_path, monkeypatch, capsys):
    ideal_dit(monkeypatch, "linear")
    file = save({"model": dit_state(), "ema": dit_state(), "opt": {}, "args": argparse.Namespace(model="DiT-S/4")},
                tmp_path)
    words = ["error", str(file), "--dataset", str(rows), "--n-pairs", "4", "--times", "0.5"]
    assert run([*words, "--out", str(tmp_path / "wrong")]) == 2
    said = capsys.readouterr().err
    assert "read as dit" in said and "--path linear --parameterisation=velocity fits better" in said
    assert "--heads" not in said and not (tmp_path / "wrong").exists()
    assert run([*words, "--path", "linear", "--parameterisation=velocity", "--out", str(tmp_path / "right")]) == 0


def test_fault_1_9_a_bare_state_dict_names_every_reading_and_data_decide(rows, tmp_path, monkeypatch):
    """LFM's transformers run from data to noise."""
    ideal_dit(monkeypatch, "backward")
    file = save(dit_state(), tmp_path)
    with pytest.raises(FmdiagError, match="--family dit, --family sit, or for LFM.*--time-direction data-to-noise"):
        load_checkpoint(file)
    checkpoint = load_checkpoint(file, family="sit")
    assert checkpoint.description["origin"]["weights"] == "assumed"
    with pytest.raises(FmdiagError, match="--time-direction data-to-noise fits better"):
        checkpoint.training_set(rows)
    checkpoint = load_checkpoint(file, family="sit", time_direction="data-to-noise")
    checkpoint.training_set(rows)
    agrees(checkpoint, EVEN)


@pytest.mark.parametrize("family", ["sit", "dit"])
def test_fault_1_18_three_channels_are_pixels(family, tmp_path):
    known = load_checkpoint(save(dit_state(3), tmp_path), family=family).description
    assert known["data_range"] == [-1, 1] and not any("latents" in text for text in known["warnings"])
    known = load_checkpoint(save(dit_state(4), tmp_path), family=family).description
    assert known["data_range"] == "latents × 0.18215" and "resampled-latents" in known["warnings"][0]


def test_fault_2_29_discrete_flow_matching_is_refused_by_name(tmp_path):
    arguments = argparse.Namespace(dataset="cifar10", discrete_flow_matching=True)
    content = {"model": {"weight": torch.zeros(3)}, "optimizer": {}, "lr_schedule": {}, "epoch": 2, "scaler": {},
               "args": arguments}
    with pytest.raises(FmdiagError, match="trained by discrete flow matching"):
        load_checkpoint(save(content, tmp_path))


def test_a_reading_that_is_accepted_brings_no_advice_on_heads(rows, tmp_path, monkeypatch):
    ideal_dit(monkeypatch, "linear")
    file = save({"model": dit_state(), "ema": dit_state(), "opt": {}, "args": argparse.Namespace()}, tmp_path)
    words = ["error", str(file), "--dataset", str(rows), "--n-pairs", "4", "--times", "0.5", "--accept-reading"]
    with pytest.warns(FmdiagWarning, match="accepted-reading") as caught:
        assert run([*words, "--out", str(tmp_path / "run")]) == 0
    assert not any("heads" in str(warning.message) for warning in caught)
