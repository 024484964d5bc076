"""Figures drawn ahead: the bytes of `draw_all`, what needs more than its Result, or fails, is drawn later."""

import shutil

import pytest

from fmdiag.figures import ahead as module
from fmdiag.figures import cards, draw_all
from fmdiag.figures.ahead import Ahead, draw_result
from fmdiag.figures.draw import METADATA
from fmdiag.results import Result, load_run, load_table, save_table

NAME = "uturn"


@pytest.fixture
def finished(synthetic_run, tmp_path):
    """Return (run folder of one diagnostic, its record, the folder of its Result)."""
    run, part = tmp_path / "run", tmp_path / "part"
    run.mkdir()
    shutil.copy(synthetic_run / "run.json", run)
    summary = load_table(synthetic_run, "summary")
    result = Result(NAME, load_table(synthetic_run, NAME), summary[summary["diagnostic"] == NAME])
    result.save(part)
    save_table(run, NAME, result.table)
    save_table(run, "summary", summary)
    return run, load_run(run), part


def test_another_process_draws_the_same_bytes_and_leaves_nothing(finished, monkeypatch):
    run, record, part = finished
    own = {card.name: card for card in cards.card(NAME).figures}
    monkeypatch.setattr("fmdiag.figures.draw.figure_cards", lambda: own)
    before = {path.name: path.read_bytes() for path in draw_all(run)}
    names = {name.partition(".")[0] for name in before}
    shutil.rmtree(run / "figures")
    monkeypatch.setattr("fmdiag.figures.draw.figure_cards", lambda: {name: own[name] for name in names})
    monkeypatch.setattr("fmdiag.figures.draw._drawn_or_left_out", lambda *given: pytest.fail("drawn again"))
    monkeypatch.setattr(module, "PATIENCE", 300)   # it yields to whatever else there is
    with Ahead() as ahead:
        ahead.draw(NAME, part, record)
        folder, process = ahead.folder, ahead.process
        assert all(ahead.drawn(NAME, name, wait=True) for name in names), process.poll()
        assert {path.name: path.read_bytes() for path in draw_all(run, ahead)} == before
    assert before and process.poll() is not None and not folder.exists()


def test_what_asks_for_other_tables_or_fails_is_left_to_the_end(finished, monkeypatch, tmp_path):
    run, record, part = finished
    names = [card.name for card in cards.card(NAME).figures]
    monkeypatch.setattr(module, "_drawn", lambda job, card, data: data.table("memorization"))
    (tmp_path / "job").mkdir()
    draw_result(tmp_path / "job", part, record)
    ahead = Ahead()
    ahead.jobs[NAME] = tmp_path / "job"
    assert not any(ahead.claim(NAME, name) for name in names)
    assert [ahead.drawn(NAME, name) for name in names] == [None] * len(names)
    for other in ("error", None):
        data = module._own_data(Result.load(part), record)
        with pytest.raises(LookupError):
            data.summary(other)
    assert len(data.summary(NAME)) and "dataset" in data.run


def test_what_is_not_begun_is_drawn_by_the_run_and_not_twice(finished, tmp_path, monkeypatch):
    run, record, part = finished
    monkeypatch.setattr("fmdiag.figures.draw.figure_cards", lambda: {one.name: one for one in cards.card(NAME).figures})
    monkeypatch.setattr("fmdiag.figures.draw.METADATA", {"svg": METADATA["svg"]})
    ahead = Ahead()
    ahead.jobs[NAME] = tmp_path / "job"
    (tmp_path / "job").mkdir()
    assert draw_all(run, ahead)
    draw_result(tmp_path / "job", part, record)
    assert not list((tmp_path / "job").glob("*.svg"))
