"""A run that was interrupted goes on from its finished parts, for the same inputs only; one process per output."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from fmdiag.cli.main import run
from fmdiag.diagnostics.alignment import run as alignment_diagnostic
from fmdiag.diagnostics.error import run as error
from fmdiag.diagnostics.memorization import null_size
from fmdiag.diagnostics.memorization import run as memorization_diagnostic
from fmdiag.diagnostics.quality import run as quality
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files.lock import Lock
from fmdiag.results import RunFolder
from fmdiag.runs import parts

REPORT = ["report", "--n-pairs", "4", "--n-samples", "70", "--n-noises", "4", "--n-gradients", "4", "--n-steps", "4",
          *[word for part in ("duplicates", "metrics", "membership", "uturn", "geometry", "provenance",
            "symmetry", "patches") for word in ("--without", part)]]


class Remarks(logging.Handler):
    """Prints what the command line says on stderr, as the process of a command does."""

    def emit(self, record):
        print(record.getMessage(), file=sys.stderr)


@pytest.fixture(autouse=True)
def remarks():
    logger, handler = logging.getLogger("fmdiag"), Remarks()
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    logger.setLevel(before)


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


def stops(*arguments, **options):
    raise Killed


def never(*arguments, **options):
    raise AssertionError("computed again")


def start(*words):
    return run([str(word) for word in words])


def tables(out):
    return {path.stem: pd.read_parquet(path) for path in sorted((out / "tables").glob("*.parquet"))}


def interrupted(monkeypatch, module, *words):
    with monkeypatch.context() as patch:
        patch.setattr(module, "run", stops)
        with pytest.raises(Killed):
            start(*words)


def test_a_report_goes_on_from_its_finished_parts(tmp_path, capsys, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(*REPORT, "--out", whole) == 0
    interrupted(monkeypatch, quality, *REPORT, "--out", broken)
    kept = tmp_path / ".broken.parts"
    assert [path.name for path in tmp_path.iterdir() if path != whole] == [kept.name]
    assert f"kept what was finished in {kept}/" in capsys.readouterr().err
    for module in (alignment_diagnostic, memorization_diagnostic):
        monkeypatch.setattr(module, "measure", never)
    # Samples that memorization judged are judged by quality too.
    monkeypatch.setattr("fmdiag.runs.samples.carry_noise", never)
    assert start(*REPORT, "--out", broken) == 0
    said = capsys.readouterr().err
    for name in ("alignment", "error", "hybrid", "memorization", "samples"):
        assert f"resumed: {name} from {kept}/\n" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "whole"]
    found = tables(broken)
    for name, expected in tables(whole).items():
        pd.testing.assert_frame_equal(expected, found[name], check_exact=True)
    before, after = (json.loads((out / "run.json").read_text()) for out in (whole, broken))
    for key in ("diagnostics", "verdict", "checkpoint", "dataset"):
        assert json.dumps(before[key]).replace(str(whole), str(broken)) == json.dumps(after[key]), key


@pytest.mark.parametrize("change", [["--seed", "1"], ["--n-pairs", "5"], ["--n", "50", "--allow-mismatch"],
                                    ["--memory", "50MB"]], ids=lambda words: words[0])
def test_other_inputs_reuse_nothing(tmp_path, capsys, monkeypatch, change):
    out = tmp_path / "run"
    interrupted(monkeypatch, error, *REPORT, "--out", out)
    capsys.readouterr()
    interrupted(monkeypatch, error, *REPORT, *change, "--out", out)
    assert "resumed" not in capsys.readouterr().err


def test_hybrid_goes_on_at_the_tau_where_it_stopped(tmp_path, capsys, monkeypatch, checkpoint):
    from fmdiag.diagnostics.hybrid import measure as diagnostic

    words = ["hybrid", checkpoint, "--n-samples", "4", "--n-steps", "4", "--tau", "0:1:5"]
    assert start(*words, "--out", tmp_path / "whole") == 0
    integrate, calls = diagnostic.integrate, []

    def stops_at_third(*arguments):
        calls.append(arguments)
        return stops() if len(calls) == 3 else integrate(*arguments)

    monkeypatch.setattr(diagnostic, "integrate", stops_at_third)
    with pytest.raises(Killed):
        start(*words, "--out", tmp_path / "broken")
    monkeypatch.setattr(diagnostic, "closed_form_states", never)
    assert start(*words, "--out", tmp_path / "broken") == 0
    assert len(calls) == 3 + 3, "two of five were there"
    assert "resumed: hybrid samples" in capsys.readouterr().err
    pd.testing.assert_frame_equal(tables(tmp_path / "whole")["hybrid"], tables(tmp_path / "broken")["hybrid"])


def test_a_part_that_is_not_whole_is_made_again(tmp_path, monkeypatch, checkpoint):
    words = ["memorization", checkpoint, "--n-samples", "8", "--n-steps", "2", "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr(memorization_diagnostic, "measure", stops)
        with pytest.raises(Killed):
            start(*words)
    for file in (tmp_path / ".run.parts").glob("*/array.npz"):
        file.write_bytes(file.read_bytes()[:100])
    assert start(*words) == 0


def test_a_second_process_is_refused(tmp_path, capsys, checkpoint):
    words = ["error", checkpoint, "--n-pairs", "4", "--times", "0.2,0.6", "--out", tmp_path / "run"]
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; from fmdiag.files.lock import Lock; lock = Lock(sys.argv[1], 'x'); "
         "lock.acquire(); print('held', flush=True); sys.stdin.read()", str(tmp_path / ".run.parts" / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    capsys.readouterr()
    assert start(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {tmp_path / 'run'}: another fmdiag, process {holder.pid} on ") and "--out" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run.parts"]
    holder.kill()
    holder.communicate()
    assert (tmp_path / ".run.parts" / "lock").exists(), "what a dead process leaves"
    assert start(*words) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_second_training_of_one_folder_is_refused(tmp_path, capsys):
    words = ["train", "--n", "20", "--network", "mlp", "--width", "4", "--steps", "2", "--precision", "fp32", "--out",
             tmp_path / "run"]
    lock = Lock(tmp_path / ".run.lock", tmp_path / "run")
    lock.acquire()
    assert start(*words) == 2
    assert "another fmdiag, process" in capsys.readouterr().err
    lock.release()
    assert start(*words) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_name_in_use_is_not_chosen_twice(tmp_path, monkeypatch, checkpoint):
    monkeypatch.chdir(tmp_path)
    lock = Lock(tmp_path / "reports" / ".error-digits.parts" / "lock", "x")
    lock.acquire()
    assert start("error", checkpoint, "--n-pairs", "4", "--times", "0.2") == 0
    lock.release()
    assert (tmp_path / "reports" / "error-digits-2" / "run.json").is_file()
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["error-digits-2"]


def test_what_killed_runs_leave_is_taken_away(tmp_path, checkpoint):
    (tmp_path / ".run.abcdefgh.partial" / "tables").mkdir(parents=True)
    others = [".other.abcdefgh.partial", ".run.2.abcdefgh.partial", ".run.2.abcdefgh.old"]
    for name in others:
        (tmp_path / name).mkdir()
    assert start("error", checkpoint, "--n-pairs", "4", "--times", "0.2", "--out", tmp_path / "run") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "run"])


def test_an_earlier_run_put_aside_by_a_killed_overwrite_is_given_back(tmp_path, capsys, checkpoint):
    words = ["error", checkpoint, "--n-pairs", "4", "--times", "0.2", "--out", tmp_path / "run"]
    assert start(*words) == 0
    before = (tmp_path / "run" / "run.json").read_bytes()
    (tmp_path / ".run.abcdefgh.old").mkdir()
    os.replace(tmp_path / "run", tmp_path / ".run.abcdefgh.old" / "run")
    assert start(*words) == 2
    assert "exists" in capsys.readouterr().err
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_parts_of_a_run_that_is_whole_are_taken_away(tmp_path, capsys, monkeypatch, checkpoint):
    """Killed between the renaming of the run folder and the end: as if the parts had not been removed."""
    words = ["error", checkpoint, "--n-pairs", "4", "--times", "0.2", "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, "_remove_all", lambda self, but=(): None)
        assert start(*words) == 0
    assert len(list((tmp_path / ".run.parts").iterdir())) == 2, "the part and the mark"
    assert start(*words) == 2
    assert "exists" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_parts_of_another_run_are_kept_beside_one_that_is_whole(tmp_path, capsys, monkeypatch, checkpoint):
    """--overwrite that was killed: its parts are not those of the earlier run, which is there."""
    words = ["error", checkpoint, "--n-pairs", "4", "--times", "0.2", "--out", tmp_path / "run"]
    assert start(*words) == 0
    again = [*words, "--seed", "1", "--overwrite"]
    with monkeypatch.context() as patch:
        patch.setattr("fmdiag.figures.draw_all", stops)
        with pytest.raises(Killed):
            start(*again)
    assert start(*words) == 2, "exists"
    monkeypatch.setattr(error, "measure", never)
    capsys.readouterr()
    assert start(*again) == 0
    assert "resumed: error" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 1


def test_a_damaged_part_is_made_again(tmp_path, capsys, monkeypatch, checkpoint):
    """A machine that dies, unlike a process, can leave files of a finished part empty."""
    words = ["error", checkpoint, "--n-pairs", "4", "--times", "0.2", "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr("fmdiag.figures.draw_all", stops)
        with pytest.raises(Killed):
            start(*words)
    table = next((tmp_path / ".run.parts").glob("*/tables/error.parquet"))
    table.write_bytes(b"")
    assert start(*words) == 0
    assert "resumed" not in capsys.readouterr().err and len(tables(tmp_path / "run")["error"]) == 4 * 4


def test_wrong_input_leaves_nothing_but_what_was_there(tmp_path, capsys, monkeypatch, checkpoint):
    words = ["memorization", checkpoint, "--n-samples", "8", "--n-steps", "2", "--out", tmp_path / "run"]
    wrong = [*words, "--duplicate-tolerance", "99"]
    assert start(*wrong) == 2
    assert list(tmp_path.iterdir()) == [] and len(capsys.readouterr().err.splitlines()) == 1
    with monkeypatch.context() as patch:
        patch.setattr(memorization_diagnostic, "measure", stops)
        with pytest.raises(Killed):
            start(*words)
    kept = sorted((tmp_path / ".run.parts").iterdir())
    assert start(*words, "--seed", "1", "--duplicate-tolerance", "99") == 2
    assert sorted((tmp_path / ".run.parts").iterdir()) == kept and len(kept) == 1


def test_a_resumed_run_repeats_its_warnings(tmp_path, capsys, monkeypatch, checkpoint):
    rows = np.random.default_rng(0).normal(size=(100, 64)).astype(np.float32).reshape(100, 1, 8, 8)
    np.save(tmp_path / "rows.npy", rows)
    words = ["memorization", "--samples", tmp_path / "rows.npy", "--dataset", tmp_path / "rows.npy", "--held-out",
             "0.05", "--out", tmp_path / "run"]
    with monkeypatch.context() as patch:
        patch.setattr("fmdiag.figures.draw_all", stops)
        with pytest.warns(FmdiagWarning, match="only 5 held-out examples"), pytest.raises(Killed):
            start(*words)
    monkeypatch.setattr(memorization_diagnostic, "measure", never)
    with pytest.warns(FmdiagWarning, match="only 5 held-out examples"):
        assert start(*words) == 0


def test_a_run_that_was_made_meanwhile_is_not_replaced(tmp_path):
    """Where a file system has no locks two processes may build one run: the second keeps its hands off the first."""
    with pytest.raises(FmdiagError, match="exists"), RunFolder(tmp_path / "run") as folder:
        folder.add_json("run.json", {"number": 2})
        with RunFolder(tmp_path / "run") as first:
            first.add_json("run.json", {"number": 1})
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == {"number": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_data_set_that_is_taken_away_during_the_run(tmp_path, capsys, monkeypatch):
    """The held-out rows are read when they are needed: one line, and nothing half-written."""
    rows = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    for name in ("train", "test", "samples"):
        np.save(tmp_path / f"{name}.npy", rows)

    def taken_away(*arguments, **options):
        (tmp_path / "test.npy").unlink()

    monkeypatch.setattr("fmdiag.runs.run.key_of", lambda run, name, parameters: 24 * "0")  # which would have read them
    monkeypatch.setattr(null_size, "check_held_out", taken_away)   # the first to look at them
    code = start("memorization", "--samples", tmp_path / "samples.npy", "--dataset", tmp_path / "train.npy",
                 "--held-out", tmp_path / "test.npy", "--out", tmp_path / "run")
    said = capsys.readouterr()
    assert code == 2 and said.out == "" and len(said.err.splitlines()) == 1
    assert said.err.startswith("Error: ") and "test.npy" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples.npy", "train.npy"]


@pytest.mark.parametrize("error", [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be "
                           "asynchronously reported") if hasattr(torch, "AcceleratorError") else
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")], ids=["accelerator", "cuda", "cudnn"])
def test_a_device_that_fails_is_one_line_and_what_is_finished_stays(tmp_path, capsys, monkeypatch, error):
    """As torch raises it, from within the network: that a field raised it does not make it wrong input."""
    out, words = tmp_path / "run", [*REPORT, "--without", "hybrid", "--without", "error"]

    def fails(*given):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("fmdiag.fields.mlp.time_features", fails)
        assert start(*words, "--out", out) == 2
    said = capsys.readouterr().err.splitlines()
    first = str(error).splitlines()[0]
    assert [line for line in said if line.startswith("Error: ")] == [
        f"Error: the device failed ({first}): give the same command again, or leave the device out with --device cpu; "
        "nvidia-smi shows whether a GPU is still there"]
    assert f"kept what was finished in {tmp_path / '.run.parts'}/: the same run goes on from there" in said
    assert not out.exists() and "Traceback" not in "".join(said)
    monkeypatch.setattr("fmdiag.diagnostics.alignment.run.measure", never)
    interrupted(monkeypatch, memorization_diagnostic, *words, "--out", out)
    assert "resumed: alignment" in capsys.readouterr().err
