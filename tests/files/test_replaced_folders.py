"""--overwrite replaces a folder of the same kind that holds nothing but its own files, and nothing else, ever."""

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError
from fmdiag.results import RunFolder

ALIGNMENT = ["alignment", "--dataset", "digits", "--n", "20", "--n-pairs", "4", "--times", "0.2"]


def write(out, value=1, **options):
    with RunFolder(out, **options) as folder:
        folder.add_json("run.json", {"fmdiag": "0.2", "name": "alignment", "value": value})
        folder.add_table("demo", pd.DataFrame({"x": [1.0]}))
    return out


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(Path(folder).rglob("*"))}


def run_json(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text('{"fmdiag": "0.1.0", "name": "alignment", "diagnostics": {}}')
    return folder


def repository(path):
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    run_json(path)


def other_tool(path):
    path.mkdir()
    (path / "run.json").write_text('{"name": "mine", "args": []}')
    (path / "weights.bin").write_bytes(b"precious")


def training(path):
    run_json(path)
    (path / "state.pt").write_bytes(b"precious")


def study(path):
    run_json(path / "parts" / "0123456789abcdef0123").joinpath("part.json").write_text("{}")
    run_json(path).joinpath("study.json").write_text("{}")


def canaries(path):
    run_json(path).joinpath("canaries.json").write_text("{}")


def noted(path):
    """A run in which its user wrote something down."""
    write(path)
    (path / "run.json").chmod(0o644)
    (path / "notes.md").write_text("precious")


def changed(path):
    write(path)
    (path / "tables" / "demo.csv").write_text("x\n2\n")  # of the same length


def with_a_folder(path):
    (write(path) / "tables" / "mine").mkdir()


def with_a_link(path):
    (write(path) / "link").symlink_to("/")


def with_a_pipe(path):
    os.mkfifo(write(path) / "pipe")


def newer(path):
    """A marker of a format that this version does not know."""
    marker = write(path) / ".fmdiag.json"
    if marker.exists():
        marker.write_text(json.dumps(json.loads(marker.read_text()) | {"version": 99}))


def climbing(path):
    """A marker that names a file outside its folder."""
    (path.parent / "outside").write_text("precious")
    write(path)
    if (path / ".fmdiag.json").exists():
        text = (path / ".fmdiag.json").read_text().replace("run.json", "../outside")
        (path / ".fmdiag.json").write_text(text)


VICTIMS = [repository, other_tool, training, study, canaries, noted, changed, with_a_folder, with_a_link, newer,
           climbing]


@pytest.mark.parametrize("make", VICTIMS, ids=lambda make: make.__name__)
def test_fault_5_4_overwrite_never_removes_what_fmdiag_did_not_write(tmp_path, make):
    make(tmp_path / "out")
    before = content(tmp_path)
    with pytest.raises(FmdiagError) as refused:
        write(tmp_path / "out", 2, overwrite=True)
    assert content(tmp_path) == before
    assert "--overwrite" not in str(refused.value) and str(tmp_path / "out") in str(refused.value)


def test_fault_5_4_a_pipe_in_a_run_is_not_waited_for(tmp_path):
    with_a_pipe(tmp_path / "out")
    with pytest.raises(FmdiagError, match="pipe, which fmdiag did not write"):
        RunFolder(tmp_path / "out", overwrite=True)


def test_fault_5_4_the_advice_to_move_an_entry_away_works(tmp_path):
    noted(tmp_path / "out")
    with pytest.raises(FmdiagError, match="holds notes.md, which fmdiag did not write: move that away"):
        write(tmp_path / "out", 2)
    (tmp_path / "out" / "notes.md").rename(tmp_path / "notes.md")
    with pytest.raises(FmdiagError, match="--overwrite to replace that run"):
        write(tmp_path / "out", 2)
    write(tmp_path / "out", 2, overwrite=True)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["value"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.md", "out"]


def test_fault_5_4_a_run_of_0_1_may_be_moved_away_as_advised(tmp_path, capsys):
    run_json(tmp_path / "out")
    assert run([*ALIGNMENT, "--out", str(tmp_path / "out"), "--overwrite"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "move it away" in said
    (tmp_path / "out").rename(tmp_path / "out-0.1")
    assert run([*ALIGNMENT, "--out", str(tmp_path / "out"), "--overwrite"]) == 0


def test_fault_5_4_the_target_of_a_link_stays(tmp_path):
    write(tmp_path / "real")
    (tmp_path / "out").symlink_to("real")
    before = content(tmp_path)
    with pytest.raises(FmdiagError, match="is a link"):
        write(tmp_path / "out", 2, overwrite=True)
    assert content(tmp_path) == before and (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("out", [".", "..", "/", "~", "below/..", ""], ids=repr)
def test_fault_5_4_working_and_home_folder_are_never_replaced(tmp_path, monkeypatch, capsys, out):
    """Marked as a run though they are: refused before anything is read or computed."""
    home = write(tmp_path / "home")
    work = write(home / "work")
    (work / "below").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    before = content(tmp_path)
    assert run(["alignment", "--dataset", "not there", "--overwrite", "--out", os.path.expanduser(out)]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "not there" not in said and ("--out" in said), said
    assert content(tmp_path) == before


@pytest.mark.parametrize(("out", "what"), [
    ("file", "is a file"), ("file/run", "is a file"), ("x" * 256, "too long"), ("x" * 240, "too long"),
    ("/".join(["x" * 200] * 21), "too long"), ("/proc/run", "cannot be written")])
@pytest.mark.parametrize("command", ["alignment", "train", "study size", "canaries"])
def test_fault_5_4_an_out_that_cannot_be_is_refused_before_anything_is_read(tmp_path, monkeypatch, capsys, out, what,
                                                                            command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("precious")
    data = "digits" if command == "study size" else "not there"  # a study looks at its data for its default name
    assert run([*command.split(), "--dataset", data, "--out", out]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and what in said and "--out" in said and "not there" not in said, said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_fault_5_4_each_kind_replaces_its_own_only(tmp_path, capsys):
    planted = ["canaries", "--dataset", "digits", "--n", "200", "--each", "2", "--out", str(tmp_path / "planted")]
    assert run(planted) == 0
    before = content(tmp_path)
    assert run([*ALIGNMENT, "--out", str(tmp_path / "planted"), "--overwrite"]) == 2
    assert "is a canaries folder, not a run folder" in capsys.readouterr().err
    assert content(tmp_path) == before
    assert run([*planted, "--seed", "1", "--overwrite"]) == 0
    assert content(tmp_path / "planted").keys() == content(tmp_path / "planted").keys()
    assert content(tmp_path / "planted") != before


def test_fault_5_4_what_came_into_a_run_while_its_successor_was_made_stays(tmp_path, monkeypatch, capsys):
    """The work is not lost either: the same command, elsewhere or once that is moved, goes on from its parts."""
    assert run([*ALIGNMENT, "--out", str(tmp_path / "out")]) == 0
    from fmdiag import figures

    draw = figures.draw_all

    def note(folder):
        draw(folder)
        (tmp_path / "out" / "notes.md").write_text("precious")

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(figures, "draw_all", note)
        assert run([*ALIGNMENT, "--seed", "1", "--out", str(tmp_path / "out"), "--overwrite"]) == 2
    said = capsys.readouterr().err
    assert "notes.md" in said and "kept what was finished" in said
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seed"] == 0
    (tmp_path / "out" / "notes.md").rename(tmp_path / "notes.md")
    assert run([*ALIGNMENT, "--seed", "1", "--out", str(tmp_path / "out"), "--overwrite"]) == 0
    assert "resumed: alignment" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.md", "out"]


@pytest.mark.drawn
def test_fault_5_4_figures_keeps_its_run_replaceable_and_the_page_that_someone_changed(tmp_path, capsys):
    out = tmp_path / "out"
    assert run([*ALIGNMENT, "--out", str(out)]) == 0
    assert run(["figures", str(out)]) == 0
    assert run([*ALIGNMENT, "--out", str(out), "--overwrite"]) == 0
    caption = out / "figures" / "captions.json"
    caption.write_text("{}")
    capsys.readouterr()
    assert run(["figures", str(out)]) == 2
    assert "captions.json, which was changed" in capsys.readouterr().err
    assert caption.read_text() == "{}"


def test_fault_5_4_other_folders_beside_the_output_stay(tmp_path):
    """`.NAME.parts` of someone else's making is not emptied with our parts."""
    (tmp_path / ".out.parts").mkdir()
    (tmp_path / ".out.parts" / "mine").write_text("precious")
    assert run([*ALIGNMENT, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / ".out.parts" / "mine").read_text() == "precious"
    assert sorted(path.name for path in (tmp_path / ".out.parts").iterdir()) == ["mine"]


@pytest.mark.parametrize("option", ["--write-card", "--compact"])
def test_fault_5_4_checkpoint_writes_over_no_file(tmp_path, capsys, option):
    from fmdiag.checkpoints import bundled_checkpoint

    (tmp_path / "card.toml").write_text("precious")
    assert run(["checkpoint", str(bundled_checkpoint()), option, str(tmp_path / "card.toml")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 1 and "exists" in said.err and option in said.err
    assert (tmp_path / "card.toml").read_text() == "precious"
    assert run(["checkpoint", str(bundled_checkpoint()), option, str(tmp_path / "no" / "card")]) in (0, 2)
    assert "--out" not in capsys.readouterr().err
