"""A study that is interrupted goes on where it stopped; `checks/kills` kills it twenty times."""

from dataclasses import replace

import pandas as pd
import pytest

from fmdiag.datasets import load_dataset
from fmdiag.features import load_feature
from fmdiag.studies import training_part
from fmdiag.studies.data import StudyData
from fmdiag.studies.parts import PartStore
from fmdiag.studies.plan import Measures, Plan
from fmdiag.training import make_objective


@pytest.fixture(scope="module")
def data():
    return StudyData(load_dataset("digits"), load_feature("pixels"), {"source": "digits"})


@pytest.fixture(scope="module")
def plan(data):
    training = {"network": {"name": "mlp", "shape": [1, 8, 8], "width": 16, "depth": 1}, "warmup": 5, "clip": 1.0,
                "batch_size": 16, "lr": 1e-3, "ema_decay": 0.99, "precision": "fp32"}
    return Plan("size", (20,), (make_objective("cfm"),), (0,), training, (20, 40, 60),
                Measures(n_samples=30, n_nearest=20, n_steps=5, n_pairs=8, times=(0.0, 0.5)), data.describe(), "pixels")


class Stop(Exception):
    pass


def test_a_model_goes_on_from_its_last_evaluation(plan, data, tmp_path):
    part = plan.parts()[0]
    whole, broken = PartStore(tmp_path / "whole"), PartStore(tmp_path / "broken")
    training_part.make(part, data, whole)
    steps = []

    def interrupt(step, loss, total):
        steps.append(step)
        if step == 50:
            raise Stop

    with pytest.raises(Stop):
        training_part.make(part, data, broken, progress=interrupt)
    assert not broken.finished(part)
    training_part.make(part, data, broken, progress=lambda step, loss, total: steps.append(step))
    assert steps == [10, 20, 30, 40, 50, 50, 60]
    for name in ("quality", "loss", "error", "memorization"):
        pd.testing.assert_frame_equal(whole.table(part, name), broken.table(part, name), check_exact=True)


def test_only_what_a_part_depends_on_is_in_its_name(plan):
    names = {part.key for part in plan.parts()}
    assert {part.key for part in replace(plan, kind="time", seeds=(0,)).parts()} == names
    more = replace(plan, seeds=(0, 1), sizes=(20, 40))
    assert names < {part.key for part in more.parts()}
    for changed in ({"evaluate": (20, 40, 70)}, {"feature": "other"}, {"objectives": (make_objective("efm"),)},
                    {"training": {**plan.training, "lr": 1e-2}}, {"data": {**plan.data, "fingerprint": "x"}}):
        assert not names & {part.key for part in replace(plan, **changed).parts() if part.kind == "training"}
    # What is measured on the rows alone does not depend on how a model is trained.
    slower = replace(plan, training={**plan.training, "lr": 1e-2})
    assert names & {part.key for part in slower.parts()} == {part.key for part in plan.parts()[1:]}
