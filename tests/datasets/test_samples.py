"""Samples are converted where nothing is lost, and said; else the remedy is named, and it works."""

import numpy as np
import pytest
import torch
from PIL import Image

from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.datasets.samples import load_samples, remedy
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.points.measurable import measurable
from fmdiag.errors import FmdiagError, FmdiagWarning

DIGITS = load_dataset("digits")


def bytes_of(training_set, n):
    return training_set.to_uint8(training_set[:n]).numpy()


def colours(n=40, side=8):
    rows = np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    return TrainingSet(rows, name="colours")


def saved_pictures(folder, images, mode):
    folder.mkdir()
    for k, image in enumerate(images):
        Image.fromarray(image).convert(mode).save(folder / f"{k:03}.png")
    return folder


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_fault_2_6_grey_samples_saved_in_colour_are_grey(tmp_path, mode):
    """Digits have 17 levels, so that 8 bits hold them but for rounding by at most 1/255 of the range."""
    folder = saved_pictures(tmp_path / "s", bytes_of(DIGITS, 12)[:, 0], mode)
    if mode == "L":
        found = load_samples(folder, DIGITS)
    else:
        with pytest.warns(FmdiagWarning, match="all three are equal"):
            found = load_samples(folder, DIGITS)
    assert found.shape == (12, 1, 8, 8) and (found - DIGITS[:12]).abs().max() <= 1 / 255 + 1e-6


def test_fault_2_6_colours_beside_grey_rows_name_the_true_remedy():
    with pytest.raises(FmdiagError, match="grey: give training examples in colour, or grey samples"):
        measure(colours()[:], DIGITS, closed_form=False, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("way", ["grey", "last", "opaque", "opaque last", "axis"])
def test_fault_2_6_lossless_ways_in_python(way):
    grey = TrainingSet(np.repeat(colours().rows[:, :1], 3, 1), name="grey in colour")
    x = grey[:10]
    opaque = torch.cat([x, torch.ones(10, 1, 8, 8)], 1)
    given = {"grey": x[:, :1], "last": x.permute(0, 2, 3, 1), "opaque": opaque, "axis": x[:, None],
             "opaque last": opaque.permute(0, 2, 3, 1)}[way]
    with pytest.warns(FmdiagWarning, match="samples: "):
        table = measure(given.numpy(), grey, held_out=False, closed_form=False,
                        generator=torch.Generator().manual_seed(0))
    assert (table["d1"] == 0).all() and table["nearest"].tolist() == list(range(10))


def test_fault_2_6_a_constant_border_is_cut():
    padded = torch.nn.functional.pad(DIGITS[:9], (2, 2, 2, 2), value=-1.0)
    with pytest.warns(FmdiagWarning, match="border of 2 and 2 pixels cut"):
        assert torch.equal(load_samples(padded, DIGITS), DIGITS[:9])
    padded[3, 0, 0, 0] = 0
    with pytest.raises(FmdiagError, match="--size 8"):
        measure(padded, DIGITS, generator=torch.Generator().manual_seed(0))


def test_fault_2_6_the_advice_on_sizes_works(tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (5, 1, 12, 12), dtype=np.uint8)
    np.save(tmp_path / "s.npy", rows)
    assert "--size 8" in remedy((1, 12, 12), DIGITS.shape)
    assert load_samples(tmp_path / "s.npy", DIGITS, size=8).shape == (5, 1, 8, 8)


@pytest.mark.parametrize(("gap", "edge"), [(2, 2), (1, 0), (0, 0)])
def test_fault_2_6_a_grid_is_recognised(tmp_path, gap, edge):
    """Six digits in two rows of three, as image savers lay them out."""
    page = np.zeros((2 * 8 + gap + 2 * edge, 3 * 8 + 2 * gap + 2 * edge), np.uint8)
    for k, image in enumerate(bytes_of(DIGITS, 6)[:, 0]):
        top, left = edge + k // 3 * (8 + gap), edge + k % 3 * (8 + gap)
        page[top : top + 8, left : left + 8] = image
    Image.fromarray(page).save(tmp_path / "grid.png")
    found = load_samples(tmp_path / "grid.png", DIGITS)
    with pytest.raises(FmdiagError, match="looks like a grid of 2 x 3 samples of 8 x 8 pixels"):
        measure(found, DIGITS, generator=torch.Generator().manual_seed(0))


def test_fault_2_6_a_single_picture_is_one_sample(tmp_path):
    Image.fromarray(bytes_of(DIGITS, 1)[0, 0]).save(tmp_path / "one.png")
    assert load_samples(tmp_path / "one.png", DIGITS).shape == (1, 1, 8, 8)
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FmdiagError, match="bad.png: unreadable picture"):
        load_samples(tmp_path / "bad.png", DIGITS)


def test_a_sample_range_may_be_left_a_little_by_a_network_that_is_not_clamped():
    noisy = (DIGITS[:50] + 0.067 * torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 1) / 2
    assert noisy.min() < -0.05
    assert torch.allclose(load_samples(noisy, DIGITS, value_range=(0, 1)), noisy * 2 - 1, atol=1e-6)
    for wrong in ((0, 0.5), (0, 255)):
        with pytest.raises(FmdiagError, match="outside the value_range 0 to"):
            load_samples(noisy, DIGITS, value_range=wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
@pytest.mark.parametrize("value_range", [None, (0, 1)])
def test_samples_that_diverged_are_read_and_left_to_the_measurement(value, value_range, tmp_path):
    train = load_dataset("digits")
    samples = train[:30].numpy().copy() if value_range is None else (train[:30].numpy() + 1) / 2
    samples[3] = value
    np.save(tmp_path / "samples.npy", samples)
    found = load_samples(tmp_path / "samples.npy", train, value_range=value_range)
    with pytest.warns(FmdiagWarning, match="1 of 30 samples diverged"):
        numbers, kept, _ = measurable(found, train)
    assert 3 not in numbers and len(kept) == 29
    torch.testing.assert_close(kept, train[numbers], rtol=0, atol=1e-6)
