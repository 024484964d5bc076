"""A class label reaches the network or is refused; a label for none that was never trained is not taken for one."""

import argparse
import warnings

import oracle
import pytest
import torch
from test_conformance import ROWS, save
from test_foreign_bad_files import refused, torchcfm, unet

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.families.transformer import Transformer

# û* of a class: the network over the rows of the class that it is given.
NET = """import sys
sys.path.insert(0, {folder!r})
import oracle, torch
CLASSES = torch.tensor([0, 0, 1, 1, 2])
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.points = torch.nn.Parameter(torch.zeros(5, *oracle.SHAPE))
    def forward(self, {signature}):
        {use}
        if label is None:
            return oracle.answer(self.points.detach(), x, {t}, "linear", "velocity")
        rows = self.points.detach()[CLASSES == int(label.flatten()[0])]
        return oracle.answer(rows, x, {t}, "linear", "velocity")
"""


def own(folder, signature, label, *, t="t", extra="", family="module"):
    text = NET.format(folder=str(oracle.__file__).rsplit("/", 1)[0], signature=signature, use=f"label = {label}", t=t)
    (folder / "weights_labelled.py").write_text(text)
    (folder / "card.toml").write_text(f'factory = "weights_labelled.py:Net"\nfamily = "{family}"\n{extra}\n')
    return {"path": save({"model": {"points": ROWS}}, folder), "model": folder / "card.toml"}


def agrees_with_class(field, label):
    x = torch.randn(4, *oracle.SHAPE, generator=torch.Generator().manual_seed(0))
    rows = ROWS[torch.tensor([0, 0, 1, 1, 2]) == label] if label is not None else ROWS
    expected = oracle.answer(rows, x, torch.full((4,), 0.5), "linear", "velocity")
    torch.testing.assert_close(field(x, 0.5), expected.float(), rtol=1e-5, atol=1e-5)


SIGNATURES = [("t, x, y=None", "y"), ("x, t, y", "y"), ("x, t, labels=None", "labels"),
              ("x, t, class_labels", "class_labels"),
              ("x, t, context=None, y=None", "y"), ("x, timesteps, *, label=None", "label"),
              ("x, t, cond=None", "cond"),
              ("x, time, mask=None, cond=None", "cond")]


@pytest.mark.parametrize("family", ["module", "torchcfm", "flow_matching"])
@pytest.mark.parametrize("signature, label", SIGNATURES)
def test_fault_1_4_a_label_is_passed_by_the_signature(signature, label, family, tmp_path):
    """Against the closed form of the class; the unconditional field is another one."""
    time = next(name for name in ("timesteps", "time", "t") if name in signature)
    given = own(tmp_path, signature, label, t=time, extra="n_classes = 3", family=family)
    for k in (0, 2):
        found = load_checkpoint(**given, class_label=k)
        agrees_with_class(found.field, k)
        assert any("class-conditional" in text for text in found.description["warnings"])
    with pytest.raises(AssertionError):
        agrees_with_class(found.field, None)


def test_fault_1_4_rectified_flow_passes_it_too(tmp_path):
    given = own(tmp_path, "x, t, y=None", "y", t="t / 999", extra="n_classes = 3", family="rectified_flow")
    agrees_with_class(load_checkpoint(**given, class_label=1).field, 1)


@pytest.mark.parametrize("signature", ["t, x", "x, t, context=None", "x, t, **kwargs", "x, t, kind=None"])
def test_fault_1_4_a_class_without_a_known_label_is_refused(signature, tmp_path):
    label = "kind" if "kind" in signature else "None"
    given = own(tmp_path, signature, label, extra="n_classes = 3")
    order = "t, x" if signature == "t, x" else "x, t"
    refused(f"n_classes = 3 in the model card.*Net.forward.*call = \"{order}, NAME=y\".*leave n_classes out", given.pop(
        "path"), **given, class_label=2)


def test_fault_1_4_a_call_names_the_argument(tmp_path):
    given = own(tmp_path, "x, t, kind=None", "kind", extra='n_classes = 3\ncall = "x, t, kind=y"')
    agrees_with_class(load_checkpoint(**given, class_label=2).field, 2)
    given = own(tmp_path, "x, t, kind=None", "kind", extra='n_classes = 3\ncall = "x, t"')
    refused('call \'x, t\' passes no label: add y to call, as in "x, t, y"', given.pop("path"), **given, class_label=2)
    for wrong in ("x", "x, y", "x, t, z", "x, t, y, y", "x=x, t"):
        given = own(tmp_path, "x, t, kind=None", "kind", extra=f'call = "{wrong}"')
        refused("give the order of x, t and", given.pop("path"), **given)


def test_fault_1_4_a_network_that_does_not_use_its_label_is_refused(tmp_path):
    given = own(tmp_path, "x, t, y=None", "None", extra="n_classes = 3")
    field = load_checkpoint(**given, class_label=2).field
    with pytest.raises(ValueError, match="same for class 2 and class 0.*leave out --class-label and n_classes"):
        field(torch.zeros(1, *oracle.SHAPE), 0.5)


def test_a_label_without_classes_names_the_cards_key(tmp_path):
    given = own(tmp_path, "x, t, y=None", "y")
    refused("has no class labels: give n_classes in the model card", given.pop("path"), **given, class_label=2)


def sit_file(folder, n_labels=4, **arguments):
    torch.manual_seed(0)
    network = Transformer(channels=4, out_channels=4, width=384, depth=1, heads=6, patch=2, n_patches=16,
                          n_labels=n_labels)
    arguments = {"path_type": "Linear", "prediction": "velocity", **arguments}
    return save({"model": network.state_dict(), "ema": network.state_dict(), "args": argparse.Namespace(**arguments)},
                folder)


def codes(checkpoint):
    return [text.partition(":")[0] for text in checkpoint.description["warnings"]]


def test_fault_1_8_a_sit_without_dropped_labels_has_no_label_for_none(tmp_path):
    for file in (sit_file(tmp_path, class_dropout_prob=0.0), sit_file(tmp_path, num_classes=4),
                 sit_file(tmp_path, num_classes=4, class_dropout_prob=0.0)):
        refused("class-conditional model of 4 classes without a label for none: give --class-label", file)
        assert load_checkpoint(file, class_label=3).description["class_label"] == 3
    kept = load_checkpoint(sit_file(tmp_path, num_classes=3, class_dropout_prob=0.0))
    assert "untrained-null" in codes(kept) and kept.description["class_label"] == 3
    trained = load_checkpoint(sit_file(tmp_path, num_classes=3, class_dropout_prob=0.1))
    assert trained.description["origin"]["no_class"] == "read from the file" and "untrained-null" not in codes(trained)


def test_fault_1_8_where_the_file_does_not_say_it_is_assumed(tmp_path):
    found = load_checkpoint(sit_file(tmp_path)).description
    assert (found["no_class"], found["origin"]["no_class"]) == ("3, trained", "assumed")


@pytest.mark.parametrize("dropout, code", [(0.0, "untrained-null"), (0.2, None), (None, None)])
def test_fault_1_8_flow_matching_without_dropped_labels(dropout, code, tmp_path):
    content = {"model": unet(num_classes=11).state_dict(), "lr_schedule": {}, "epoch": 1, "args": argparse.Namespace(
        dataset="cifar10", **({} if dropout is None else {"class_drop_prob": dropout}))}
    found = load_checkpoint(save(content, tmp_path))
    assert found.description["class_label"] == 10 and ("untrained-null" in codes(found)) == (code is not None)
    assert found.description["origin"]["no_class"] == ("assumed" if dropout is None else "read from the file")
    assert "untrained-null" not in codes(load_checkpoint(save(content, tmp_path), class_label=3))


def test_labels_that_training_always_dropped(tmp_path):
    content = {"model": unet(num_classes=11).state_dict(), "lr_schedule": {}, "epoch": 1,
               "args": argparse.Namespace(dataset="cifar10", class_drop_prob=1.0)}
    file = save(content, tmp_path)
    assert "untrained-class" in codes(load_checkpoint(file, class_label=3))
    assert "untrained-class" not in codes(load_checkpoint(file))


class Conditional(oracle.EDMNetwork):
    label_dim = 3

    def __init__(self, dropout=None):
        super().__init__("edm", "x1")
        self.model = torch.nn.Module()
        if dropout is not None:
            self.model.label_dropout = dropout

    def forward(self, x, sigma, labels=None):
        return oracle.answer(self.points.detach() + labels.sum(), x, sigma, "edm", "x1")


@pytest.mark.parametrize("dropout, cautioned, origin", [(0, True, "read from the file"), (0.1, False,
                         "read from the file"), (None, False, "assumed")])
def test_fault_1_8_edm_without_label_dropout(dropout, cautioned, origin, tmp_path):
    import pickle

    (tmp_path / "their.pkl").write_bytes(pickle.dumps({"ema": Conditional(dropout)}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_checkpoint(tmp_path / "their.pkl", trust_pickle=True)
        given = load_checkpoint(tmp_path / "their.pkl", trust_pickle=True, class_label=1)
    assert ("untrained-null" in codes(found)) == cautioned and "untrained-null" not in codes(given)
    assert found.description["origin"]["no_class"] == origin


def test_torchcfm_with_classes_asks_for_one(tmp_path):
    refused("give --class-label", save(torchcfm(unet(num_classes=3)), tmp_path))
    field = load_checkpoint(save(torchcfm(unet(num_classes=3)), tmp_path), class_label=1).field
    assert not field(torch.zeros(1, 3, 8, 8), 0.5).any()  # an untrained last layer of zeros is no ignored label
