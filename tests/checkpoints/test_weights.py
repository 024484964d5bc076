"""Averaged and raw weights are found under every usual key, in every family's layout; neither passes for the other."""

import collections

import oracle
import pytest
import torch
from test_conformance import ROWS, WRONG, card, save, state
from test_foreign_bad_files import refused, torchcfm, unet

from fmdiag.checkpoints import load_checkpoint
from fmdiag.errors import FmdiagError

KEYS = ["ema", "ema_model", "model_ema", "ema_state_dict", "ema_params", "averaged_model", "avg_model", "swa_model",
        "ema_net", "net_ema", "g_ema", "state_dict_ema", "teacher", "ema_weights", "EMA", "netEMA", "modelEma",
        "swa_state_dict", "unet_ema", "ema_0.9999"]
LAYOUTS = {
    "dict": lambda: state(ROWS), "prefixed": lambda: state(ROWS, "module."), "compiled": lambda: state(
        ROWS, "module._orig_mod."),
    "shadow params": lambda: {"decay": 0.99, "num_updates": 5, "shadow_params": [ROWS], "collected_params": None},
    "stored params": lambda: {"decay": 0.99, "shadow_params": [ROWS], "collected_params": [WRONG]},
    "shadow": lambda: {"decay": 0.99, "shadow": state(ROWS)}, "list": lambda: [ROWS],
    "torch's": lambda: {"n_averaged": torch.tensor(4), **state(ROWS, "module.")},
    "ema_pytorch": lambda: {"initted": torch.tensor(True), "step": torch.tensor(3), **state(ROWS, "ema_model."),
                            **state(WRONG, "online_model.")},
    "nested": lambda: {"step": 3, "state_dict": state(ROWS)},
}


def is_of(rows, checkpoint):
    return torch.equal(checkpoint.field.module.points, rows)


def both(content, folder, **options):
    """Return the checkpoints that the default and --weights raw give."""
    file, model = save(content, folder), options.pop("model", None) or card(folder)
    averaged, raw = (load_checkpoint(file, model=model, weights=kind, **options) for kind in (None, "raw"))
    assert (averaged.description["weights"], raw.description["weights"]) == ("ema", "raw")
    assert averaged.description["origin"]["weights"] == "read from the file"
    return averaged, raw


@pytest.mark.parametrize("raw_key", ["model", "net", "state_dict", "model_state_dict"])
@pytest.mark.parametrize("key", KEYS)
def test_fault_1_6_averages_are_found_under_every_usual_key(key, raw_key, tmp_path):
    averaged, raw = both({raw_key: state(WRONG), key: state(ROWS), "optimizer": {"exp_avg": WRONG}}, tmp_path)
    assert is_of(ROWS, averaged) and is_of(WRONG, raw)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fault_1_6_averages_are_read_in_every_layout(layout, tmp_path):
    averaged, raw = both({"model": state(WRONG), "ema": LAYOUTS[layout](), "opt": {"state": {0: {"exp_avg": WRONG}}}},
                         tmp_path)
    assert is_of(ROWS, averaged) and is_of(WRONG, raw)


@pytest.mark.parametrize("family", ["torchcfm", "flow_matching", "rectified_flow", "sit", "dit", "module"])
@pytest.mark.parametrize("key", ["model_ema", "ema_state_dict", "swa_model"])
def test_fault_1_6_every_family_finds_them(family, key, tmp_path):
    averaged, raw = both({"model": state(WRONG, "module."), key: state(ROWS), "epoch": 1, "args": {"path_type":
                         "Linear"}}, tmp_path, model=card(tmp_path, family=family))
    assert is_of(ROWS, averaged) and is_of(WRONG, raw)


@pytest.mark.parametrize("family", ["torchcfm", "flow_matching"])
def test_fault_1_6_inferred_networks_find_them(family, tmp_path):
    first, second = unet(), unet()
    content = {"model": first.state_dict(), "model_ema": second.state_dict(), "step": 1}
    found = load_checkpoint(save(content, tmp_path), family=family)
    assert found.description["weights"] == "ema"
    name = "middle_block.0.in_layers.2.weight"
    assert torch.equal(found.field.module.state_dict()[name], second.state_dict()[name])


def test_fault_1_6_two_averages_are_named(tmp_path):
    content = {"model": state(WRONG), "ema_0.9999": state(ROWS), "ema_0.999": state(WRONG)}
    file = save(content, tmp_path)
    refused(r"holds 2 averages, ema_0.9999, ema_0.999.*weights_key = \"ema_0.9999\"", file, model=card(tmp_path))
    assert is_of(ROWS, load_checkpoint(file, model=card(tmp_path, extra='weights_key = "ema_0.9999"')))
    assert is_of(WRONG, load_checkpoint(file, model=card(tmp_path), weights="raw"))
    same = save(content | {"ema_0.999": state(ROWS.clone())}, tmp_path)
    assert is_of(ROWS, load_checkpoint(same, model=card(tmp_path)))


@pytest.mark.parametrize("content", [{"ema": state(ROWS)}, {"ema": {"shadow_params": [ROWS]}},
                                     {"state_dict": state(ROWS, "ema_model.")}])
def test_fault_1_7_raw_weights_that_are_not_there_are_refused(content, tmp_path):
    file, model = save(content, tmp_path), card(tmp_path)
    assert load_checkpoint(file, model=model).description["weights"] == "ema"
    refused("their.pt.*only averaged weights.*--weights", file, model=model, weights="raw")
    refused("only averaged weights", file, model=model, ema=False)


@pytest.mark.parametrize("content", [{"model": state(ROWS)}, {"net": state(ROWS), "ema": {"decay": 0.99}},
                                     state(ROWS)])
def test_fault_1_7_averages_that_are_not_there_are_refused(content, tmp_path):
    file, model = save(content, tmp_path), card(tmp_path)
    found = load_checkpoint(file, model=model).description
    assert (found["weights"], found["origin"]["weights"]) == (
        "raw", "assumed" if "points" in content else "read from the file")
    refused("their.pt.*leave out --weights ema", file, model=model, weights="ema")


WRAPPED = {
    "Lightning": {"epoch": 1, "global_step": 5, "pytorch-lightning_version": "2.1", "state_dict": {
        **state(ROWS, "net."), "criterion.weight": torch.ones(2)}, "callbacks": {}, "hyper_parameters": {"lr": 1e-4}},
    "Lightning compiled": {"state_dict": state(ROWS, "model._orig_mod.")},
    "ema_pytorch": {"initted": torch.tensor([True]), "step": torch.tensor([9]), **state(WRONG, "online_model."),
                    **state(ROWS, "ema_model.")},
    "ema_pytorch alone": {"initted": torch.tensor([True]), "step": torch.tensor([9]), **state(ROWS, "ema_model.")},
    "two in Lightning": {"state_dict": {**state(WRONG, "net."), **state(ROWS, "net_ema.module."),
                                        "net_ema.n_averaged": torch.tensor(3)}},
    "LitEma": {"state_dict": {"model.inner.points": WRONG, "model_ema.innerpoints": ROWS, "model_ema.decay":
                              torch.tensor(0.99), "model_ema.num_updates": torch.tensor(5)}},
    "callback": {"state_dict": state(WRONG, "net."), "callbacks": {"EMACallback{'decay': 0.99}": {
        "ema_state_dict": state(ROWS, "net.")}}},
    "weight averaging": {"state_dict": state(ROWS, "net."), "current_model_state": state(WRONG, "net."),
                         "averaging_state": {"n_averaged": torch.tensor(3)}},
    "accelerate": collections.OrderedDict(state(ROWS, "module.module._orig_mod.")),
    "names in names": {"state": {"generator": {"weights": state(ROWS, "online_model.net.")}}},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_fault_1_16_wrapped_names_are_found(name, tmp_path):
    found = load_checkpoint(save(WRAPPED[name], tmp_path), model=card(tmp_path))
    assert is_of(ROWS, found) and found.description["weights_at"]


def test_fault_1_16_counters_are_left_out_and_said(tmp_path):
    found = load_checkpoint(save(WRAPPED["ema_pytorch"], tmp_path), model=card(tmp_path)).description
    assert found["weights"] == "ema" and "ema_model" in found["weights_at"]
    found = load_checkpoint(save(WRAPPED["Lightning"], tmp_path), model=card(tmp_path)).description
    assert found["weights_at"] == "state_dict, names after net., without criterion.*"


def test_two_networks_of_one_class_are_named(tmp_path):
    content = {"state_dict": {**state(ROWS, "first."), **state(WRONG, "second.")}}
    refused(r"several networks that fit, first., second.*weights_key = \"state_dict.first\"", save(content, tmp_path),
            model=card(tmp_path))
    found = load_checkpoint(save(content, tmp_path), model=card(tmp_path, extra='weights_key = "state_dict.second"'))
    assert is_of(WRONG, found)
    refused("several networks, encoder, decoder.*weights_key", save(
        {"encoder": state(ROWS), "decoder": state(WRONG)}, tmp_path), model=card(tmp_path))


def test_a_network_that_has_what_looks_like_a_prefix_or_a_counter(tmp_path):
    (tmp_path / "own.py").write_text("""import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.ema = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        self.register_buffer("step", torch.tensor(0))
    def forward(self, x, t): return x
""")
    (tmp_path / "own.toml").write_text('factory = "own.py:Net"\n')
    content = {"net.weight": torch.ones(2, 2), "net.bias": torch.ones(2), "ema.weight": torch.zeros(2, 2),
               "ema.bias": torch.zeros(2), "step": torch.tensor(7)}
    for spelt in (content, {"model": content}):
        # Beside each other, two equal submodules are a network and its average only where the class does not have both.
        module = load_checkpoint(save(spelt, tmp_path), model=tmp_path / "own.toml").field.module
        assert module.net.weight.sum() == 4 and module.ema.weight.sum() == 0 and module.step == 7


def test_averages_have_the_raw_weights_buffers(tmp_path):
    (tmp_path / "own.py").write_text("""import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(2)
    def forward(self, x, t): return x
""")
    (tmp_path / "own.toml").write_text('factory = "own.py:Net"\n')
    raw = torch.nn.BatchNorm1d(2).state_dict() | {"running_mean": torch.tensor([3.0, 4.0])}
    names = {f"norm.{name}": w for name, w in raw.items()}
    shadow = {"norm.weight": torch.full((2,), 5.0), "norm.bias": torch.full((2,), 6.0)}
    for ema in ({"shadow": shadow}, {"shadow_params": list(shadow.values())}):
        file = save({"model": names, "ema": ema}, tmp_path)
        norm = load_checkpoint(file, model=tmp_path / "own.toml").field.module.norm
        assert norm.running_mean.tolist() == [3, 4] and norm.weight.tolist() == [5, 5] and norm.bias[0] == 6


def test_weights_keys_with_points_and_numbers(tmp_path):
    content = {"nets": [{"a.b": state(WRONG)}, {"a.b": state(ROWS, "net.")}]}
    found = load_checkpoint(save(content, tmp_path), model=card(tmp_path, extra='weights_key = "nets.1.a.b"'))
    assert is_of(ROWS, found)
    refused("weights_key 'nets.2'", save(content, tmp_path), model=card(tmp_path, extra='weights_key = "nets.2"'))


def test_dicts_that_hold_themselves_end(tmp_path):
    content = {"a": {}}
    content["a"]["a"] = content
    wide = {str(k): content for k in range(300)}
    for k in range(300):
        content[str(k)] = wide
    refused("holds no state dict", save(content, tmp_path), model=card(tmp_path))


def test_fault_2_31_native_files_name_options_that_exist(tmp_path):
    from fmdiag.checkpoints import save_checkpoint
    from fmdiag.fields import build_network

    network = {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 1}
    weights = build_network(network).state_dict()
    content = {"network": network, "path": {"name": "linear"}, "weights": weights, "ema": weights}
    save_checkpoint(content, tmp_path / "ema.pt", raw=False)
    refused("only averaged weights.*leave out --weights raw", tmp_path / "ema.pt", weights="raw")
    save_checkpoint({**content, "ema": {}}, tmp_path / "raw.pt")
    refused("only raw weights.*leave out --weights ema", tmp_path / "raw.pt", weights="ema")
    refused("leave out factory in the model card", tmp_path / "raw.pt", model=card(tmp_path))
    with pytest.raises(FmdiagError, match="leave out --heads"):
        load_checkpoint(tmp_path / "raw.pt", heads=2)


def test_torchcfm_files_keep_their_reading(tmp_path):
    found = load_checkpoint(save(torchcfm(unet()), tmp_path)).description
    assert found["weights"] == "ema" and found["steps"] == 1 and found["weights_at"] == "ema_model"
    assert oracle.SHAPE == (3, 8, 8)


@pytest.mark.filterwarnings("ignore")
def test_fault_1_7_programs_and_pickled_networks(tmp_path):
    def network(rows):
        made = oracle.Network()
        made.points.data = rows
        return made

    torch.jit.script(torch.nn.Identity()).save(str(tmp_path / "their.ts"))
    refused("does not say that it is averaged: leave out --weights ema", tmp_path / "their.ts", weights="ema",
            trust_pickle=True)
    file = save({"model": network(WRONG), "model_ema": network(ROWS)}, tmp_path)
    averaged, raw = (load_checkpoint(file, weights=kind, trust_pickle=True) for kind in (None, "raw"))
    assert is_of(ROWS, averaged) and is_of(WRONG, raw) and averaged.description["weights"] == "ema"
    refused("only raw weights .model.*leave out --weights ema", save({"model": network(ROWS)}, tmp_path), weights="ema",
            trust_pickle=True)
