"""The calibration's driver and page: what is done is not done again, and a family that fails is named."""

import json

import numpy as np
import pytest

from checks.calibration.driver import go_on
from checks.calibration.families import NULLS, POWERS
from checks.calibration.page import results, write_page
from checks.calibration.repetition import interval, repeat


def logged(folder, name, rows):
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def row(answer="no excess found", excess=(0.0, -0.1, 0.1), power=(), contradiction=None):
    return {"number": 0, "answer": answer, "p": 0.5, "excess": list(excess), "exclusion": 0.01, "power": dict(power),
            "contradiction": contradiction}


def test_what_is_done_is_not_done_again_and_a_seed_repeats(tmp_path):
    name = "gaussian, 4 dimensions"
    go_on({name: 1}, tmp_path, np.inf)
    once = (tmp_path / f"{name}.jsonl").read_text()
    go_on({name: 1}, tmp_path, np.inf)
    assert (tmp_path / f"{name}.jsonl").read_text() == once and once.count("\n") == 1
    assert json.loads(once) == repeat(name, NULLS[name], 0)
    go_on({name: 9}, tmp_path, -1.0)          # no time left
    assert (tmp_path / f"{name}.jsonl").read_text() == once


def test_workers_write_what_one_process_writes_and_fill_gaps(tmp_path):
    name = "interval of bounded mean of 8, uniform"
    for folder, workers in (("one", 1), ("two", 2)):
        (tmp_path / folder).mkdir()
        go_on({name: 4}, tmp_path / folder, np.inf, workers)
    one, two = ((tmp_path / folder / f"{name}.jsonl").read_text().splitlines() for folder in ("one", "two"))
    assert sorted(one) == sorted(two) and len(one) == 4
    (tmp_path / "two" / f"{name}.jsonl").write_text("\n".join(one[:1] + one[2:]) + "\n")    # number 1 is missing
    go_on({name: 4}, tmp_path / "two", np.inf)
    assert sorted((tmp_path / "two" / f"{name}.jsonl").read_text().splitlines()) == sorted(one)


def test_failing_families_and_contradictions_are_named(tmp_path):
    logged(tmp_path, "digits", [row("copies found")] * 12 + [row()] * 88)
    logged(tmp_path, "mixture, 2 dimensions", [row("copies found")] * 8 + [row(contradiction="text")] * 92)
    logged(tmp_path, "gaussian, 4 dimensions", [row(excess=(0.2, 0.1, 0.3))] * 50)
    logged(tmp_path, "exact copies, 5%, digits", [row("copies found")] * 9 + [row()])
    logged(tmp_path, "interval of a mean", [{"low": 0.0, "high": 1.0, "truth": 2.0}] * 30)
    logged(tmp_path, "membership, grid, third-party û*", [{"p": 0.01}] * 20 + [{"p": None}])
    logged(tmp_path, "uturn, grid, third-party û*", [{"p": 0.01}] * 20 + [{"p": 0.5}] * 5)
    logged(tmp_path, "geometry, grid, third-party û*", [{"p": 0.5}] * 5)
    logged(tmp_path, "digits", [row("copies found", power={"exact copies, 5%": 0.9})] * 14 + [row()] * 86)
    found = results(tmp_path)
    fails = {entry["family"]: entry["fails"] for entry in found["nulls"]}
    assert fails == {"digits": True, "mixture, 2 dimensions": False, "gaussian, 4 dimensions": False}
    assert [entry["fails"] for entry in found["excess"] if entry["family"] == "gaussian, 4 dimensions"] == [True]
    assert len(found["contradictions"]) == 92 and found["intervals"][0]["misses"] == 30
    power, = found["power"]
    assert power["found"] == 9 and power["announced"] == pytest.approx(0.9) and power["inside"]
    assert found["membership"][0]["found"] == 20 and found["membership"][0]["not_judged"] == 1
    turned, = found["uturn"]
    assert turned["found"] == 20 and turned["n"] == 25 and turned["fails"]
    assert [(entry["found"], entry["fails"]) for entry in found["geometry"]] == [(0, False)]
    write_page(found, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "Families that fail: digits." in page and "contradicted one another in 92" in page


def test_every_family_draws_what_it_says():
    for name, case in {**NULLS, **POWERS}.items():
        drawn = case(np.random.default_rng(0))
        assert len(drawn.train) > 100 and len(drawn.held_out) >= 40 and len(drawn.samples) >= 200, name
        assert all(part.dtype == np.float32 for part in (drawn.train, drawn.held_out)), name
    assert interval("x", lambda rng: (0, 1, rng.random()), 3) == interval("x", lambda rng: (0, 1, rng.random()), 3)
