"""Copies of parts: nearest windows, areas and mosaic counts against brute force, planted parts, and what is refused."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import fmdiag
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.patches import judge as judging
from fmdiag.diagnostics.patches.cover import masks, mosaic, needed
from fmdiag.diagnostics.patches.measure import measured
from fmdiag.diagnostics.patches.run import pictures
from fmdiag.diagnostics.patches.search import KEPT, WindowSearch
from fmdiag.diagnostics.patches.summary import control_failed, reading, summarise
from fmdiag.diagnostics.patches.windows import Windows, typical, windows_of
from fmdiag.errors import FmdiagError

PLAIN = {"closed_form": False, "patch_theory": False, "n_any": 0}


def noise(n, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


@pytest.fixture(scope="module")
def mirrored():
    """Return 60 images and their mirror images; 10 equals 3, and 20 and 5 have their upper halves in common."""
    rows = noise(60, 2, 9, 8)
    rows[10], rows[20, :, :4] = rows[3], rows[5, :, :4]
    return TrainingSet(rows, hflip=True)


def brute(train, query, k, place):
    """Return (d1, d2) of one window in float64 from all windows of all rows, written out."""
    both = np.concatenate([train.rows, train.rows[..., ::-1]]).astype(np.float64)
    views = np.lib.stride_tricks.sliding_window_view(both, (k, k), axis=(2, 3))
    squares = ((views - query[None, :, None, None]) ** 2).sum((1, 4, 5))
    places = [np.unravel_index(one.argmin(), one.shape) for one in squares] if place is None else [place] * len(both)
    distances = np.array([one[at] for one, at in zip(squares, places, strict=True)])
    windows = np.array([view[:, *at] for view, at in zip(views, places, strict=True)])
    names = np.where(np.arange(len(both)) % train.n_stored == 10, 3, np.arange(len(both)) % train.n_stored)
    first = distances.argmin()
    other = (names != names[first]) & (windows != windows[first]).reshape(len(both), -1).any(1)
    return np.sqrt(distances[first]), np.sqrt(distances[other].min())


@pytest.mark.parametrize("memory", [10**6, None])
def test_nearest_windows_are_those_of_all_distances_in_float64(mirrored, memory):
    windows, queries = windows_of(mirrored, 3, 2), torch.from_numpy(noise(4, 2, 9, 8, seed=1))
    queries[0], queries[1] = torch.from_numpy(mirrored.rows[5]), torch.from_numpy(mirrored.rows[7]).flip(-1)
    chosen = np.ones((4, len(windows.places)), bool)
    chosen[2, 3] = False
    search = WindowSearch(mirrored, windows, typical(mirrored)[0], threshold=1 / 3, memory=memory)
    for found, anywhere in ((search.at_the_place(queries, chosen, windows), False),
                            (search.anywhere(queries, chosen, windows), True)):
        for k, (b, which) in enumerate(np.argwhere(chosen)):
            top, left = windows.places[which]
            query = queries[b, :, top : top + 3, left : left + 3].double().numpy()
            wanted = brute(mirrored, query, 3, None if anywhere else (top, left))
            np.testing.assert_allclose((found.d1[k], found.d2[k]), wanted, rtol=1e-12)
        assert [found.images[0].tolist(), found.images[-1].size] == [[5, 20], 1]   # equal windows are one content


def test_windows_that_recur_are_common_and_flat_ones_blank():
    """KEPT rows share their left half; the right half of the first is flat, and all of the last."""
    rows = noise(20, 1, 6, 12)
    rows[:KEPT, :, :, :6] = rows[0, :, :, :6]
    rows[0, :, :, 6:], rows[19] = 0.3, 0.5
    found = fmdiag.patches(rows[[0, 1, 9, 19]], TrainingSet(rows), window=6, stride=6, **PLAIN)
    assert found["judged_share"].tolist() == [0, 0.5, 1, 0] and found["area_share"].tolist() == [0, 1, 1, 0]
    assert found["nearest"].tolist() == [-1, 1, 9, -1] and found["flagged"].tolist() == [False, True, True, False]
    less = fmdiag.patches(rows[[1]], TrainingSet(rows[1:]), window=6, stride=6, **PLAIN)   # one fewer, none is common
    assert less["judged_share"].tolist() == [1.0] and less["area_share"].tolist() == [1.0]


def test_areas_and_counts_are_those_of_enumeration():
    """Union by pixels; the least cover by all subsets, which greedy choice reaches in nearly all of 40 draws."""
    windows, rng, as_few = Windows((1, 7, 7), 3), np.random.default_rng(0), 0
    for _ in range(40):
        m = rng.integers(1, 9)
        places = windows.places[rng.integers(len(windows.places), size=m)]
        images = [np.unique(rng.integers(6, size=2)) for _ in range(m)]
        agrees, judged, union = rng.random((m, 3, 3)) < 0.9, rng.random((7, 7)) < 0.9, np.zeros((7, 7), bool)
        found, own = (of(windows, places, images, agrees, judged) for of in (mosaic, masks))
        for (top, left), pixels in zip(places, agrees, strict=True):
            union[top : top + 3, left : left + 3] |= pixels & judged[top : top + 3, left : left + 3]
        assert found.n_copied == union.sum() and ((found.sources >= 0) == union).all()
        assert all(own[name][found.sources == name].all() for name in own)
        least = next(size for size in range(1, 7) for chosen in combinations(own, size)
                     if np.any([own[name] for name in chosen], axis=0).sum() >= needed(found.n_copied))
        assert least <= found.count <= least * (1 + np.log(49))
        as_few += found.count == least
    assert as_few >= 38
    nothing = np.empty((0, 2), int), [], np.empty((0, 3, 3), bool), np.ones((7, 7), bool)
    assert mosaic(windows, *nothing).count == 0


def test_pixels_count_where_they_agree_and_say_something():
    """A noisy copy of a window beside pixels that a passing window also covers, and a blank strip that is copied."""
    rows, rng = noise(30, 2, 12, 12), np.random.default_rng(1)
    rows[4, :, :, 8:] = 0.0
    sample = rows[[4]] + 0.05 * rng.normal(size=(1, 2, 12, 12)).astype(np.float32)
    sample[:, :, 5, 5], sample[:, :, :, 8:] = rows[4, :, 5, 5] + 1.5, 0.0
    train = TrainingSet(rows)
    found = measured(sample, train, window=6, held_out=False, **PLAIN, generator=torch.Generator().manual_seed(0))
    d2 = [np.sort(np.sqrt(np.square(rows - sample)[:, :, top : top + 6, left : left + 6].sum((1, 2, 3))))[1]
          for top, left in np.ndindex(7, 7)]
    expected, differences = np.zeros((12, 12), bool), np.square(sample[0] - rows[4]).mean(0)
    for (top, left), second in zip(np.ndindex(7, 7), d2, strict=True):
        here = np.s_[top : top + 6, left : left + 6]
        if np.sqrt(2 * differences[here].sum()) < second / 3:
            expected[here] |= differences[here] < (second / 3) ** 2 / 72
    expected[:, 9:] = False     # of 3 x 3 pixels around column 8 some are not blank
    assert not expected[5, 5] and 90 < expected.sum() < 108
    np.testing.assert_array_equal(found.maps["model"][0] == 4, expected)
    assert found.table["judged_share"].tolist() == [0.75]
    assert found.table["area_share"].tolist() == pytest.approx([expected.sum() / 108])


@pytest.fixture(scope="module")
def planted():
    """Return (training set, samples): parts of rows 4 and 9 in the first, all of row 2 mirrored, and nothing."""
    train = TrainingSet(noise(40, 1, 16, 16), hflip=True, held_out_source=TrainingSet(noise(30, 1, 16, 16, seed=5)))
    samples = noise(12, 1, 16, 16, seed=9)
    samples[0, :, :8, :8], samples[0, :, 8:, 6:14] = train.rows[4][:, :8, :8], train.rows[9][:, 8:, 6:14]
    samples[1] = train.rows[2][..., ::-1]
    return train, samples


def test_planted_parts_are_found_pixel_by_pixel(planted, monkeypatch):
    train, samples = planted
    found = measured(samples, train, window=4, closed_form=False, patch_theory=False, n_any=3,
                     generator=torch.Generator().manual_seed(0))
    same = found.table[found.table["place"] == "same"].set_index(["source", "sample"])
    assert same.loc["model", "area_share"].tolist() == [0.5, 1.0, *[0.0] * 10]
    assert same.loc["model", "n_images"].tolist() == [2, 1, *[0] * 10]
    expected = np.full((16, 16), -1)
    expected[:8, :8], expected[8:, 6:14] = 4, 9
    np.testing.assert_array_equal(found.maps["model"][0], expected)
    assert (found.maps["model"][1] == 2).all() and not same.loc["heldout", "flagged"].any()
    monkeypatch.setattr(judging, "AT_ONCE", 5)
    again = measured(samples, train, window=4, closed_form=False, patch_theory=False, n_any=3, memory=10**6,
                     generator=torch.Generator().manual_seed(0))
    pd.testing.assert_frame_equal(again.table, found.table)


def test_the_picture_shows_the_mirror_image_that_was_copied(planted):
    train, samples = planted
    found = measured(samples[:2], train, window=4, held_out=False, **PLAIN, generator=torch.Generator().manual_seed(0))
    shown = pictures(found, SimpleNamespace(training_set=train, decoder=None))
    assert shown["sample"].tolist() == [1, 0] and shown["rows"].tolist() == [[2, -1, -1], [4, 9, -1]]
    assert shown["mirrored"].tolist() == [[True, False, False], [False] * 3]
    np.testing.assert_array_equal(shown["row_images"][0, 0], shown["images"][0])


def test_shifted_parts_are_found_at_any_place_only(planted):
    train, samples = planted
    moved = samples[:2].copy()
    moved[0] = np.roll(train.rows[4], 3, axis=-1)
    table = fmdiag.patches(moved, train, window=4, held_out=False, **PLAIN | {"n_any": 2})
    table = table.set_index(["place", "sample"])
    assert table.loc[("same", 0), "area_share"] == 0 and table.loc[("any", 0), "nearest"] == 4
    assert table.loc[("any", 0), "area_share"] >= 0.7    # all but windows over the seam


def test_another_order_of_the_training_images_changes_names_only(planted):
    train, samples = planted
    order = np.random.default_rng(1).permutation(40)
    other = TrainingSet(train.rows[order], hflip=True)
    one, two = (fmdiag.patches(samples, rows, window=4, held_out=False, **PLAIN) for rows in (train, other))
    pd.testing.assert_frame_equal(one.drop(columns="nearest"), two.drop(columns="nearest"))
    here = one["nearest"] >= 0
    assert (order[two["nearest"][here]] == one["nearest"][here]).all() and (two["nearest"][~here] == -1).all()


def rows_of(model, heldout, n=100, control=1):
    """Return a table in which so many of n samples and held-out images are flagged, each from its own image."""
    rows = [{"source": source, "sample": k, "place": "same", "area_share": 0.5 * (k < count), "flagged": k < count,
             "close_share": 0.0, "close_flagged": False, "nearest": k if k < count else -1,
             "n_images": int(k < count) if source != "closed_form" else control,
             "judged_share": 1.0, "window": 7, "area": 0.15}
            for source, count in (("model", model), ("heldout", heldout), ("closed_form", n)) for k in range(n)]
    return pd.DataFrame(rows)


def test_the_reading_claims_what_the_test_says():
    """13 of 100 against 0: p = C(100, 13) / C(200, 13), twice for two bounds; from one image they count as one of 8."""
    found = rows_of(13, 0)
    p = summarise(found).set_index("quantity").loc["patches_p", "value"]
    assert p == pytest.approx(2 * np.prod([(100 - k) / (200 - k) for k in range(13)]), rel=1e-9)
    assert reading(found).startswith("More samples than held-out images have parts of training images (p = 0.00016)")
    alone = found.assign(nearest=np.where(found["flagged"], 3, -1))
    assert summarise(alone).set_index("quantity").loc["patches_p", "value"] == pytest.approx(2 * 8 / 108)
    close = rows_of(13, 13).assign(close_flagged=lambda rows: rows["flagged"] & (rows["source"] == "model"))
    assert summarise(close).set_index("quantity").loc["patches_p", "value"] == p
    assert reading(alone).startswith("Samples are not shown to have")
    assert reading(found[found["source"] != "heldout"]).startswith("No verdict: there are no held-out images")
    assert reading(found, "reason").startswith("Not judged: reason.")
    assert "patches_p" not in set(summarise(found, judged=False)["quantity"])
    assert control_failed(found) is None and "only 0%" in control_failed(rows_of(1, 1, control=2))


@pytest.mark.parametrize(("shape", "options", "message"), [
    ((1, 8, 8), {"window": 9}, "must be 2 to 8 pixels wide for images of 8 x 8, got 9: give --window 5"),
    ((1, 8, 8), {"window": 4, "stride": 5}, "the stride of windows must be 1 to 4"),
    ((6,), {}, "patches needs images, rows of shape"),
    ((1, 8, 8), {"threshold": 2}, "patches: threshold must be a number above 0 and at most 1, got 2"),
])
def test_what_does_not_fit_is_refused_in_one_line(shape, options, message):
    rows = noise(10, *shape)
    with pytest.raises(FmdiagError, match=message) as caught:
        fmdiag.patches(rows[:2], TrainingSet(rows), **PLAIN | options)
    assert "\n" not in str(caught.value)


def test_constant_training_images_are_refused():
    rows = np.ones((5, 1, 8, 8), np.float32)
    with pytest.raises(FmdiagError, match="all values of the training images are equal, so that every window is blank"):
        fmdiag.patches(rows[:2], TrainingSet(rows), **PLAIN)
