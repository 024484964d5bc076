"""Many pictures in one: each at its place, each different one once."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from fmdiag.report.sprites import sprite

RNG = np.random.default_rng(0)


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
    smooth = np.kron(RNG.integers(0, 256, (120, 3, 8, 8)), np.ones((1, 1, 16, 16))).astype(np.uint8)
    noisy = np.clip(smooth + RNG.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    sheet, _ = sprite(noisy)
    assert sheet["src"].startswith("data:image/webp") and sheet["width"] == 96 and len(sheet["src"]) < 1_500_000
