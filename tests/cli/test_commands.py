"""What every command promises: help with examples that parse, quick help, clean stdout, the same numbers twice."""

import json
import os
import re
import shlex
import subprocess
import sys

import click
import numpy as np
import pytest
from few import thin
from PIL import Image

from fmdiag.cli.main import commands, fmdiag, run
from fmdiag.errors import FmdiagWarning
from fmdiag.results import load_run, load_table

# Without the parts of the audit, which tests of its own look at.
BARE = [word for part in ("duplicates", "metrics", "membership", "uturn", "geometry", "provenance",
        "symmetry", "patches") for word in ("--without", part)]
SMALL = {"alignment": ["--n-pairs", "8", "--times", "0.2,0.6"], "error": ["--n-pairs", "8", "--times", "0.2,0.6"],
         "hybrid": ["--n-samples", "8", "--n-steps", "5", "--tau", "0:1:3"],
         "gradient-variance": ["--n-samples", "6", "--times", "0.2,0.6"],
         "memorization": ["--n-samples", "8", "--n-steps", "5"],
         "report": ["--n-pairs", "8", "--n-samples", "8", "--n-noises", "8", "--n-steps", "5", "--n-gradients", "4",
                    *BARE]}
DIAGNOSTICS = ["alignment", "error", "hybrid", "memorization", "gradient-variance"]


def help_of(name, capsys):
    assert run([name, "--help"]) == 0
    return capsys.readouterr().out


def parse(line):
    """Parse a command line with the command's own parser; click raises on what it does not know."""
    program, name, *arguments = shlex.split(line)
    assert program == "fmdiag"
    command = fmdiag.get_command(None, name)
    with command.make_context(name, arguments) as context:
        return context.params


@pytest.mark.parametrize("name", commands())
def test_help_has_examples_that_parse(name, capsys):
    text = help_of(name, capsys)
    examples = re.findall(rf"^ +(fmdiag {name}\b.*)$", text.partition("Example")[2], flags=re.M)
    assert examples
    for example in examples:
        parse(re.split(r"  +| \| ", example)[0])


@pytest.mark.parametrize("name", commands())
def test_every_option_says_what_it_does(name):
    options = [p for p in fmdiag.get_command(None, name).params if isinstance(p, click.Option)]
    assert all(option.help for option in options), [option.name for option in options if not option.help]


def test_help_of_all_loads_nothing_heavy():
    """`fmdiag --help` answers within a second on any machine because it imports none of these."""
    code = ("import sys; from fmdiag.cli.main import run; run(['--help']); "
            "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert all(name in done.stdout for name in commands())
    assert not {"torch", "pandas", "numpy", "scipy", "matplotlib", "faiss", "sklearn"} & set(done.stderr.split())


@pytest.fixture(scope="module")
def report(checkpoint, tmp_path_factory):
    """Return the folder of a report on the tiny checkpoint, without figures."""
    out = tmp_path_factory.mktemp("runs") / "report"
    with pytest.MonkeyPatch.context() as patch:
        thin(patch)
        patch.setattr("fmdiag.figures.draw_all", lambda run: [])
        patch.setattr("fmdiag.report.write_report", lambda run: run)
        assert run(["report", str(checkpoint), *SMALL["report"], "--seed", "3", "--out", str(out), "--json"]) == 0
    return out


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_each_diagnostic_of_a_report_is_remade_by_its_command(report, name, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)  # records name what lies elsewhere without its folder
    line = load_run(report)["diagnostics"][name]["command"]
    assert parse(line)["seed"] == 3
    # The report is told no times and taus: all of its rows are remade.
    assert run([*shlex.split(line)[1:], "--out", str(tmp_path / "again")]) == 0
    assert load_table(tmp_path / "again", name).equals(load_table(report, name))
    assert load_run(tmp_path / "again")["diagnostics"][name]["command"] == line


def test_the_typed_command_is_recorded(report, checkpoint):
    words = shlex.split(load_run(report)["command"])
    assert words[:3] == ["fmdiag", "report", checkpoint.name] and words[-1] == "--json"


def arguments_of(name, checkpoint):
    return [name, *SMALL[name], *([] if name == "alignment" else [str(checkpoint)])]


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_the_same_seed_gives_the_same_tables_and_stdout_is_the_summary(name, checkpoint, tmp_path, capfd):
    words, out = [*arguments_of(name, checkpoint), "--out"], tmp_path / "json"
    assert run([*words, str(out), "--seed", "5", "--json"]) == 0
    output, errors = capfd.readouterr()
    printed = json.loads(output)
    assert printed["run"] == str(out)
    assert len(printed["details"]["summary"]) == len(load_table(out, "summary"))
    assert run([*words, str(tmp_path / "text"), "--seed", "5"]) == 0
    output, more = capfd.readouterr()
    assert len(output.splitlines()) <= 14 and max(map(len, output.splitlines())) <= 100
    numbers = [entry["words"][:40] for entry in printed["headline"].values()]
    assert numbers and numbers[0] in output and output.splitlines()[-1].endswith(f"tables: {tmp_path / 'text/tables'}/")
    assert errors + more == f"wrote {out}/\nwrote {tmp_path / 'text'}/\n", "nothing else, on stdout or stderr"
    for table in (name, "summary"):
        assert (out / f"tables/{table}.csv").read_bytes() == (tmp_path / f"text/tables/{table}.csv").read_bytes()
        assert load_table(out, table).equals(load_table(tmp_path / "text", table))
    assert run([*words, str(tmp_path / "other"), "--seed", "6"]) == 0
    assert not load_table(out, name).equals(load_table(tmp_path / "other", name))


# The command line as `python -m fmdiag.cli.main`, but for the PDF of each figure.
WITHOUT_PDF = "from fmdiag.figures import draw; del draw.METADATA['pdf']; from fmdiag.cli.main import main; main()"


def test_a_whole_report_is_quiet(checkpoint, tmp_path):
    """As a process of its own, with the usual times, figures and page: nothing that a library says reaches stderr."""
    words = [*arguments_of("report", checkpoint), "--verbose", "--out", tmp_path / "run"]
    done = subprocess.run([sys.executable, "-c", WITHOUT_PDF, *map(str, words)], capture_output=True, text=True,
                          timeout=200, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert (done.returncode, done.stderr) == (0, f"wrote {tmp_path / 'run'}/\n")
    heads = [line.split(":")[0] for line in done.stdout.splitlines() if ": value [95% interval]" in line]
    assert heads == DIAGNOSTICS
    assert (tmp_path / "run" / "index.html").is_file()


def test_hybrid_as_the_issue_writes_it(checkpoint, tmp_path, monkeypatch, capsys):
    (tmp_path / "ckpt.pt").write_bytes(checkpoint.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert run("hybrid --tau 0.3 ckpt.pt".split()) == 0
    table = load_table(tmp_path / "reports" / "hybrid-digits", "hybrid")
    assert set(table["tau"]) == {0.3} and len(table) == 256
    assert run("hybrid --tau 0.3 ckpt.pt".split()) == 0, "a second run gets a name of its own"
    assert (tmp_path / "reports" / "hybrid-digits-2").is_dir()


@pytest.fixture
def imagenette(tmp_path):
    """Return a data root with a small Imagenette of the real layout."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 3), ("val", 2)):
        for synset in ("n01440764", "n02102040"):
            folder = tmp_path / "root" / "imagenette2-160" / part / synset
            folder.mkdir(parents=True)
            for k in range(n):
                Image.fromarray(rng.integers(0, 256, (160, 180, 3), dtype=np.uint8)).save(folder / f"{k}.JPEG")
    return tmp_path / "root"


def test_imagenette_as_the_issue_writes_it(imagenette, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FMDIAG_DATA_ROOT", str(imagenette))
    monkeypatch.chdir(tmp_path)
    # 256 pairs of 76 800 coordinates take a second at each of the usual times; one of them shows the same.
    monkeypatch.setattr("fmdiag.diagnostics.alignment.measure.TIMES", [0.5])
    assert run("alignment --dataset imagenette".split()) == 0
    described = load_run(tmp_path / "reports" / "alignment-imagenette")["dataset"]
    assert (described["n"], described["shape"]) == (6, [3, 160, 160])
    monkeypatch.delenv("FMDIAG_DATA_ROOT")
    sides = ["--sizes", "8,16", "--n-pairs", "4", "--times", "0.5"]
    assert run(["alignment", "--dataset", "imagenette", "--data-root", str(imagenette), *sides]) == 0
    assert set(load_table(tmp_path / "reports" / "alignment-imagenette-2", "alignment")["image_size"]) == {8, 16}


@pytest.mark.parametrize("offline", [[], ["--offline"]])
def test_imagenette_without_files_and_network(offline, tmp_path, monkeypatch, fails_cleanly):
    def no_network(*arguments, **options):
        raise OSError("the network is closed")

    monkeypatch.setattr("socket.socket.connect", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    monkeypatch.setenv("FMDIAG_DATA_ROOT", str(tmp_path / "root"))
    fails_cleanly(["alignment", "--dataset", "imagenette", *offline], "imagenette2-160.tgz", "place it at",
                  tmp_path / "root", "--data-root")


def test_value_range_reaches_the_rows(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 1, 4, 4)))
    out = str(tmp_path / "run")
    assert run(["alignment", "--dataset", str(tmp_path / "x.npy"), "--value-range", "0,1", *SMALL["alignment"],
                "--out", out]) == 0
    described = load_run(out)["dataset"]
    assert (described["divisor"], described["shift"]) == (0.5, -1)
    assert "--value-range 0.0,1.0" in load_run(out)["diagnostics"]["alignment"]["command"]


def test_a_checkpoint_remembers_the_value_range_that_it_was_trained_with(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 1, 4, 4)))
    with pytest.warns(FmdiagWarning, match="no rows are held out"):
        assert run(["train", "--dataset", str(tmp_path / "x.npy"), "--value-range", "0,1", "--network", "mlp",
                    "--width", "8", "--depth", "1", "--steps", "2", "--hflip", "--precision", "fp32",
                    "--out", str(tmp_path / "t")]) == 0
    trained = str(tmp_path / "t" / "checkpoint.pt")
    assert run(["error", trained, *SMALL["error"], "--out", str(tmp_path / "e")]) == 0
    assert load_run(tmp_path / "e")["dataset"]["n"] == 40, "flips count as they did in training"
    capsys.readouterr()
    assert run(["error", trained, "--no-hflip"]) == 2
    assert "n = 20" in capsys.readouterr().err, "--no-hflip is heard, and is not what it was trained on"


def test_a_command_leaves_small_numbers_as_they_were(checkpoint, tmp_path):
    import torch

    assert run(["error", str(checkpoint), "--n-pairs", "2", "--times", "0.5", "--out", str(tmp_path / "run")]) == 0
    assert float(torch.tensor(1e-40) * 1) > 0
