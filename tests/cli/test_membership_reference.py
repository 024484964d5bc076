"""`fmdiag membership --reference`: a model that cannot be a reference is refused in one line, and nothing is left."""

import pytest
import torch

import fmdiag
from fmdiag.checkpoints import bundled_checkpoint, save_checkpoint
from fmdiag.checkpoints.recorded import source_record
from fmdiag.cli.main import run
from fmdiag.fields import build_network

PLAIN = {"n": 16, "side": 8, "path": "linear"}
END = "give a model of the same kind that was trained on other examples of the same data set\n"


def saved(file, n, side, path):
    """Write a small network that says to be of n digits, of another side and on another path."""
    network = {"name": "mlp", "shape": [1, side, side], "width": 4, "depth": 1}
    rows = fmdiag.load_dataset("digits", n=n)
    save_checkpoint({"network": network, "path": {"name": path}, "ema": build_network(network).state_dict(),
                     "dataset": {**rows.describe(), **source_record("digits", rows, n=n)}, "steps": 1, "loss": "cfm",
                     "seed": 0}, file)
    return file


@pytest.mark.parametrize(("change", "message"), [
    ({"side": 6}, "its shape of examples is (1, 6, 6), that of the model is (1, 8, 8): "),
    ({"path": "cosine"}, "its path is {'name': 'cosine'}, that of the model is {'name': 'linear', 'sigma_min': 0.0}: "),
    ({"n": None}, "was trained on the same examples: "),
    ("fashion-mnist", "its data set is fashion-mnist, that of the model is digits: "),
])
def test_a_reference_of_another_kind_is_refused_in_one_line(change, message, tmp_path, capsys):
    model, reference = bundled_checkpoint(), tmp_path / "reference.pt"
    if change == "fashion-mnist":
        reference = bundled_checkpoint().with_name("fashion-mnist-n100.pt")
    else:
        saved(reference, **PLAIN | change)
    torch.manual_seed(0)
    assert run(["membership", str(model), "--reference", str(reference), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(reference) in error and error.endswith(message + END), error
    assert not (tmp_path / "run").exists()
