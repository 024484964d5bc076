"""Foreign files that cannot be measured as they are: one line that names the file and what to do."""

import pickle
import warnings

import numpy as np
import oracle
import pytest
import torch
from test_conformance import ROWS, card, save, state

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.families.guided_unet import infer_arguments, network_class
from fmdiag.errors import FmdiagError

pytestmark = pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")  # programs


def refused(message, file, **options):
    with pytest.raises(FmdiagError, match=message) as caught:
        load_checkpoint(file, **options)
    assert "\n" not in str(caught.value)


def unet(**changes):
    try:
        cls = network_class()
    except FmdiagError:
        pytest.skip("torchcfm is not installed")
    return cls(**{"image_size": 8, "in_channels": 3, "model_channels": 32, "out_channels": 3, "num_res_blocks": 1,
                  "attention_resolutions": [2], "channel_mult": [1, 2], **changes})


def torchcfm(network, **changes):
    weights = {**network.state_dict(), **changes}
    return {"net_model": weights, "ema_model": weights, "step": 1}


@pytest.mark.parametrize("arguments", [
    {}, {"num_res_blocks": 2, "channel_mult": [1, 2, 2]}, {"resblock_updown": True, "num_res_blocks": 2},
    {"use_scale_shift_norm": True, "conv_resample": False, "channel_mult": [2, 2, 2], "num_res_blocks": 3},
    {"attention_resolutions": [], "channel_mult": [1]}, {"attention_resolutions": [1, 4], "channel_mult": [1, 1, 2]},
    {"num_classes": 11}, {"in_channels": 1, "out_channels": 1, "channel_mult": [1, 3]}])
def test_unet_is_inferred_from_its_tensors(arguments, tmp_path):
    network = unet(**arguments)
    found = infer_arguments(network.state_dict())
    assert {name: found[name] for name in arguments} == arguments
    label = 0 if "num_classes" in arguments else None
    checkpoint = load_checkpoint(save(torchcfm(network), tmp_path), class_label=label)
    assert checkpoint.field(torch.zeros(1, found["in_channels"], 8, 8), 0.5).shape[1] == found["in_channels"]


def test_dropout_is_off(tmp_path):
    network = unet(dropout=0.9)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(0))
    field, x = load_checkpoint(save(torchcfm(network), tmp_path)).field, torch.ones(1, 3, 8, 8)
    assert torch.equal(field(x, 0.5), field(x, 0.5)) and not field.module.training


def test_missing_and_surplus_keys_are_listed(tmp_path):
    content = torchcfm(unet(), stray=torch.zeros(1))
    del content["ema_model"]["out.0.bias"]
    refused("1 missing .out.0.bias. and 1 surplus .stray.", save(content, tmp_path))


@pytest.mark.parametrize("content, options, message", [
    ({"net_model": {"layer.weight": torch.zeros(2)}}, {}, "of no network that fmdiag can infer.*--model card.toml"),
    ({"weights": {"a": torch.zeros(1)}}, {}, "no known family.*--family"),
    ({"net_model": {"a": torch.zeros(1)}}, {"family": "torchfm"}, "unknown family 'torchfm'.*torchcfm"),
    ({"net_model": {"a": torch.zeros(1)}}, {"family": "native"}, "no native checkpoint"),
    ({"model": {"module.a": torch.zeros(1)}, "ema": {"shadow_params": [torch.zeros(1)]}, "step": 1}, {},
     "RectifiedFlow.*--model card.toml"),
    ({"x_embedder.proj.weight": torch.zeros(8, 4, 2, 2), "final_layer.linear.weight": torch.zeros(32, 8),
      "y_embedder.embedding_table.weight": torch.zeros(3, 8)}, {}, "give --family dit, --family sit, or"),
])
def test_unknown_networks(content, options, message, tmp_path):
    refused(message, save(content, tmp_path), **options)


def test_cards_that_do_not_fit(tmp_path):
    file = save(state(ROWS), tmp_path)
    refused("factory.*oracle:nothing.*failed: AttributeError", file,
            model=edited(card(tmp_path), "build", "nothing"))
    refused("factory.*failed: TypeError", file, model=card(tmp_path, wdith=3))
    refused("weights_key 'ema.net'.*it has points", file, model=card(tmp_path, extra='weights_key = "ema.net"'))
    refused("unknown key in model card.*'factori'.*did you mean 'factory'", file,
            model=edited(card(tmp_path), "factory", "factori"))
    refused("unknown parameterisation 'eps'", file, model=card(tmp_path, convention='parameterisation = "eps"'))
    refused("no such model card", file, model=tmp_path / "none.toml")
    refused("points has shape .2, 3, 8, 8., its network needs .5, 3, 8, 8.", save(state(ROWS[:2]), tmp_path),
            model=card(tmp_path))


def edited(file, old, new):
    file.write_text(file.read_text().replace(old, new, 1) if old != "build" else file.read_text().replace(":build",
                                                                                                          f":{new}"))
    return file


def test_yaml_cards_are_read(tmp_path):
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    (tmp_path / "card.yaml").write_text("factory: oracle:build\nconvention: {path: cosine}\n")
    checkpoint = load_checkpoint(save(state(ROWS), tmp_path), model=tmp_path / "card.yaml")
    assert checkpoint.description["schedule"] == {"name": "cosine"}


def test_networks_that_return_nan_or_another_shape(tmp_path):
    rows = ROWS.clone()
    file, x = save(state(rows), tmp_path), torch.zeros(1, *oracle.SHAPE)
    field = load_checkpoint(file, model=card(tmp_path)).field
    field.module.points.data[:] = float("nan")
    with pytest.raises(FmdiagError, match="NaN or infinity at t = 0.5"):
        field(x, 0.5)
    field = load_checkpoint(file, model=card(tmp_path, output="epsilon+variance")).field
    with pytest.raises(FmdiagError, match=r"returned shape \(1, 6, 8, 8\)"):
        field(x, 0.5)


def test_heads_that_do_not_divide(tmp_path):
    refused("--heads 3 does not divide", save(torchcfm(unet()), tmp_path), heads=3)
    assert load_checkpoint(save(torchcfm(unet()), tmp_path), heads=4).description["origin"]["attention"] == "given"


def test_the_loss_tells_the_heads_that_were_trained_with(tmp_path):
    """A U-Net trained with 4 heads is read with 1, as its tensors allow: its loss is least with 4."""
    from fmdiag.checkpoints import other_heads
    from fmdiag.datasets import TrainingSet
    from fmdiag.diagnostics.error import heads
    from fmdiag.paths import LinearPath

    file = save(torchcfm(trained(unet(num_heads=4))), tmp_path)
    checkpoint = load_checkpoint(file)
    fields = {"assumed": checkpoint.field, **other_heads(lambda **changes: load_checkpoint(file, **changes), checkpoint,
                                                         heads.CANDIDATES)}
    found = heads.losses(fields, TrainingSet(ROWS.numpy()), path=LinearPath(), n_pairs=16,
                         generator=torch.Generator().manual_seed(1))
    text, wrong = heads.sentence(found)
    assert wrong and text.endswith("give --heads 4"), text
    assert other_heads(None, load_checkpoint(file, heads=4), heads.CANDIDATES) == {}


def trained(network, steps=12):
    """Return the U-Net after a few steps of flow matching on ROWS, its attention made to matter."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        if ".qkv." in name or ".proj_out." in name or name.startswith("out.2"):
            torch.nn.init.normal_(parameter, std=0.3)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(steps):
        x1 = ROWS[torch.randint(len(ROWS), (8,), generator=generator)]
        x0, t = torch.randn(x1.shape, generator=generator), torch.rand(8, generator=generator)
        at = t.reshape(-1, 1, 1, 1)
        loss = (network(t, (1 - at) * x0 + at * x1) - (x1 - x0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def test_a_program_that_fails_says_so_in_one_line(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(_Convolution()).save(str(tmp_path / "their.ts"))
    field = load_checkpoint(tmp_path / "their.ts", trust_code=True).field
    with pytest.raises(FmdiagError, match="fails on x of shape .1, 8, 8.*expected input.*3 channels") as caught:
        field(torch.zeros(2, 1, 8, 8), 0.5)
    assert "\n" not in str(caught.value)


class _Convolution(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 3, 1)

    def forward(self, x, t):
        return self.layer(x)


def test_wrong_channel_count(tmp_path):
    field = load_checkpoint(save(torchcfm(unet()), tmp_path)).field
    with pytest.raises(FmdiagError, match="takes samples of shape 3 × any × any, got .1, 8, 8."):
        field(torch.zeros(2, 1, 8, 8), 0.5)


def test_a_pickle_is_loaded_only_when_trusted(tmp_path):
    with open(tmp_path / "their.pkl", "wb") as stream:
        pickle.dump({"ema": oracle.EDMNetwork("edm", "x1")}, stream)
    refused("asks to run code.*oracle.EDMNetwork.*--trust-code", tmp_path / "their.pkl")


def test_code_inside_an_exported_program_is_not_run(tmp_path):
    """Replace every tensor of a .pt2 by a pickle that makes a folder: nothing may be made."""
    import os
    import zipfile

    class RunsCode:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "witness"),)

    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), str(tmp_path / "good.pt2"))
    torch.save(RunsCode(), tmp_path / "bad.pt")
    with zipfile.ZipFile(tmp_path / "good.pt2") as good, zipfile.ZipFile(tmp_path / "bad.pt2", "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name.endswith("json"):
                content = content.replace(b'"use_pickle": false', b'"use_pickle": true')
            changed = name.rpartition("/")[2].startswith("weight_") or name.endswith(".pt")
            bad.writestr(name, (tmp_path / "bad.pt").read_bytes() if changed else content)
    with pytest.raises(FmdiagError):
        load_checkpoint(tmp_path / "bad.pt2")
    assert not (tmp_path / "witness").exists()
    with pytest.raises(FmdiagError):  # the same file, trusted, does run its code: the test can fail
        load_checkpoint(tmp_path / "bad.pt2", trust_pickle=True)
    assert (tmp_path / "witness").exists()


def test_a_package_that_a_pickle_needs_is_named(tmp_path):
    (tmp_path / "their.pkl").write_bytes(b"\x80\x04cdnnlib_absent\nNetwork\n.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused("needs the package dnnlib_absent", tmp_path / "their.pkl", trust_pickle=True)


def test_options_that_contradict_the_checkpoint(tmp_path):
    file = save(state(ROWS), tmp_path)
    refused("--class-label 3.*no class", file, model=card(tmp_path), class_label=3)
    refused("--guidance 2 needs --class-label", file, model=card(tmp_path), guidance=2.0)
    refused("times are fixed", file, model=card(tmp_path, convention="sigma_max = 80.0"),
            time_direction="data-to-noise")


def test_transformer_of_dit_and_sit_reads_its_own_tensors(tmp_path):
    from fmdiag.checkpoints.families.transformer import Transformer

    torch.manual_seed(0)
    network = Transformer(channels=3, out_channels=6, width=384, depth=1, heads=6, patch=2, n_patches=16, n_labels=11)
    file = save(network.state_dict(), tmp_path)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = network.eval()(x, torch.full((2,), 0.5), torch.tensor([10, 10]))[:, :3]
    found = load_checkpoint(file, family="sit").field(x, 0.5)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)
    guided = load_checkpoint(file, family="sit", class_label=1, guidance=2.0)
    conditional = load_checkpoint(file, family="sit", class_label=1).field(x, 0.5)
    torch.testing.assert_close(guided.field(x, 0.5), 2 * conditional - found, rtol=1e-4, atol=1e-5)
    assert load_checkpoint(file, family="dit").field.reachable[0] > 0
    assert np.isclose(load_checkpoint(file, family="dit").field.reachable[1], 0.9901, atol=1e-4)
