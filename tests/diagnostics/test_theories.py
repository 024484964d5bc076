"""Theories: whatever poses as the network is found, û* is found to be û*, and a fit's examples make the difference."""

import numpy as np
import pytest
import torch

import fmdiag
from fmdiag import ClosedFormField, load_dataset
from fmdiag.closed_forms import CLOSED_FORMS
from fmdiag.diagnostics.theories import summary as summaries
from fmdiag.diagnostics.theories.comparison import compare
from fmdiag.diagnostics.theories.nearest import standings
from fmdiag.diagnostics.theories.scores import fit, scores

DIGITS = load_dataset("digits", n=60)
SMALL = {"times": [0.3, 0.8], "n_pairs": 6, "n_calibration": 3, "n_steps": 5}
THEORIES = [name for name in CLOSED_FORMS if name != "els"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def posing(name):
    """Return a field as no code of ours knows it, on DIGITS; patches of 5 pixels."""
    field = ClosedFormField(DIGITS) if name == "closed_form" else CLOSED_FORMS[name](
        DIGITS, **({"k": 5} if name in ("local-score", "pspc-square") else {}))
    return lambda x, t: field(x.double(), t)


@pytest.mark.parametrize("name", ["closed_form", *THEORIES])
def test_a_theory_that_poses_as_the_network_is_found(name):
    found = compare(posing(name), DIGITS, patch_sizes=[5], generator=generator(), held_out=False,
                    **SMALL | {"n_pairs": 24})
    ranks = standings(found.table)
    assert (ranks.loc[ranks["theory"] == name, "rank"] == 1).all()
    # At late times posteriors of few rows agree at most states: û* and what is like it are not told apart there.
    assert set(ranks.loc[ranks["candidate"] & (ranks["t"] == 0.3), "theory"]) == {name}
    own = found.table[(found.table["theory"] == name) & ~found.table["compared"]]
    assert own["r2"].min() > 1 - 1e-9 and own["squared_correlation"].min() > 1 - 1e-9
    samples = found.samples[found.samples["theory"] == name]
    # The network walks in float32, the theory in float64.
    assert samples["r2"].min() > 1 - 1e-6
    summary = summaries.summarise(found.table)
    shares = summary[(summary["quantity"] == "explained") & (summary["theory"] == name)]
    np.testing.assert_allclose(shares["value"], 1, atol=1e-9)
    assert ("explained" in set(summary["quantity"])) == (name != "closed_form")   # 0/0 is not given


def test_scores_by_hand():
    rng = np.random.default_rng(0)
    v, u, star = (torch.from_numpy(rng.normal(size=(3, 1, 2, 4))) for _ in range(3))
    found = scores(v, u, star)
    for k in range(3):
        a, b = v[k].numpy().ravel(), u[k].numpy().ravel()
        assert found["r2"][k] == pytest.approx(1 - ((b - a) ** 2).sum() / ((b - b.mean()) ** 2).sum(), rel=1e-12)
        assert found["squared_correlation"][k] == pytest.approx(np.corrcoef(a, b)[0, 1] ** 2, rel=1e-10)
        assert found["squared_error"][k] == pytest.approx(((a - b) ** 2).mean(), rel=1e-12)
        assert found["optimum_error"][k] == pytest.approx(((b - star[k].numpy().ravel()) ** 2).mean(), rel=1e-12)
    assert (found["r2"] <= found["squared_correlation"] + 1e-12).all()
    # A factor and a constant change the one and not the other; a constant network has neither.
    moved = fit(2 * u + 1, u)
    np.testing.assert_allclose(moved["squared_correlation"], 1, rtol=1e-12)
    assert (moved["r2"] < 1).all() and np.isnan(fit(v, torch.ones_like(u))["r2"]).all()


def test_explained_is_a_ratio_of_means():
    table = fmdiag.theories(lambda x, t: -x, DIGITS, theories=["wiener"], generator=generator(), **SMALL)
    part = table[~table["compared"]].query("theory == 'wiener' and states == 'model' and t == 0.3")
    row = summaries.summarise(table).query("quantity == 'explained' and states == 'model' and t == 0.3").iloc[0]
    assert row["value"] == pytest.approx(1 - part["squared_error"].mean() / part["optimum_error"].mean(), rel=1e-12)
    np.testing.assert_allclose(part["explained"], 1 - part["squared_error"] / part["optimum_error"], rtol=1e-12)
