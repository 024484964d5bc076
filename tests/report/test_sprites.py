"""Many pictures in one: each at its place, each different one once."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from fmdiag.report.sprites import sprite

RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def _the_same_draws_in_any_order():
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state



def opened(sheet):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["src"].split(",")[1]))))


def at(pixels, sheet, number):
    (row, column), height, width = divmod(int(number), sheet["columns"]), sheet["height"], sheet["width"]
    return pixels[row * height:(row + 1) * height, column * width:(column + 1) * width]


@pytest.mark.parametrize(("channels", "shown"), [(1, 0), (2, 0), (3, slice(3)), (4, slice(3))])
def test_every_picture_is_found_at_its_number(channels, shown):
    images = RNG.integers(0, 256, (7, channels, 5, 6), dtype=np.uint8)
    sheet, numbers = sprite(images)
    assert (sheet["width"], sheet["height"]) == (6, 5) and sheet["src"].startswith("data:image/png")
    pixels = opened(sheet)
    for image, number in zip(images, numbers, strict=True):
        np.testing.assert_array_equal(at(pixels, sheet, number), np.moveaxis(image, 0, -1)[..., shown])


def test_equal_pictures_are_kept_once():
    images = np.repeat(RNG.integers(0, 256, (3, 1, 4, 4), dtype=np.uint8), 50, axis=0)
    sheet, numbers = sprite(images)
    assert len(set(numbers.tolist())) == 3 and opened(sheet).size <= 4 * 16


def test_large_photographs_become_webp_below_the_budget_of_a_page():
    smooth = np.kron(RNG.integers(0, 256, (100, 3, 8, 8)), np.ones((1, 1, 16, 16))).astype(np.uint8)
    noisy = np.clip(smooth + RNG.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    sheet, _ = sprite(noisy)
    assert sheet["src"].startswith("data:image/webp") and sheet["width"] == 96 and len(sheet["src"]) < 1_500_000


def test_the_worst_that_a_run_can_hold_fits_a_page_of_ten_megabytes(tmp_path):
    """Noise, which nothing compresses: 41 values of tau at 96 pixels and a full gallery.

    Figures take 2.4 MB at most, a third more in base64; so the data for the script may take 6.5 MB.
    """
    from synthetic_run import hybrid_tables, memorization_tables, run_json

    from fmdiag.figures import RunData
    from fmdiag.report.exploring import as_script, exploring
    from fmdiag.results import save_table

    def noise(*shape):
        return RNG.integers(0, 256, shape, dtype=np.uint8)

    (tmp_path / "arrays").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "run.json").write_text(json.dumps(run_json()))
    _, table = save_table(tmp_path, "hybrid", hybrid_tables(RNG)[0]), memorization_tables(RNG, n_samples=60)[0]
    save_table(tmp_path, "memorization", table)
    strips = noise(41, 8, 3, 96, 96)
    np.savez(tmp_path / "arrays" / "hybrid.npz", taus=np.linspace(0, 1, 41), images=strips, nearest=strips[::-1])
    half = 2_400_000 // 2 // (3 * 64 * 64)
    np.savez(tmp_path / "arrays" / "gallery.npz", source=np.full(half, "model"), sample=np.arange(half),
             picture=np.arange(half), images=noise(half, 3, 64, 64), rows=np.arange(half), copies=np.ones(half, int),
             row_images=noise(half, 3, 64, 64))
    assert len(as_script(exploring(RunData(tmp_path)))) < 6_500_000
