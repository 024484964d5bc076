"""The beginning of a card for an unknown file: it reads the file once the class is named; ten classes, in lines."""

import json

import oracle
import pytest
import safetensors.torch
import torch
from test_conformance import EVEN, ROWS, WRONG, agrees, save, state
from test_foreign_bad_files import refused

from fmdiag.checkpoints import load_checkpoint, start_card
from fmdiag.checkpoints.nearest import nearest
from fmdiag.cli.main import run

LIGHTNING = {"epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.4", "callbacks": {}, "optimizer_states": [],
             "lr_schedulers": [], "hyper_parameters": {"width": 64, "name": "a\x1b[31m\"b", "data": ["x"]}}


def named(text, folder, call='"oracle:build"'):
    (folder / "card.toml").write_text(text.replace('"models.py:Net"', call))
    return folder / "card.toml"


@pytest.mark.parametrize("content, words", [
    ({"state_dict": state(ROWS, "net."), **LIGHTNING}, [
        "# keys like those of Lightning", 'weights_key = "state_dict"', "begin with net.", "# width = 64",
        '# name = "a\\u001b[31m\\"b"']),
    ({"model": state(WRONG), "model_ema": state(ROWS), "epoch": 3}, [
        'weights_key = "model_ema"   # 1 tensors, averages', "also: model"]),
    ({"initted": torch.tensor(True), "step": torch.tensor(2), **state(WRONG, "online_model."), **state(
        ROWS, "ema_model.")}, ["# keys like those of ema_pytorch", 'weights_key = "ema_model"']),
    (state(ROWS), ['weights_key = ""']),
], ids=["Lightning", "averages", "ema_pytorch", "bare"])
def test_a_card_that_was_begun_reads_the_file(content, words, tmp_path, capsys):
    file = save(content, tmp_path)
    assert run(["checkpoint", str(file), "--write-card", str(tmp_path / "begun.toml")]) == 0
    text, said = (tmp_path / "begun.toml").read_text(), capsys.readouterr().err.splitlines()
    assert "no known family" in said[0] and "--write-card" in said[0] and "name your class" in said[1]
    assert all(word in text for word in words), text
    agrees(load_checkpoint(file, model=named(text, tmp_path)), EVEN[:3])


def test_a_hub_folder_records_the_arguments_of_its_class(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"width": 64, "mults": [1, 2]}))
    safetensors.torch.save_file(state(ROWS), folder / "model.safetensors")
    text = start_card(folder)
    assert "# width = 64" in text and "mults" not in text
    agrees(load_checkpoint(folder, model=named(text, tmp_path)), EVEN[:3])


def test_files_that_need_no_beginning(tmp_path):
    from fmdiag.checkpoints import bundled_checkpoint

    assert start_card(bundled_checkpoint()) is None
    file = save({"loss": 1.0}, tmp_path)
    assert run(["checkpoint", str(file), "--write-card", str(tmp_path / "begun.toml")]) == 2
    assert not (tmp_path / "begun.toml").exists()


@pytest.mark.parametrize("content, said", [
    ({"model": {"input_blocks.0.0.weight": ROWS}, "opt": {}}, "tensors like those of a U-Net of guided-diffusion"),
    ({"state_dict": {"net.down_blocks.0.resnets.0.conv1.weight": ROWS}}, "tensors like those of a U-Net of diffusers"),
    ({"all_modules.0.W": ROWS}, "tensors like those of NCSN"),
    ({"model": {"first_stage.quant_conv.weight": ROWS}}, "an autoencoder, no network of a flow"),
    ({"step": 1, "model": state(ROWS), "opt": {}, "ema": {}, "scaler": None, "version": "2"},
     "keys like those of denoising-diffusion-pytorch's Trainer"),
])
def test_the_nearest_layout_is_named(content, said, tmp_path):
    assert said in nearest(content)
    refused(f"no known family.*{said}.*--model card.toml", save(content, tmp_path))


def test_unlike_anything():
    assert nearest({"weights of mine": state(ROWS)}) == nearest([state(ROWS)]) == nearest(None) == ""


# Ten classes of others' making: how they take and give, and the card's lines that say so beside the factory.
CLASSES = {
    "x, t": ("linear", "velocity", ""), "t first": ("linear", "velocity", "def forward(self, t, x)"),
    "time backward": ("backward", "velocity", 'time_direction = "data-to-noise"'),
    "1000 (1 - t)": ("sigma1000", "velocity", 'time_direction = "data-to-noise"\ntime_scale = 1000'),
    "cosine": ("cosine", "velocity", 'path = "cosine"'),
    "epsilon": ("linear", "epsilon", 'parameterisation = "epsilon"'),
    "x1": ("linear", "x1", 'parameterisation = "x1"'), "v": ("cosine", "v", 'path = "cosine"\nparameterisation = "v"'),
    "ddpm": ("ddpm", "epsilon", 'path = "ddpm-linear"'), "edm": ("edm", "x1", 'path = "edm"'),
}


@pytest.mark.parametrize("name", CLASSES)
def test_an_own_class_needs_at_most_six_lines(name, tmp_path):
    schedule, output, convention = CLASSES[name]
    order = "t, x" if "t first" in name else "x, t"
    (tmp_path / "weights_own.py").write_text(f"""import sys
sys.path.insert(0, {str(oracle.__file__).rsplit('/', 1)[0]!r})
import oracle
class Net(oracle.Network):
    def __init__(self): super().__init__({schedule!r}, {output!r})
    def forward(self, {order}): return super().forward(x, t)
""")
    convention = "" if "forward" in convention else convention
    lines = ['factory = "weights_own.py:Net"', *(["[convention]"] if convention else []), *filter(
        None, convention.split("\n"))]
    assert len(lines) <= 6
    (tmp_path / "card.toml").write_text("\n".join(lines))
    found = load_checkpoint(save({"state_dict": state(ROWS, "net.")}, tmp_path), model=tmp_path / "card.toml")
    share = 1 / (1 + torch.exp(-torch.tensor(found.field.convention.schedule.log_ratio[500]))).item() if (
        name == "ddpm") else 0.5
    agrees(found, [share])
