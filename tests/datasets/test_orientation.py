"""Pictures that a camera stored on their side: turned and said, kept as stored on request, compared both ways."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from fmdiag.checkpoints.checkpoint import load_recorded
from fmdiag.datasets import load_dataset
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.memorization.rule import verdict
from fmdiag.errors import FmdiagError, FmdiagWarning


@pytest.fixture
def photos(tmp_path):
    """Return a folder of 30 pictures of 12 x 12 random pixels, 20 of them with EXIF orientation 6, 3 or 2."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    for k, image in enumerate(pixels):
        exif = Image.Exif()
        if k < 20:
            exif[0x0112] = (6, 3, 2)[k % 3]
        Image.fromarray(image).save(folder / f"{k:02}.png", exif=exif)
    return folder, torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_dataset(*arguments, **options)


def test_fault_2_3_turned_pictures_are_said_and_may_be_kept_as_stored(photos):
    folder, pixels = photos
    with pytest.warns(FmdiagWarning, match="20 of 30 pictures are turned upright.*--orientation stored"):
        upright = load_dataset(folder)
    stored = quietly(folder, orientation="stored")
    assert torch.equal(stored[:], pixels) and torch.equal(upright[20:], pixels[20:])
    assert torch.equal(upright[0], pixels[0].rot90(-1, (1, 2))) and torch.equal(upright[2], pixels[2].flip(-1))
    assert upright.describe()["turned"] == 20 and stored.describe()["orientation"] == "stored"
    assert upright.cautions and not stored.cautions and upright.fingerprint != stored.fingerprint
    with pytest.raises(FmdiagError, match="orientation"):
        load_dataset(folder, orientation="sideways")


def test_fault_2_3_copies_that_depend_on_the_orientation_are_not_judged(photos):
    folder, pixels = photos
    with pytest.warns(FmdiagWarning):
        upright = load_dataset(folder)
    with pytest.warns(FmdiagWarning, match="18 of 18 samples are copies of the pictures.*as stored, 0 of them turned"):
        table = measure(pixels[:18], upright, held_out=False, closed_form=False,
                        generator=torch.Generator().manual_seed(0))
    found = verdict(table, not_judged=table.attrs["not_judged"]).text
    assert found.startswith("Not judged") and "--orientation stored" in found
    # What it advises works, and the other way round it says so as well.
    table = measure(pixels[:18], quietly(folder, orientation="stored"), held_out=False, closed_form=False,
                    generator=torch.Generator().manual_seed(0))
    assert table["memorized"].all() and not table.attrs
    with pytest.warns(FmdiagWarning, match="--orientation upright"):
        measure(upright[:18], quietly(folder, orientation="stored"), held_out=False, closed_form=False,
                generator=torch.Generator().manual_seed(0))


def test_fresh_samples_are_judged_in_either_orientation(photos):
    folder, _ = photos
    samples = torch.rand(18, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
    table = measure(samples, quietly(folder, orientation="stored"), held_out=False, closed_form=False,
                    generator=torch.Generator().manual_seed(0))
    assert not table.attrs


def test_subsets_and_splits_know_their_rows_in_the_other_orientation(photos):
    folder, pixels = photos
    with pytest.warns(FmdiagWarning):
        upright = load_dataset(folder, held_out=0.2, n=15)
    numbers = [(quietly(folder, orientation="stored")[:] == row).flatten(1).all(1).nonzero().item()
               for row in upright.otherwise_turned()[:]]
    assert len(set(numbers)) == 15
    assert torch.equal(pickle.loads(pickle.dumps(upright)).otherwise_turned()[:], pixels[numbers])


def test_a_record_reproduces_the_orientation(photos):
    folder, pixels = photos
    recorded = {**quietly(folder, orientation="stored").describe(), "source": str(folder)}
    assert torch.equal(load_recorded(recorded)[:], pixels)
    with pytest.warns(FmdiagWarning, match="20 of 30"):
        assert not torch.equal(load_recorded(recorded, orientation="upright")[:], pixels)


def test_pictures_of_one_size_only_when_turned(tmp_path):
    """A phone's pictures, some held upright: as stored they have two shapes, and are not compared."""
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = np.random.default_rng(0).integers(0, 256, (9, 10, 14, 3), dtype=np.uint8)
    for k, image in enumerate(wide):
        turned = k % 2 == 0
        Image.fromarray(image if turned else image.transpose(1, 0, 2)).save(
            tmp_path / f"{k}.png", exif=exif if turned else Image.Exif())
    with pytest.warns(FmdiagWarning, match="5 of 9"):
        upright = load_dataset(tmp_path)
    assert upright.shape == (3, 14, 10)
    samples = torch.rand(9, 3, 14, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert not measure(samples, upright, held_out=False, closed_form=False,
                       generator=torch.Generator().manual_seed(0)).attrs
