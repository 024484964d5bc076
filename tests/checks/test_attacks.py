"""The table of membership attacks on trained models: its orderings are differences of its own AUC, on real scores too."""

import json
from pathlib import Path

import pytest

from checks.attacks import MODELS, ORDERINGS, table_of
from fmdiag.checkpoints import bundled_checkpoint

COMMITTED = json.loads((Path(__file__).resolve().parents[2] / "checks/results/attacks.json").read_text())


@pytest.mark.parametrize("name", [*MODELS, None])
def test_orderings_are_differences_of_the_areas_in_the_table(name):
    """Areas are rounded to 1e-3, differences to three digits."""
    found = COMMITTED[name] if name else table_of(bundled_checkpoint(), n_images=8, n_noises=2, times=(0.3, 0.5, 0.7, 0.9))
    area = {attack: {t: value for t, (value, _, _) in rows.items()} for attack, rows in found["auc"].items()}
    assert set(found["orderings"]) == set(ORDERINGS) and {"blind-size", "blind-classifier"} < set(area)
    for ordering, (first, other) in ORDERINGS.items():
        difference, low, high, _ = found["orderings"][ordering]
        one, two = (area[attack][f"{t:g}"] for attack, t in (first, other))
        assert difference == pytest.approx(one - two, abs=0.0021) and low <= difference <= high
    assert all(low <= value <= high for best in found["best"].values() for value, low, high in [best["best_auc"]])
