"""A guided class-conditional checkpoint that is û* of its classes has error 0 against û* guided alike, and its samples.

The network answers by the closed form of the rows of its label, and of all rows for none.
"""

import warnings

import numpy as np
import oracle
import pytest
import torch
from test_conformance import save

import fmdiag
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError

LABELS = [0, 0, 1, 1, 2, 2, 0, 1, 2, 0, 1, 2]
ROWS = torch.randn(12, *oracle.SHAPE, generator=torch.Generator().manual_seed(0))
NET = """import sys
sys.path.insert(0, {folder!r})
import oracle, torch
LABELS = torch.tensor({labels})
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.points = torch.nn.Parameter(torch.zeros(12, *oracle.SHAPE))
    def forward(self, x, t, y):
        label, rows = int(y.flatten()[0]), self.points.detach()
        return oracle.answer(rows if label == 3 else rows[LABELS == label], x, t, "linear", "velocity")
"""


@pytest.fixture
def given(tmp_path):
    folder = str(oracle.__file__).rsplit("/", 1)[0]
    (tmp_path / "guided_classes.py").write_text(NET.format(folder=folder, labels=LABELS))
    (tmp_path / "card.toml").write_text('factory = "guided_classes.py:Net"\nn_classes = 3\nnull_label = 3\n')
    return {"checkpoint": save({"model": {"points": ROWS}}, tmp_path), "model": tmp_path / "card.toml"}


def train(labels=LABELS):
    return TrainingSet(ROWS.numpy(), labels=None if labels is None else np.array(labels))


def measured(given, guidance, name="error", data=None, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = fmdiag.Run(**given, train=train() if data is None else data, class_label=1, guidance=guidance)
        return run, run.measure(name, **parameters)


SMALL = {"error": {"n_pairs": 4, "times": (0.2, 0.8)}}


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_error_of_the_ideal_guided_network_is_zero(given, guidance):
    run, result = measured(given, guidance, **SMALL["error"])
    assert run.training_set.n == 4 and run.training_set.condition.guidance == guidance
    assert result.table["squared_error"].max() < 1e-8    # float32
    free = fmdiag.ClosedFormField(train())
    apart = fmdiag.approximation_error(run.field, free.training_set, times=[0.2], n_pairs=4)
    assert apart["squared_error"].mean() > 1e-3          # û* of all rows is another field


def test_hybrid_provenance_and_memorization_follow_guided_u_star(given):
    run, hybrid = measured(given, 2.0, "hybrid", taus=((0.0, 0.5, 1.0),), n_samples=6, n_steps=40)
    assert hybrid.table["memorized"].all() and hybrid.table.groupby("tau")["nearest"].nunique().max() <= 4
    wide = hybrid.table.pivot(index="sample", columns="tau", values="nearest")
    assert (wide[0.0] == wide[1.0]).all()                # the network and û* carry each noise to the same row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = run.provenance(sample_numbers=(0, 1), n_samples=2, n_noises=4, n_steps=40)
        copies = run.memorization(n_samples=6, n_steps=40)
    ends = weights.tables["basins"]
    assert (ends["row_closed_form"] == ends["row_model"]).all()
    table = copies.table[copies.table["source"] == "model"]
    whole = run.training_set.condition
    assert (table["nearest_all"] == whole.in_whole(table["nearest"])).all() and not table["other_class"].any()
    assert (table["d1_all"] <= table["d1"]).all() and table["memorized_all"].all()
    found = copies.summary.set_index(["quantity", "source"])["value"]
    assert found["other_class", "model"] == 0 and found["f_mem_all", "model"] == 1


def test_a_sample_of_another_class_is_found():
    of_class = train().of_class(1)
    samples = ROWS[[0, 2]] + 1e-4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = fmdiag.memorization(samples, of_class, closed_form=False)
    assert table["nearest_all"].tolist() == [0, 2] and table["other_class"].tolist() == [True, False]
    assert table["memorized_all"].all()


def test_without_labels_the_caution_says_what_is_compared(given):
    run, result = measured(given, 2.0, data=train(None), **SMALL["error"])
    assert run.training_set.n == 12 and run.training_set.condition is None
    assert any("guidance: the model is guided, with scale 2: where labels are known" in text for text in run.cautions())


def test_rows_of_another_class_are_refused(given):
    with pytest.raises(FmdiagError, match="is asked for class 1 with guidance 2, and .* of class 0 with guidance 2"):
        measured(given, 2.0, data=train().of_class(0, guidance=2.0), **SMALL["error"])
    run, _ = measured(given, 2.0, data=train().of_class(1, guidance=2.0), **SMALL["error"])
    assert run.training_set.n == 4


def test_results_of_other_guidance_are_never_reused():
    runs = [fmdiag.Run(field=lambda x, t: -x, train=train().of_class(1, guidance=w)) for w in (1.0, 2.0)]
    assert runs[0].key != runs[1].key
