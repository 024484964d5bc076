"""Transfers from a device, each of which waits for it: none more per row, and a stated number per time measured at."""

import collections

import pytest
import torch

import fmdiag
from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint

SOLVER = {"n_steps": 4, "method": "euler"}
FEW, MANY = (0.3, 0.5, 0.7), (0.2, 0.25, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8)
# Parameters, and the most calls that one time more may cost; theories ask every time of every theory and pair.
MEASURES = {
    "alignment": ({"n_pairs": 8}, 26), "error": ({"n_pairs": 8}, 71), "uturn": ({"n_starts": 4, **SOLVER}, 6),
    "symmetry": ({"n_noises": 2, **SOLVER}, 24), "geometry": ({"n_images": 2, "n_probes": 3, **SOLVER}, 29),
    "gradient_variance": ({"n_samples": 4}, 7), "duplicates": ({"n_examples": 31}, None),
    "hybrid": ({"n_samples": 4, "n_steps": 4, "taus": (0.0, 0.5)}, None)}


@pytest.fixture
def calls(monkeypatch):
    """Counter of the calls of methods that bring numbers from a tensor to Python."""
    counted = collections.Counter()

    def counting(name, real):
        def call(self, *arguments, **options):
            counted[name] += 1
            return real(self, *arguments, **options)
        return call

    for name in ("cpu", "item", "numpy", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, counting(name, getattr(torch.Tensor, name)))
    return counted


@pytest.mark.parametrize("name", MEASURES)
def test_transfers_do_not_grow_with_rows_and_little_with_times(name, calls):
    (parameters, per_time), field = MEASURES[name], load_checkpoint(bundled_checkpoint()).field
    found = []
    for n, times in ((300, FEW), (600, FEW), (300, MANY)):
        run = fmdiag.Run(field=field, train=fmdiag.load_dataset("digits", n=n))
        calls.clear()
        getattr(run, name)(**parameters, **({} if per_time is None else {"times": times}))
        found.append(calls.total())
    few, rows, many = found
    assert few > 0 and rows <= few + 2    # a U-turn's walk scans again where a bound no longer suffices
    assert many <= few + (per_time or 0) * (len(MANY) - len(FEW))
