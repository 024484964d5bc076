"""Null of held-out rows, tested before it is used: overlap of content beyond what is natural, shift, odd samples."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.diagnostics.memorization.measure import measure, tabulate
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.diagnostics.nulls import check_null, one_image, unlike_data
from fmdiag.diagnostics.nulls.blind import folds, near_duplicates
from fmdiag.diagnostics.nulls.overlap import excess, shifted
from fmdiag.diagnostics.nulls.spacing import behind_gaps, spacings
from fmdiag.errors import FmdiagWarning
from fmdiag.neighbors import nearest

MIXING = np.random.default_rng(9).normal(size=(2, 4, 64))


def scenes(n, seed, size=16):
    """Return smooth pictures of 8 bits, shape (n, 1, size, size): no two alike, most of any two unlike mirrored."""
    noise = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 1, 6, 6)))
    smooth = torch.nn.functional.interpolate(noise, size, mode="bicubic")
    return (127.5 + 60 * smooth).clamp(0, 255).to(torch.uint8).numpy()


def as_jpeg(picture, quality=90):
    buffer = io.BytesIO()
    Image.fromarray(picture[0]).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))[None]


def checked(train, held_out, **options):
    train, held_out = (rows if isinstance(rows, TrainingSet) else TrainingSet(rows) for rows in (train, held_out))
    return check_null(train, held_out, **options)


def gaussian(rng, n, scale=1.0):
    return (scale * rng.normal(size=(n, 2))).astype(np.float32)


def manifold(rng, n, scale=1.0):
    z = scale * rng.normal(size=(n, 4))
    return (np.tanh(z @ MIXING[0] / 2) + 0.3 * z @ MIXING[1] + 0.02 * rng.normal(size=(n, 64))).astype(np.float32)


def test_left_out_rows_are_searched_among_the_others():
    """Brute force: the distances to all other stored rows, of equal contents one; a repeated row has itself at 0."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)).astype(np.float32)
    rows[7] = rows[31]
    found = spacings(torch.from_numpy(rows), TrainingSet(rows), own=np.arange(40))
    for i in range(40):
        others = np.unique(np.delete(rows, i, 0), axis=0).astype(np.float64)
        expected = np.sort(np.linalg.norm(others - rows[i], axis=1))
        np.testing.assert_allclose([found.d1[i], found.d2[i]], expected[:2], rtol=1e-10)
        np.testing.assert_allclose(found.spacing[i], behind_gaps(expected[None, :8])[0], rtol=1e-10)
    assert found.d1[7] == found.d1[31] == 0 and found.nearest[31] == 7


def test_rows_of_one_group_are_left_out_together():
    """Twenty pictures of each of ten scenes, held out by scene: no neighbour is of the own, and nothing is shifted."""
    rng = np.random.default_rng(0)
    scene, groups = rng.normal(size=(20, 8)), np.repeat(np.arange(20), 20)
    rows = (scene[groups] + 0.1 * rng.normal(size=(400, 8))).astype(np.float32)
    train = load_dataset(rows, groups=groups, held_out=0.5)
    found = spacings(train[: train.n], train, own=np.arange(train.n))
    assert (train.group_of(found.nearest) != train.group_of(np.arange(train.n))).all()
    assert check_null(train, train.held_out).not_judged is None


def test_mirror_images_of_a_row_are_its_own():
    train = TrainingSet(scenes(30, 0), hflip=True)
    found = spacings(train[:30], train, own=np.arange(30))
    expected = [nearest(train[[i]], train, n_neighbors=3).distances[0] for i in range(30)]
    assert all(d1 in list(near[1:]) for d1, near in zip(found.d1, expected, strict=True)) and found.d1.min() > 0


@pytest.mark.parametrize(("kind", "change"), [
    ("equal", lambda x: x),
    ("near", as_jpeg),
    ("mirrored", lambda x: x[..., ::-1]),
    ("shifted", lambda x: shifted(torch.from_numpy(x), 1, -1).numpy()),
])
def test_training_rows_among_held_out_rows_are_found_and_left_out(kind, change):
    train, held_out = scenes(400, 0), scenes(100, 1)
    held_out[:12] = [change(row) for row in train[50:62]]
    found = checked(train, held_out)
    assert found.kept.tolist() == list(range(12, 100)) and found.not_judged is None
    assert found.table["held_out"].tolist() == list(range(12))
    assert found.table["nearest"].tolist() == list(range(50, 62))
    assert set(found.table["kind"]) == {kind} and (found.table["ratio"] < 1 / 3).all()
    assert found.sentences[0].startswith("12 of 100 held-out examples are nearly training examples (12 ")


def test_clean_pictures_keep_everything():
    found = checked(scenes(400, 0), scenes(100, 1))
    assert len(found.kept) == 100 and found.table.empty and not found.sentences and found.not_judged is None
    assert found.controls["control"].tolist() == ["overlap_near", "overlap_mirrored", "overlap_shifted", "spacing",
                                                 "blind"]
    assert found.controls["passed"].all()


@pytest.mark.parametrize(("n_leaked", "judged"), [(20, True), (21, False)])
def test_beyond_a_fifth_nothing_is_judged(n_leaked, judged):
    train, held_out = scenes(400, 0), scenes(100, 1)
    held_out[:n_leaked] = [as_jpeg(row) for row in train[:n_leaked]]
    found = checked(train, held_out)
    assert len(found.kept) == 100 - n_leaked
    assert (found.not_judged is None) == judged
    assert judged or "21 of 100 held-out examples (21%) are nearly training examples" in found.not_judged


def test_what_recurs_by_itself_stays_in_the_null():
    """On a coarse grid, on a line, and where the source has near-duplicates, fresh rows lie on training rows too."""
    rng = np.random.default_rng(0)
    grid = rng.integers(0, 30, (800, 2)).astype(np.float32)
    line = rng.normal(size=(800, 1)).astype(np.float32)
    scene = rng.normal(size=(300, 16))
    bursts = (scene[rng.integers(300, size=800)] + 0.01 * rng.normal(size=(800, 16))).astype(np.float32)
    for rows in (grid, line, bursts):
        found = checked(rows[200:], rows[:200])
        assert len(found.kept) == 200 and found.not_judged is None and (spacings(
            torch.from_numpy(rows[:200]), TrainingSet(rows[200:])).ratio < 1 / 3).mean() > 0.2
    assert "recur by themselves" in checked(grid[200:], grid[:200]).sentences[0]


def test_only_the_excess_is_left_out():
    """In two dimensions a ninth of fresh rows touch: with 30 copies among 200, 30 go, and about a ninth remains."""
    rng = np.random.default_rng(0)
    train, held_out = gaussian(rng, 1000), gaussian(rng, 200)
    held_out[:30] = train[:30] + 1e-5
    found = checked(train, held_out)
    # The natural share is estimated from 500 rows: sd .014, times 200 rows 2.8 (derived); four of them.
    assert abs(len(found.table) - 30) < 12 and set(range(30)) - set(found.table["held_out"]) == set()
    out, p = excess(np.r_[np.zeros(10), np.full(10, 0.2), np.ones(80)], np.r_[np.full(10, 0.1), np.ones(90)])
    assert out.tolist() == list(range(11)) and p < 0.05          # (20 - .1 * 100) / .9 = 11.1


@pytest.mark.parametrize("n_held_out", [60, 200])
@pytest.mark.parametrize("draw", [gaussian, manifold])
def test_fault_3_5_held_out_rows_of_another_scale_are_no_null(draw, n_held_out):
    rng = np.random.default_rng(0)
    train = draw(rng, 600)
    assert checked(train, draw(rng, n_held_out)).not_judged is None
    found = checked(train, draw(rng, n_held_out, 2.0)).not_judged
    assert found.startswith(f"the {n_held_out} held-out examples are not exchangeable") and "--held-out 0.1" in found


def test_fault_3_5_near_duplicated_training_rows_hide_no_shift_and_make_none():
    """Every training row has a near-duplicate, no held-out row has: as for fresh samples, that is no shift."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 16))
    train = np.concatenate([rows, rows + 0.02 * rng.normal(size=rows.shape)]).astype(np.float32)
    fresh = rng.normal(size=(200, 16)).astype(np.float32)
    assert checked(train, fresh).not_judged is None
    assert "are not exchangeable with training examples" in checked(train, 2 * fresh).not_judged


def test_rows_of_one_content_share_a_fold():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    x = np.concatenate([x, x + 1e-6])
    groups = near_duplicates(x)
    assert (groups[:60] == groups[60:]).all() and len(np.unique(groups)) == 60
    fold = folds(np.repeat([0, 1], 60), groups, rng)
    assert (fold[:60] == fold[60:]).all() and set(fold) == set(range(5))


def raw(d1, null_d1, feature="pixels"):
    rows = [pd.DataFrame({"source": source, "d1": d, "d2": np.asarray(d) * 1.1}) for source, d in
            (("model", d1), ("heldout", null_d1))]
    return pd.concat(rows, ignore_index=True).assign(feature=feature)


def test_samples_unlike_the_data_are_named_in_every_space_only():
    near, far = raw([1.0, 1.2, 1.1], [1.0, 1.1, 1.2]), raw([9.0, 8.0, 10.0], [1.0, 1.1, 1.2])
    assert unlike_data(near) is None
    assert unlike_data(far).startswith("the samples are not data-like: nine of ten lie farther than 8.2 ")
    assert unlike_data(pd.concat([far, near.assign(feature="pca")])) is None
    assert unlike_data(far[far["source"] == "model"]) is None


def test_other_samplers_are_data_like_and_noise_is_not():
    train = load_dataset("digits")
    rng, rows = np.random.default_rng(0), train[:200]
    draws = {"copies": rows, "shrunken": 0.8 * train.held_out[:200], "few": train.held_out[:3][torch.arange(200) % 3],
             "noisy": rows + 0.1 * torch.from_numpy(rng.normal(size=rows.shape)).float(),
             "blurred": torch.nn.functional.avg_pool2d(rows, 3, 1, 1, count_include_pad=False),
             "noise": torch.from_numpy(rng.normal(size=rows.shape)).float()}
    null = tabulate(np.arange(200), train.held_out[:200], train, source="heldout")
    found = {name: unlike_data(pd.concat([null, tabulate(np.arange(200), x, train, source="model")]))
             for name, x in draws.items()}
    assert [name for name, reason in found.items() if reason] == ["noise"]


def test_one_sample_repeated_is_not_judged():
    train = load_dataset("digits")
    copy, fresh = train[:1].repeat(9, 1, 1, 1), train.held_out[:1].repeat(9, 1, 1, 1)
    assert one_image(train[:9]) is None and one_image(train[:1]) is None
    table = tabulate(np.arange(9), copy, train, source="model")
    assert "all 9 samples are one and the same, a copy of training example 0 (d1/d2 = 0)" in one_image(copy, table)
    table = tabulate(np.arange(9), fresh, train, source="model")
    assert "no copy of any training example, nearest to training example" in one_image(fresh, table)


def test_of_many_rows_a_part_is_searched(monkeypatch):
    monkeypatch.setattr("fmdiag.diagnostics.nulls.check.MOST_ROWS", 150)
    monkeypatch.setattr("fmdiag.diagnostics.nulls.check.DISTANCES", 1)
    rng = np.random.default_rng(0)
    train, held_out = (rng.normal(size=(n, 8)).astype(np.float32) for n in (300, 200))
    assert len(checked(train, held_out).kept) == 200
    held_out[::10] = train[:20]
    found = checked(train, held_out)  # 100 searched, about 10 of them copies: what was not searched is not used
    assert len(found.kept) + len(found.table) == 100 and not set(found.kept) & set(range(0, 200, 10))


def test_the_check_is_kept_as_plain_values(tmp_path):
    train, held_out = scenes(300, 0), scenes(100, 1)
    held_out[:10] = [as_jpeg(row) for row in train[:10]]
    with pytest.warns(FmdiagWarning, match="10 of 100 held-out examples are nearly training examples"):
        table = checked(train, held_out).noted(pd.DataFrame({"d1": [0.0]}))
    assert len(table.attrs["overlap"]) == 10 and "null" not in table.attrs
    assert len(pd.concat([table, table], ignore_index=True).attrs["null_checks"]) == 5
    table.to_parquet(tmp_path / "table.parquet")


def test_copies_are_found_beside_held_out_rows_of_which_a_fifth_were_trained_on():
    """A tenth of 200 fresh pictures are copies, stored as JPEG; a fifth of the held-out rows are, and are left out."""
    train, held_out, samples = scenes(400, 0), scenes(200, 1), scenes(200, 2)
    held_out[:40], samples[:20] = train[:40], [as_jpeg(row) for row in train[100:120]]
    rows = TrainingSet(train, held_out_source=TrainingSet(held_out))
    with pytest.warns(FmdiagWarning, match="40 of 200 held-out examples equal training examples and are left out"):
        table = measure(TrainingSet(samples)[:], rows, closed_form=False)
    assert table[table["source"] == "model"]["memorized"].sum() == 20
    assert not table[table["source"] == "heldout"]["memorized"].any()
    assert rows.overlap.not_judged() is None and "null" not in table.attrs
    assert verdict(table).answer == "copies found"


def test_a_null_of_another_scale_is_named_by_the_measurement():
    rng = np.random.default_rng(0)
    rows = TrainingSet(gaussian(rng, 400), held_out_source=TrainingSet(gaussian(rng, 200, 2.0)))
    table = measure(gaussian(rng, 200), rows, closed_form=False)
    assert "are not exchangeable with training examples" in table.attrs["null"]
