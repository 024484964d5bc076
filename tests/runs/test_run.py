"""A Run: nothing is written without out; with it a lock, results kept, the same bits again, other inputs refused."""

import gc
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag import Run
from fmdiag.devices import closed_form_device
from fmdiag.diagnostics.error import run as error_run
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.figures import draw, figure_cards
from fmdiag.runs import composed

ERROR = {"n_pairs": 4, "times": [0.2, 0.7]}
SMALL = {"n_pairs": 4, "n_samples": 8, "n_noises": 4, "n_gradients": 4, "n_steps": 2}


class Killed(BaseException):
    """Stands for Ctrl-C or kill -9."""


def never(*arguments):
    raise AssertionError("measured again")


def killed(*arguments):
    raise Killed


def equal(a, b):
    pd.testing.assert_frame_equal(a.table, b.table, check_exact=True)
    pd.testing.assert_frame_equal(a.summary, b.summary, check_exact=True)


def test_without_out_nothing_is_written(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Run(**inputs)
    found = run.error(**ERROR)
    assert found.name == "error" and len(found.table) == 4 * 8 and found.run["dataset"]["n"] == 40
    assert list(tmp_path.iterdir()) == []
    equal(found, Run(**inputs).error(**ERROR))


def test_a_with_block_saves_and_lets_go(inputs, tmp_path):
    out = tmp_path / "run"
    with Run(**inputs, out=out) as run:
        found = run.error(**ERROR)
        assert not out.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    equal(found, Run(**inputs, out=out).error(**ERROR))


def test_a_block_that_fails_on_wrong_input_leaves_nothing(inputs, tmp_path):
    with pytest.raises(FmdiagError, match="n_pairs"), Run(**inputs, out=tmp_path / "run") as run:
        run.error(**ERROR)
        run.error(n_pairs=-1)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_goes_on(inputs, tmp_path, monkeypatch):
    out, whole = tmp_path / "run", Run(**inputs)
    expected = whole.error(**ERROR), whole.alignment(**ERROR)
    with pytest.raises(Killed), Run(**inputs, out=out) as run:
        run.error(**ERROR)
        monkeypatch.setattr("fmdiag.diagnostics.alignment.run.run", killed)
        run.alignment(**ERROR)
    monkeypatch.undo()
    assert not out.exists() and (tmp_path / ".run.parts").is_dir()
    monkeypatch.setattr("fmdiag.figures.draw_all", lambda run: [])
    monkeypatch.setattr(error_run, "run", never)
    with Run(**inputs, out=out) as run:
        equal(expected[0], run.error(**ERROR))
        equal(expected[1], run.alignment(**ERROR))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_after_saving_the_same_run_goes_on_without_measuring(inputs, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with Run(**inputs, out=out) as run:
        expected = run.error(**ERROR), run.alignment(**ERROR)
    monkeypatch.setattr(error_run, "run", never)
    with Run(**inputs, out=out) as run:
        equal(expected[0], run.error(**ERROR))
        equal(expected[1], run.alignment(**ERROR))
        with pytest.raises(FmdiagError, match="measured again"):
            run.error(**ERROR | {"n_pairs": 5})
    # A third time: what was read back and written again is still the same.
    with Run(**inputs, out=out) as run:
        equal(expected[0], run.error(**ERROR))


def test_a_run_of_other_inputs_is_refused_unless_overwritten(inputs, tmp_path):
    out = tmp_path / "run"
    with Run(**inputs, out=out) as run:
        run.error(**ERROR)
    before = (out / "run.json").read_bytes()
    with pytest.raises(FmdiagError, match=r"run of other inputs.*--overwrite"):
        Run(**inputs, out=out, seed=1)
    assert (out / "run.json").read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["run"]
    with Run(**inputs, out=out, seed=1, overwrite=True) as run:
        run.error(**ERROR)
    assert (out / "run.json").read_bytes() != before and [path.name for path in tmp_path.iterdir()] == ["run"]


HOLDS = """
import sys, fmdiag
run = fmdiag.Run(train="digits", n=20, out=sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_refused(inputs, tmp_path):
    out = tmp_path / "run"
    other = subprocess.Popen([sys.executable, "-c", HOLDS, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FmdiagError, match=f"process {other.pid}.*is writing there"):
            Run(**inputs, out=out)
    finally:
        other.communicate()
    Run(**inputs, out=out).close()
    assert list(tmp_path.iterdir()) == []


def test_a_cell_that_is_run_twice_takes_the_folder_over(inputs, tmp_path, monkeypatch):
    out = tmp_path / "run"
    first = Run(**inputs, out=out)
    expected = first.error(**ERROR)
    monkeypatch.setattr(error_run, "run", never)
    second = Run(**inputs, out=out)
    equal(expected, second.error(**ERROR))
    with pytest.raises(FmdiagError, match="has let go of its folder"):
        first.alignment(**ERROR)
    del first
    gc.collect()  # what is left of the first run takes nothing from the second
    equal(expected, second.error(**ERROR))
    second.save()
    second.close()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_trained_models_are_kept_when_a_run_is_saved_twice(inputs, tmp_path):
    with Run(**inputs, out=tmp_path / "run") as run:
        run.pairing(n_pairs=4, sigmas=[0.0], steps=1, batch_size=4, network="mlp", width=8, depth=1, n_steps=2)
        run.save()
        run.error(**ERROR)
        run.save()
    assert {"sigma-0.pt", "pairs.npz"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_a_network_keeps_its_training_mode_and_its_weights_are_in_the_key(inputs, digits):
    network = inputs["field"].train()
    run = Run(**inputs)
    with pytest.warns(FmdiagWarning, match="training mode"):
        found = run.error(**ERROR)
    assert network.training and network.dropout.training
    network.eval()
    equal(found, Run(**inputs).error(**ERROR))
    assert run.key == Run(**inputs).key
    with torch.no_grad():
        network.weight[0, 0] += 1e-3
    assert run.key != Run(**inputs).key
    network.dropout.p = 0.1
    keys = {Run(**inputs).key}
    network.dropout.p = 0.2
    assert Run(**inputs).key not in keys


def test_functions_are_told_apart_by_what_they_do(digits):
    def key(field):
        return Run(field=field, train=digits, device="cpu").key

    def scaled(by):
        return lambda x, t: by * x

    assert key(scaled(1.0)) == key(scaled(1.0)) != key(scaled(2.0))
    assert key(lambda x, t: x + 1) != key(lambda x, t: x - 1)
    # What is not known by its content never passes for another.
    thing = object()
    assert key(lambda x, t: (thing, x)[1]) != key(lambda x, t: (thing, x)[1])
    u_star = fmdiag.ClosedFormField(digits)
    assert key(u_star) == key(fmdiag.ClosedFormField(digits)) != key(fmdiag.ClosedFormField(digits.subset(20)))


def test_lambda_fields(digits, held_out):
    run = Run(field=lambda x, t: -x, train=digits, held_out=held_out, device="cpu")
    assert len(run.error(**ERROR).table) == 4 * 8
    assert set(run.memorization(n_samples=4, n_steps=2).table["source"]) == {"model", "heldout", "closed_form"}


def test_arrays_are_accepted(digits, network):
    rows = digits[:]
    run = Run(field=network, train=rows.numpy()[:30], held_out=rows[30:], device="cpu")
    assert run.training_set.n == 30 and run.training_set.held_out.n == 10
    table = run.memorization(samples=rows[:6].numpy(), n_steps=2).table
    assert table[table["source"] == "model"]["memorized"].all()


@pytest.mark.drawn
@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_a_report_in_memory_and_on_disk(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(composed, "REPORT", {name: composed.REPORT[name] for name in ("alignment", "error")})
    monkeypatch.setattr(draw, "figure_cards", lambda: {"error": figure_cards()["error"]})
    page = Run(**inputs).report(**SMALL)
    assert page.folder is None and page.html.startswith("<!") and "iframe" in page._repr_html_()
    assert list(tmp_path.iterdir()) == []
    with Run(**inputs, out=tmp_path / "run") as run:
        kept = run.report(**SMALL)
    assert kept.folder == tmp_path / "run" and (kept.folder / "index.html").read_text(encoding="utf-8") == kept.html
    assert set(run.results) == {"alignment", "error"}


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_a_report_holds_the_audit_but_for_what_is_left_out(inputs, tmp_path):
    out = ("hybrid", "gradient-variance", "quality", "metrics", "attacks", "provenance", "geometry", "symmetry")
    page = Run(**inputs, out=tmp_path / "run").report(n_pairs=4, n_samples=8, n_images=8, n_steps=2, without=out)
    assert {"memorization", "membership", "uturn", "patches"} <= set(page.document["provenance"]["diagnostics"])
    record = json.loads((page.folder / "run.json").read_text(encoding="utf-8"))
    assert record["without"] == list(out) and record["verdict"]["answer"] and (page.folder / "audit.json").is_file()
    with pytest.raises(FmdiagError, match="part of a report"):
        Run(**inputs).report(without=("memorisation",))


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_an_audit_gives_its_document_and_writes_it(inputs, tmp_path):
    page = Run(**inputs, out=tmp_path / "run").audit(n_samples=8, n_images=4, n_noises=2, n_steps=2, without=(
        "metrics", "attacks", "geometry", "patches", "provenance", "duplicates"))
    written = json.loads((page.folder / "audit.json").read_text(encoding="utf-8"))
    assert page.document["limits"] and page.document["verdicts"] == written["verdicts"]


def test_wrong_requests_say_what_to_do(digits, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    alone = Run(train=digits[:].numpy(), device="cpu")
    with pytest.raises(FmdiagError, match="error needs a velocity field: give a checkpoint, or field="):
        alone.error()
    with pytest.raises(FmdiagError, match="membership needs held-out examples, and there are no"):
        Run(field=network, train=digits[:].numpy(), device="cpu").membership()
    with pytest.raises(FmdiagError, match="held"):
        Run(field=network, train=digits[:].numpy(), device="cpu").audit()
    with pytest.raises(FmdiagError, match="did you mean 'hflip'"):
        Run(field=network, train=digits, hflips=True)
    with pytest.raises(FmdiagError, match="did you mean 'n_pairs'"):
        alone.alignment(n_pair=3)
    with pytest.raises(FmdiagError, match="did you mean 'alignment'"):
        alone.measure("alignmant")
    with pytest.raises(AttributeError, match="its diagnostics are alignment"):
        _ = alone.alignmant
    with pytest.raises(FmdiagError, match="not both"):
        Run("checkpoint.pt", field=network)
    with pytest.raises(FmdiagError, match="needs a training set"):
        Run(field=network)
    assert list(tmp_path.iterdir()) == []


def test_a_diagnostic_asks_the_network_under_the_contract(inputs):
    """A field that spoils its arguments, and is in training mode, spoils no diagnostic, a user's own neither."""
    class Spoiling(torch.nn.Module):
        def forward(self, x, t):
            return x.mul_(-1)

    network = Spoiling()
    run = Run(**{**inputs, "field": network})
    x = torch.ones(2, 1, 8, 8)
    assert torch.equal(run.field(x, torch.zeros(2)), -x) and torch.equal(x, torch.ones(2, 1, 8, 8))
    assert run.network is network


@pytest.mark.parametrize(("network", "closed_form"), [("mps", "cpu"), ("cuda:1", "cuda:1"), ("cpu", "cpu")])
def test_the_closed_form_is_computed_where_there_is_float64(network, closed_form):
    assert closed_form_device(torch.device(network)) == torch.device(closed_form)
    with pytest.raises(FmdiagError, match="--device meta: not usable on this machine"):
        Run(field=lambda x, t: x, train=torch.rand(4, 2), device="meta")
