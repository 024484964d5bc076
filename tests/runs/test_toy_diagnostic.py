"""A diagnostic of somebody else's, without a changed file of ours: by entry point, by --diagnostic and by register."""

import os
import subprocess
import sys

import pytest
from tiny import TINY

import fmdiag
from fmdiag.cli.main import run
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.runs import composed
from fmdiag.runs.foreign import load_diagnostics

TOY = '''
from dataclasses import dataclass

import pandas as pd

import fmdiag
from fmdiag.stats import summarise


@dataclass(frozen=True)
class Parameters:
    n_samples: int = fmdiag.parameter(8, "Samples whose speed is measured.", minimum=2)
    fail: bool = fmdiag.parameter(False, "Divide by zero.")


def run(context, parameters):
    import torch

    x = context.samples(parameters.n_samples, 2)
    speed = context.field(x, torch.ones(len(x))).detach().flatten(1).norm(dim=1)
    if parameters.fail:
        1 / 0
    table = pd.DataFrame({"t": 1.0, "sample": range(len(x)), "speed": speed.numpy()})
    return fmdiag.Result("NAME", table, summarise("NAME", table, ["speed"], by=["t"]), {"n": len(x)})


def draw(run):
    from matplotlib.figure import Figure

    rows = run.summary("NAME")
    if not len(rows):
        return None
    figure = Figure()
    figure.subplots().plot(rows["t"], rows["value"], "o")
    return figure


CARD = fmdiag.Diagnostic(
    name="NAME", title="Speed at the end", question="How fast do samples still move at the end?",
    memorization="Fast.", generalization="Slow.", definition="The norm of the velocity at t = 1.", needs=("field",),
    figures=(fmdiag.Figure("NAME", DRAW, "Speeds of {data}.", "A point."),),
    parameters=Parameters, run=run, tables={"NAME": "sample"}, short="Speed of samples at t = 1.")
'''
USES = """
import sys
from pathlib import Path

import fmdiag
from fmdiag.cli.main import run

checkpoint, out = sys.argv[1:]
assert run(["--help"]) == 0 and run(["toy-speed", "--help"]) == 0
assert run(["toy-speed", checkpoint, "--n-samples", "4", "--out", out, "--device", "cpu"]) == 0
assert {"toy-speed.parquet", "toy-speed.csv"} <= {path.name for path in Path(out, "tables").iterdir()}
assert Path(out, "figures/toy-speed.png").is_file()
one = fmdiag.Run(checkpoint, device="cpu")
assert len(one.toy_speed(n_samples=4).table) == 4 and "toy_speed" in dir(one)
page = one.save(page=True).html
missing = [text for text in ("Speed at the end", "How fast do samples still move", "Speeds of") if text not in page]
assert missing == [], missing
assert type(one.results["toy-speed"].plot()).__name__ == "Figure"
"""


def written(folder, name, draw="draw"):
    file = folder / f"{name.replace('-', '_')}_toy.py"
    file.write_text(TOY.replace("NAME", name).replace("DRAW", draw))
    return file


def test_by_entry_point(trained, tmp_path):
    file = written(tmp_path, "toy-speed", '"toy_speed_toy:draw"')
    info = tmp_path / "toy_speed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-speed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fmdiag.diagnostics]\ntoy-speed = {file.stem}:CARD\n")
    found = subprocess.run(
        [sys.executable, "-c", USES, trained / "a.pt", tmp_path / "run"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"})
    assert found.returncode == 0, found.stderr
    assert "Speed of samples at t = 1." in found.stdout  # in the list of commands
    assert "Samples whose speed is measured." in found.stdout  # in the command's own help


@pytest.mark.drawn
def test_by_a_file(trained, tmp_path, capsys):
    file = written(tmp_path, "file-speed")
    words = ["--diagnostic", str(file), "file-speed", str(trained / "a.pt")]
    assert run([*words, "--out", str(tmp_path / "run")]) == 0
    assert "speed" in capsys.readouterr().out and (tmp_path / "run/figures/file-speed.png").is_file()
    assert run([*words, "--fail", "--out", str(tmp_path / "no")]) == 2
    said = capsys.readouterr().err
    line = 1 + next(k for k, text in enumerate(file.read_text().splitlines()) if "1 / 0" in text)
    assert f"{file}:{line}" in said and "ZeroDivisionError" in said
    assert "Traceback" not in said and not (tmp_path / "no").exists()


def test_one_that_fails_leaves_the_others_of_a_report(trained, tmp_path, monkeypatch, inputs):
    file = written(tmp_path, "bad-speed")
    file.write_text(file.read_text().replace("if parameters.fail:", "if True:"))
    assert load_diagnostics(file) == ["bad-speed"]
    monkeypatch.setattr(composed, "REPORT", {"alignment": {"n_pairs": "n_pairs"}})
    run = fmdiag.Run(**inputs)
    with pytest.warns(FmdiagWarning, match=f"bad-speed.*{file}:[0-9]+ .*ZeroDivisionError"):
        run.report(n_pairs=4)
    assert set(run.results) == {"alignment"} and "bad-speed" in run.record()["left_out"][0]
    with pytest.raises(FmdiagError, match=f"{file}:[0-9]+ .ZeroDivisionError: division by zero.: mend it"):
        run.bad_speed()
    assert set(run.results) == {"alignment"}


@pytest.mark.parametrize(("broken", "said"), [
    ("1 / 0", "fails in line 1 .ZeroDivisionError"), ("x = 3", "holds no fmdiag.Diagnostic"), (None, "no such file")])
def test_files_that_are_none(broken, said, tmp_path):
    file = tmp_path / "mine.py"
    if broken is not None:
        file.write_text(broken + "\n")
    with pytest.raises(FmdiagError, match=said):
        load_diagnostics(file)


@pytest.mark.drawn
def test_by_register(inputs, tmp_path):
    space = {}
    exec(compile(TOY.replace("NAME", "own-speed").replace("DRAW", "draw"), "notebook", "exec"), space)
    card = fmdiag.register(space["CARD"])
    assert DIAGNOSTICS["own-speed"] is card is fmdiag.register(card)
    run = fmdiag.Run(**inputs)
    assert len(run.own_speed(n_samples=3).table) == 3
    assert type(run.own_speed(n_samples=3).plot()).__name__ == "Figure"
    assert "Speed at the end" in run.save(page=True).html
    with pytest.raises(FmdiagError, match="n_samples must be a whole number of at least 2"):
        run.own_speed(n_samples=1)
    with pytest.raises(FmdiagError, match="there is a diagnostic 'error' already"):
        fmdiag.register(fmdiag.Diagnostic(name="error", title="E", parameters=card.parameters, run=card.run))
    with pytest.raises(FmdiagError, match="register takes a Diagnostic, got a function"):
        fmdiag.register(card.run)
    assert set(TINY) < set(DIAGNOSTICS)
    exec(compile(TOY.replace("NAME", "own-speed").replace("DRAW", "draw"), "notebook", "exec"), space)
    again = fmdiag.register(space["CARD"])
    assert DIAGNOSTICS["own-speed"] is again is not card, "a cell that is run again"


@pytest.mark.parametrize("name", ["seed", "n_rows", "n", "out"])
def test_a_parameter_that_is_an_option_of_every_command_is_refused(name, tmp_path, capsys):
    file = written(tmp_path, "clash-speed")
    file.write_text(file.read_text().replace("n_samples", name))
    for _ in range(2):   # the same file twice in one process, as in a notebook
        assert run(["--diagnostic", str(file), "clash-speed", "--help"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and f"its parameter {name!r} has the name of an option of every command" in error


@pytest.mark.drawn
def test_a_figure_that_fails_leaves_the_others(inputs, tmp_path):
    file = written(tmp_path, "blind-speed")
    file.write_text(file.read_text().replace("    figure = Figure()\n", "    figure = 1 / 0\n"))
    load_diagnostics(file)
    run = fmdiag.Run(**inputs, out=tmp_path / "run")
    run.alignment(**TINY["alignment"])
    found = run.blind_speed()
    with pytest.warns(FmdiagWarning, match=f"figure 'blind-speed' fails in {file}:[0-9]+ .ZeroDivisionError"):
        run.save()
    run.close()
    names = {path.name for path in (tmp_path / "run/figures").iterdir()}
    assert "alignment_share.png" in names or any(name.endswith(".png") for name in names)
    with pytest.raises(FmdiagError, match=f"fails in {file}:[0-9]+"):
        found.plot()
