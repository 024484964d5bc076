"""Folders as tools save them: distributed checkpoints, accelerate, variants of diffusers, MLflow; and their faults."""

import json
import pickle
import shutil

import diffusers
import oracle
import pytest
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp
from test_conformance import EVEN, ROWS, WRONG, agrees, card, save, state
from test_foreign_bad_files import refused

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.choices import read_card
from fmdiag.checkpoints.distributed import read_distributed
from fmdiag.checkpoints.places import matching, with_prefix
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled", "ignore:TypedStorage is deprecated")


def distributed(folder, content):
    dcp.save(content, checkpoint_id=folder, no_dist=True)
    return folder


def is_of(rows, checkpoint):
    return torch.equal(checkpoint.field.module.points, rows)


def test_fault_1_14_a_distributed_checkpoint(tmp_path):
    optimizer = {"state": {0: {"exp_avg": WRONG}}}
    folder = distributed(tmp_path / "parts", {"model": state(WRONG, "net."), "ema": state(ROWS, "net."), "epoch": 3,
                                              "optimizer": optimizer})
    for file in (folder, next(folder.glob("*.distcp")), folder / ".metadata"):
        found = load_checkpoint(file, model=card(tmp_path))
        agrees(found, EVEN[:3])
        assert found.description["weights"] == "ema" and found.file == folder
    assert is_of(WRONG, load_checkpoint(folder, model=card(tmp_path), weights="raw"))
    refused("no known family.*state dicts at model .1 tensors., ema .1 tensors, averages", folder)


def test_pieces_of_a_distributed_checkpoint_are_put_together(tmp_path):
    """As several ranks save a tensor: cut along its rows, in several parts."""
    whole = {"weight": torch.arange(12.0).reshape(4, 3), "number": torch.tensor(3), "half": ROWS.half(), "empty":
             torch.zeros(0, 2)}
    folder = distributed(tmp_path / "parts", {"model": whole, "words": ["a", 1]})
    found = read_distributed(folder)
    assert set(found["model"]) == set(whole) and all(torch.equal(found["model"][k], w) for k, w in whole.items())
    # A second folder, whose first half of the tensor lies in one part and whose other half in another.
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    halves = [distributed(tmp_path / str(k), {"model": {"weight": whole["weight"][2 * k : 2 * k + 2].clone()}})
              for k in range(2)]
    about = metadata.state_dict_metadata["model.weight"]
    index, place = next((i, p) for i, p in metadata.storage_data.items() if i.fqn == "model.weight")
    about.chunks, metadata.storage_data = [], {}
    for k, half in enumerate(halves):
        theirs = pickle.loads((half / ".metadata").read_bytes())
        chunk, entry = theirs.state_dict_metadata["model.weight"].chunks[0], next(iter(theirs.storage_data.values()))
        offset = torch.Size([2 * k, 0])
        about.chunks.append(type(chunk)(offsets=offset, sizes=chunk.sizes))
        metadata.storage_data[type(index)("model.weight", offset, k)] = type(place)(
            f"__{k}_0.distcp", entry.offset, entry.length)
        shutil.copy(half / entry.relative_path, folder / f"__{k}_0.distcp")
    metadata.state_dict_metadata = {"model.weight": about}
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    assert torch.equal(read_distributed(folder)["model"]["weight"], whole["weight"])
    metadata.storage_data.popitem()
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    refused("parts is a distributed checkpoint whose .metadata is not as torch writes.*pieces of model.weight", folder)


class Code:
    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize("change, message", [
    (lambda folder: (folder / ".metadata").write_bytes(pickle.dumps(Code())), "asks to run code"),
    (lambda folder: (folder / ".metadata").write_bytes(b"\x80\x04nothing"), "is damaged"),
    (lambda folder: (folder / ".metadata").write_bytes(pickle.dumps({})), "is no metadata"),
    (lambda folder: (folder / "__0_0.distcp").write_bytes(b"few"), "is truncated: it ends before model.points"),
    (lambda folder: (folder / "__0_0.distcp").unlink(), "__0_0.distcp"),
], ids=["code", "damaged", "other", "truncated", "gone"])
def test_distributed_checkpoints_that_cannot_be_read(change, message, tmp_path, capsys):
    folder = distributed(tmp_path / "parts", {"model": state(ROWS)})
    change(folder)
    refused(message, folder, model=card(tmp_path))
    assert "ran" not in capsys.readouterr().out


def test_a_place_outside_the_folder_is_not_read(tmp_path):
    folder = distributed(tmp_path / "parts", {"model": state(ROWS)})
    metadata = pickle.loads((folder / ".metadata").read_bytes())
    metadata.storage_data = {index: type(place)("../" + place.relative_path, place.offset, place.length)
                             for index, place in metadata.storage_data.items()}
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    refused("outside the folder", folder, model=card(tmp_path))


def accelerate(folder, **further):
    folder.mkdir()
    safetensors.torch.save_file(state(WRONG), folder / "model.safetensors")
    torch.save({"state": {}}, folder / "optimizer.bin")
    for name, content in further.items():
        (safetensors.torch.save_file if name.startswith("model") else torch.save)(content, folder / (
            f"{name}.safetensors" if name.startswith("model") else f"{name}.pkl"))
    return folder


def test_folders_of_accelerate(tmp_path):
    averages = {"decay": 0.999, "optimization_step": 4, "shadow_params": [ROWS]}
    folder = accelerate(tmp_path / "averages", custom_checkpoint_0={"last_epoch": 3}, custom_checkpoint_1=averages)
    found = load_checkpoint(folder, model=card(tmp_path))
    assert is_of(ROWS, found) and found.description["weights_at"] == "custom_checkpoint_1.shadow_params"
    assert is_of(WRONG, load_checkpoint(folder, model=card(tmp_path), weights="raw"))
    two = accelerate(tmp_path / "two", model_1=state(ROWS))
    refused(r"several networks, model.safetensors, model_1.safetensors.*weights_key = \"model.safetensors\"", two,
            model=card(tmp_path))
    assert is_of(ROWS, load_checkpoint(two, model=card(tmp_path), weights_key="model_1.safetensors"))
    other = accelerate(tmp_path / "other", model_1={"head": torch.ones(2)})
    assert is_of(WRONG, load_checkpoint(other, model=card(tmp_path)))
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    distributed(sharded / "pytorch_model_fsdp_0", {"model": state(ROWS)})
    assert is_of(ROWS, load_checkpoint(sharded, model=card(tmp_path)))


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return diffusers.UNet2DModel(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 8),
                                 layers_per_block=1, norm_num_groups=4, down_block_types=("DownBlock2D",) * 2,
                                 up_block_types=("UpBlock2D",) * 2)


def test_variants_of_diffusers(unet, tmp_path):
    """The package's own variant names: raw weights beside the averages that the plain file then holds."""
    unet.half().save_pretrained(tmp_path / "half", variant="fp16")
    unet.float()
    assert not (tmp_path / "half/diffusion_pytorch_model.safetensors").exists()
    found = load_checkpoint(tmp_path / "half")
    assert found.description["weights"] == "raw" and next(found.field.module.parameters()).dtype == torch.float32
    unet.save_pretrained(tmp_path / "both")
    with torch.no_grad():
        unet.conv_out.bias += 1
    unet.save_pretrained(tmp_path / "both", variant="non_ema")
    averaged, raw = (load_checkpoint(tmp_path / "both", weights=kind) for kind in (None, "raw"))
    assert averaged.description["weights"] == "ema" and raw.description["weights"] == "raw"
    assert averaged.description["origin"]["weights"] == "read from the file"
    assert raw.description["weights_at"] == "diffusion_pytorch_model.non_ema.safetensors"
    difference = raw.field.module.conv_out.bias - averaged.field.module.conv_out.bias
    torch.testing.assert_close(difference, torch.ones(3))
    (tmp_path / "both/diffusion_pytorch_model.safetensors").unlink()
    refused("only raw weights .diffusion_pytorch_model.non_ema.*leave out --weights ema", tmp_path / "both",
            weights="ema")
    unet.save_pretrained(tmp_path / "parts", variant="fp16", max_shard_size="4KB")
    assert len(list((tmp_path / "parts").glob("*fp16-*"))) > 1
    assert load_checkpoint(tmp_path / "parts").description["parameters"] == found.description["parameters"]


def test_a_variant_of_an_own_class(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"width": 8}))
    safetensors.torch.save_file(state(ROWS), folder / "model.fp16.safetensors")
    agrees(load_checkpoint(folder, model=card(tmp_path)), EVEN[:3])
    safetensors.torch.save_file(state(WRONG), folder / "model.non_ema.safetensors")
    safetensors.torch.save_file(state(ROWS), folder / "model.safetensors")
    assert is_of(ROWS, load_checkpoint(folder, model=card(tmp_path)))
    assert is_of(WRONG, load_checkpoint(folder, model=card(tmp_path), weights="raw"))


@pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")
def test_model_folders_of_mlflow(tmp_path):
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors:\n  pytorch:\n    model_data: data\n")
    refused("model folder of MLflow without a network of torch", folder)
    network = oracle.build()
    network.points.data = ROWS
    torch.save(network, folder / "data/model.pth")
    refused("asks to run code", folder)
    agrees(load_checkpoint(folder, trust_code=True), EVEN[:3])
    torch.save(state(ROWS), folder / "state_dict.pth")  # of log_state_dict
    agrees(load_checkpoint(folder, model=card(tmp_path)), EVEN[:3])


@pytest.mark.parametrize("options", [{"weights_key": "callbacks.EMA*.ema_state_dict"}, {"weights_key": "*ema_state*"},
                                     {"weights_key": "callbacks.*", "prefix": "net"}, {"prefix": "net."}])
def test_a_weights_key_with_wildcards_and_a_prefix(options, tmp_path):
    content = {"state_dict": {**state(WRONG, "net."), **state(WRONG, "other.")}, "callbacks": {
        "EMACallback{'decay': 0.99}": {"ema_state_dict": {**state(ROWS, "net."), **state(WRONG, "other.")}}}}
    refused("several networks that fit", save(content, tmp_path), model=card(tmp_path))
    if "prefix" not in options:
        options = {**options, "prefix": "net"}
    found = load_checkpoint(save(content, tmp_path), model=card(tmp_path), **options)
    assert is_of(ROWS, found) and found.description["weights_at"].endswith("ema_state_dict, names after net.")
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    assert is_of(ROWS, load_checkpoint(save(content, tmp_path), model=card(tmp_path, extra=text)))


def test_options_of_the_command_line(tmp_path, capsys):
    content = {"state_dict": {**state(ROWS, "net."), **state(WRONG, "other.")}, "more": state(WRONG)}
    words = ["checkpoint", str(save(content, tmp_path)), "--model", str(card(tmp_path))]
    assert run([*words, "--weights-key", "state*", "--prefix", "net", "--write-card", str(tmp_path / "new.toml")]) == 0
    assert "weights at    state_dict, names after net." in capsys.readouterr().out
    written = read_card(tmp_path / "new.toml")
    assert (written["weights_key"], written["prefix"]) == ("state*", "net")
    assert run([*words[:2], "--model", str(tmp_path / "new.toml")]) == 0


def test_a_prefix_tells_averages_from_raw_weights(tmp_path):
    content = {"state_dict": {**state(WRONG, "net."), **state(ROWS, "copy_ema.")}}
    for prefix, rows, kind in (("net", WRONG, "raw"), ("copy_ema.", ROWS, "ema")):
        found = load_checkpoint(save(content, tmp_path), model=card(tmp_path), prefix=prefix)
        assert is_of(rows, found) and found.description["weights"] == kind


def test_wildcards_and_prefixes_that_fit_nothing(tmp_path):
    file = save({"a": {"x": state(ROWS)}, "b": {"x": state(WRONG)}}, tmp_path)
    refused(r"has 2 places at weights_key '\*.x': name one of a.x, b.x", file, model=card(tmp_path), weights_key="*.x")
    refused(r"nothing at weights_key 'c\*': it has a.x, b.x", file, model=card(tmp_path), weights_key="c*")
    refused("no tensor whose name begins with prefix 'net.': its names begin with points", file, model=card(tmp_path),
            prefix="net")
    refused("model card.*prefix = 3 is not text", file, model=card(tmp_path, extra="prefix = 3"))


def test_places_of_contents_that_hold_themselves():
    content = {"a": {"points": ROWS}}
    content["a b"] = {"self": content}
    assert matching(content, "*") == ["a", "a b"]
    assert set(with_prefix({"s": state(ROWS, "net."), "self": content, "step": 3}, "net", "f")) == {"s", "step"}
    with pytest.raises(FmdiagError, match="begin with points"):
        with_prefix(content, "x.", "f")
