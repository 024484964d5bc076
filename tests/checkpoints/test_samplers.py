"""Samplers of one or a few steps, by kind in a card: exact maps of a Gaussian come out, and only samples are measured.

For data N(0, s^2) a trajectory of û* is x_t = g(t) x0 with g(t)^2 = (1 - t)^2 + s^2 t^2: it ends at s x0.
"""

import numpy as np
import pytest
import torch
from test_foreign_bad_files import refused

import fmdiag
from fmdiag.checkpoints import card_of, load_checkpoint, write_card
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError

S = 0.5
NETWORKS = {
    "one step": "def forward(self, x): return self.s * x",
    "with labels": "def forward(self, x, y): return self.s * x + y[:, None, None, None]",
    "consistency": "def forward(self, x, t): return self.s * x / g(t)",
    "EDM": "def forward(self, x, sigma): return self.s * x / (sigma**2 + 0.25).sqrt()[:, None, None, None]",
    "flow map": "def forward(self, x, t, r): return x * (g(r) / g(t) - 1) / (r - t)[:, None, None, None]",
    "MeanFlow": "def forward(self, x, r, t): return x * (g(1 - t) / g(1 - r) - 1) / (t - r)[:, None, None, None]",
    "in 1000ths": """def forward(self, x, t, second):
        t, r = 1 - t / 1000, 1 - second / 1000
        return -x * (g(r) / g(t) - 1) / (r - t)[:, None, None, None]""",
}
CARDS = {
    "one step": "", "with labels": 'n_classes = 3\nclass_label = 2\ncall = "x, y"',
    "consistency": 'n_steps = 4\n[convention]\nparameterisation = "x1"',
    "EDM": 'n_steps = 4\n[convention]\npath = "edm"',
    "flow map": 'n_steps = 4\ncall = "x, t, r"',
    # Written as its authors do: t is noise and comes after r, the velocity runs from data to noise.
    "MeanFlow": 'n_steps = 4\ncall = "x, t, r"\n[convention]\ntime_direction = "data-to-noise"',
    "in 1000ths": """n_steps = 4
call = "x, t, second=r"
[convention]
time_direction = "data-to-noise"
time_scale = 1000""",
}


def sampler(name, folder, card=None):
    (folder / "weights_own.py").write_text(f"""import torch
def g(t): return ((1 - t)**2 + 0.25 * t**2).sqrt()[:, None, None, None]
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.s = torch.nn.Parameter(torch.tensor(1.0))
    {NETWORKS[name]}
""")
    torch.save({"s": torch.tensor(S)}, folder / "their.pt")
    (folder / "card.toml").write_text('factory = "weights_own.py:Net"\nkind = "sampler"\n' + (
        CARDS[name] if card is None else card))
    return {"path": folder / "their.pt", "model": folder / "card.toml"}


@pytest.mark.parametrize("n_steps", [1, 2, 4])
@pytest.mark.parametrize("name", ["one step", "with labels", "flow map", "MeanFlow", "in 1000ths"])
def test_exact_maps_end_at_the_data(name, n_steps, tmp_path):
    found = load_checkpoint(**sampler(name, tmp_path))
    x0 = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = S * x0 + 2 * (name == "with labels")
    torch.testing.assert_close(fmdiag.sample(found.field, x0, n_steps), expected, rtol=1e-5, atol=1e-5)
    write_card(card_of(found), tmp_path / "written.toml")
    again = load_checkpoint(found.file, model=tmp_path / "written.toml")
    assert torch.equal(fmdiag.sample(again.field, x0, n_steps), fmdiag.sample(found.field, x0, n_steps))


@pytest.mark.parametrize("name", ["consistency", "EDM"])
def test_consistency_in_one_and_more_steps(name, tmp_path):
    """One step is the map; more keep the distribution: the variance of 64 000 coordinates is S^2 within 6 errors of
    S^2 sqrt(2 / 64000) = .0056 S^2. EDM's largest sigma leaves 2e-5 of the data in the noise."""
    found = load_checkpoint(**sampler(name, tmp_path)).field
    x0 = torch.randn(1000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fmdiag.sample(found, x0, 1), S * x0, rtol=1e-3, atol=1e-3)
    for n_steps in (2, 4):
        x = fmdiag.sample(found, x0, n_steps)
        assert x.var().item() == pytest.approx(S**2, rel=0.034) and (x - S * x0).abs().max() > 0.1
        one_by_one = torch.cat([fmdiag.sample(found, part, n_steps) for part in x0[:7].split(3)])
        torch.testing.assert_close(one_by_one, x[:7], rtol=1e-6, atol=1e-6)


def test_no_more_steps_than_the_card_says(tmp_path):
    found = load_checkpoint(**sampler("consistency", tmp_path, '[convention]\nparameterisation = "x1"'))
    x0 = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fmdiag.sample(found.field, x0, 100), fmdiag.sample(found.field, x0, 1))
    assert found.description["sampler_steps"] == 1 and found.description["origin"]["sampler_steps"] == "assumed"
    assert found.field.text(100) == "sampler, 1 step"
    with pytest.raises(FmdiagError, match="is a sampler, which has no velocity field"):
        found.field(x0, 0.5)


@pytest.fixture
def rows(tmp_path):
    x = (S * np.random.default_rng(0).standard_normal((60, 1, 8, 8)).astype(np.float32)).clip(-1, 1)
    np.save(tmp_path / "rows.npy", x[:40])
    np.save(tmp_path / "held_out.npy", x[40:])
    return ["--dataset", str(tmp_path / "rows.npy"), "--held-out", str(tmp_path / "held_out.npy"), "--value-range=-1,1"]


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_samples_are_measured_and_the_field_is_not(rows, tmp_path, capsys):
    given = sampler("flow map", tmp_path)
    words = [str(given["path"]), "--model", str(given["model"]), *rows]
    assert run(["memorization", *words, "--n-samples", "40", "--out", str(tmp_path / "run")]) == 0
    assert "(sampler, 4 steps)" in capsys.readouterr().out
    assert run(["error", *words, "--out", str(tmp_path / "other")]) == 2
    said = capsys.readouterr().err
    assert ("error needs a velocity field, which a sampler of a few steps has not: what applies is audit, "
            "agreement, canaries, hybrid, memorization, metrics, patches, quality, uturn") in said
    assert len(said.splitlines()) == 1 and not (tmp_path / "other").exists()
    assert run(["checkpoint", *words[:3]]) == 0
    said = capsys.readouterr().out
    assert "kind          sampler  [given]" in said and "most steps    4  [given]" in said


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_an_audit_leaves_out_what_needs_a_field(rows, tmp_path, capsys):
    given = sampler("flow map", tmp_path)
    words = [str(given["path"]), "--model", str(given["model"]), *rows, "--n-samples", "40", "--n-images", "8",
             "--without", "metrics", "--without", "patches"]
    assert run(["audit", *words, "--out", str(tmp_path / "audit")]) == 0
    said = capsys.readouterr().out
    assert "(sampler, 4 steps)" in said and "membership: value" not in said and "provenance: value" not in said


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_a_sampler_agrees_with_its_teacher(rows, tmp_path):
    """û* of a Gaussian's own flow, integrated in 100 steps, ends where the flow map jumps to."""
    from fmdiag.diagnostics.agreement.measure import measure

    def teacher(x, t):
        t = t[:, None, None, None]
        return x * ((S**2 + 1) * t - 1) / ((1 - t) ** 2 + S**2 * t**2)

    train = fmdiag.load_dataset(str(tmp_path / "rows.npy"), value_range=(-1, 1))
    found = load_checkpoint(**sampler("flow map", tmp_path)).field
    table = measure((found, teacher), (train, train), n_samples=8, n_steps=100, method="rk4")
    assert table["distance"].max() < 1e-3
    run_ = fmdiag.Run(tmp_path / "their.pt", train=str(tmp_path / "rows.npy"), model=str(tmp_path / "card.toml"),
                      held_out=str(tmp_path / "held_out.npy"), value_range=(-1, 1))
    with pytest.raises(FmdiagError, match="provenance needs a velocity field"):
        run_.provenance()


def test_cards_that_are_none(tmp_path):
    for name, card, words in [
            ("one step", 'call = "t"', "call 't': give the order of x"),
            ("flow map", 'call = "x, t, r"\n[convention]\npath = "cosine"', "flow map: its output is a mean velocity"),
            ("one step", 'n_steps = 0', "n_steps = 0 is not a whole number from 1 to 1000"),
            ("one step", 'family = "sit"', "kind = \"sampler\" in the model card: name the network's class")]:
        given = sampler(name, tmp_path, card)
        refused(words, given["path"], model=given["model"])
    given = sampler("flow map", tmp_path, "")
    text = given["model"].read_text()
    given["model"].write_text(text.replace('"sampler"', '"smpler"'))
    refused("unknown kind 'smpler'.*sampler", given["path"], model=given["model"])
    given["model"].write_text(text.replace('kind = "sampler"', "n_steps = 2"))
    refused("n_steps in the model card belongs to kind", given["path"], model=given["model"])


def test_a_second_time_of_a_field_is_its_time(tmp_path):
    """MeanFlow's velocity field is its network with r = t: here its limit, g'/g x."""
    NETWORKS["field"] = "def forward(self, x, t, r): return self.s * x * (t == r)[:, None, None, None]"
    given = sampler("field", tmp_path, 'call = "x, t, r"')
    given["model"].write_text('factory = "weights_own.py:Net"\ncall = "x, t, r"\n')
    found, x = load_checkpoint(**given), torch.ones(2, 1, 8, 8)
    torch.testing.assert_close(found.field(x, 0.3), S * x)
