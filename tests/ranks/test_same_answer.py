"""Ranks under torchrun give the answer of the single process: posteriors, every diagnostic's table."""

import json
import pickle
import shutil
from pathlib import Path

import audit_by_ranks
import numpy as np
import pandas as pd
import pytest

from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.cli.main import shared_by_ranks
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.ranks.group import SINGLE, Group


def shares(n, size):
    groups = [Group() for _ in range(size)]
    for rank, group in enumerate(groups):
        group.rank, group.size = rank, size
    return [group.share(n) for group in groups]


@pytest.mark.parametrize(("n", "size"), [(10, 1), (10, 3), (2, 3), (0, 2), (7, 7)])
def test_shares_cover_everything_once(n, size):
    assert [k for share in shares(n, size) for k in range(n)[share]] == list(range(n))
    lengths = [share.stop - share.start for share in shares(n, size)]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_blocks_of_a_share_hold_its_rows_and_no_others(hflip, size):
    data = TrainingSet(np.random.default_rng(0).integers(0, 256, (17, 1, 2, 3), dtype=np.uint8), 127.5, -1.0,
                       hflip=hflip)
    seen = []
    for share in shares(data.n, size):
        for first, block in data.blocks(4, rows=share):
            assert share.start <= first and first + len(block) <= share.stop and len(block) <= 4
            np.testing.assert_array_equal(block, data[slice(first, first + len(block))].reshape(len(block), -1))
            seen += range(first, first + len(block))
    assert seen == list(range(data.n))


def test_a_single_process_spreads_nothing():
    assert SINGLE.spread([1, 2, 3], sum) == [6]
    assert SINGLE.gather("x") == ["x"]


@pytest.mark.slow
def test_posteriors_agree(ranks):
    """Rows in float32 products: rounding of 2^-24 a term, so 1e-6 of a log-weight, and 1e-5 of what it magnifies.

    What is exchanged is what docs/scale.md derives, whatever the number of rows: 23 pairs, 150 coordinates, 3 times.
    """
    out, _ = ranks(3, Path(__file__).with_name("both_ways.py"))()
    answers, counted = map(json.loads, out.splitlines())
    b, once = 23, 8 + 16 * 23
    many = once + 3 * b * (60 + 4 * 150)
    few = once + (44 + 8) * b + 3 * (16 + 68 * b)   # all leave for lists at the first; nobody sends a mean
    assert counted == [many, few, 8 * b * (150 + 9) + 16] * 2
    for case, worst in answers.items():
        for name in ("source_weight", "top_weight", "entropy", "log_density"):
            assert worst[name] < 1e-6, (case, name)
        # A bound: rounding is measured in it, and differs with the blocks.
        assert worst["dropped_mass"] < 1e-3, case
        for name in ("mean", "variance", "ess"):
            assert worst[name] < 1e-5, (case, name)
        # Which of several equal rows is named differs by rounding; all else is one row.
        assert worst["top_row"] == 0 or case.startswith("duplicates"), case


@pytest.mark.slow
def test_every_table_of_every_diagnostic_agrees(ranks, tmp_path):
    """Every table of two ranks is that of one process: shared out, or made by one while the other waits.

    Of the pictures on disk the first rank reads every stored row and the second mirror images only.
    """
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6), dtype=np.uint8))
    folder = tmp_path / "training"
    folder.mkdir()
    shutil.copy(bundled_checkpoint(), folder)
    ended = ranks(2, Path(__file__).with_name("audit_by_ranks.py"), folder, "two.pickle")
    tables, answers = audit_by_ranks.measure(folder)
    ended()
    shared, given = pickle.loads((tmp_path / "two.pickle").read_bytes())
    assert given == answers and set(shared) == set(tables)
    assert {card.method for card in DIAGNOSTICS.values()} - {"canaries"} | {"watch", "mirrored"} <= {
        name.replace("-", "_") for name, _ in tables}
    for name, table in tables.items():
        # A batch's size decides how the network rounds, and the closed forms' weights magnify it at states of its own.
        own = name[0] == "theories" and "states" in table
        if own:
            apart = table["states"].isin(["train", "heldout"])
            assert shared[name]["states"].equals(table["states"])
            pd.testing.assert_frame_equal(shared[name][apart], table[apart], rtol=1e-5, atol=1e-6, obj=str(name))
        # Intervals of a handful of numbers magnify rounding too; so does one pass for all vectors of a state.
        intervals = name[1].endswith(("summary", "_classes"))
        within = 1e-3 if own else 1e-5 if name[0] in ("theories", "symmetry") or intervals else 1e-6
        pd.testing.assert_frame_equal(shared[name], table, rtol=within, atol=1e-5 if intervals else 1e-6, obj=str(name))


def test_every_command_that_measures_or_trains_runs_on_ranks():
    cards = {name for name, card in DIAGNOSTICS.items() if card.command} - {"canaries"}
    assert cards | {"report", "audit", "train", "study", "watch"} <= set(shared_by_ranks())
    # Planting is not the card of that name; the others copy, read, compare or draw.
    assert not {"canaries", "datasets", "compare", "rerun", "export", "figures"} & set(shared_by_ranks())
