import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fmdiag.cli.datasets import command
from fmdiag.datasets import load_dataset, photo_tiles
from fmdiag.datasets.cards import load_card, plain
from fmdiag.datasets.named import NAMED, listing

FASHION = Path("/usr/share/datasets/fashion-mnist")
PACKAGES = load_card("photo-tiles").debian
needs_fashion = pytest.mark.skipif(not FASHION.is_dir(), reason="needs the Debian package dataset-fashion-mnist")
needs_photographs = pytest.mark.skipif(not all((photo_tiles.INSTALLED / f"{name}.list").is_file() for name in PACKAGES),
                                       reason=f"needs the Debian packages {' '.join(PACKAGES)}")


@pytest.mark.parametrize("name", NAMED)
def test_every_card_is_complete(name):
    card = load_card(name)
    assert card.title and card.source and card.licence and card.citation and card.n_train and card.n_test and card.shape
    for file in card.files:
        assert file.hash is None or len(file.hash) == {"md5": 36, "sha256": 71}[file.hash.split(":")[0]]
    assert json.loads(json.dumps(plain(card)))["name"] == name


def test_every_card_is_a_named_set():
    data = Path(__file__).parents[2] / "data"
    assert {path.stem for path in data.glob("*.toml")} == set(NAMED)


@pytest.mark.parametrize("name", ["digits", "two-moons", "gaussian", "mixture"])
def test_cards_tell_the_truth(name):
    card, train = load_card(name), load_dataset(name)
    assert (card.shape, card.n_train, card.n_test) == (train.shape, train.n, train.held_out.n)


@pytest.mark.realdata
@needs_fashion
def test_fashion_mnist_of_debian():
    train = load_dataset("fashion-mnist", offline=True)
    assert (train.n, train.shape, train.held_out.n) == (60_000, (1, 28, 28), 10_000)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    # The mean and standard deviation of its grey values, quoted everywhere the set is normalised.
    values = train.rows / np.float32(255)
    assert abs(values.mean() - 0.2860) < 1e-4 and abs(values.std() - 0.3530) < 1e-4


def photograph(seed, size=(300, 280)):
    """Return a picture of many colours and sharp edges: noise, enlarged."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def unpacked_packages(data_root):
    folder = data_root / "photo-tiles" / "usr" / "share"
    folder.mkdir(parents=True)
    for k in range(12):
        photograph(k).save(folder / f"{k:02}.png")
    photograph(20, (100, 90)).save(folder / "a.png")
    Image.new("RGB", (400, 400), "blue").save(folder / "b.png")
    (folder / "c.jpg").write_bytes(b"damaged")
    photograph(30).save(folder / "x.webp", lossless=True)
    (folder / "z.rcc").write_bytes(b"qres" + (folder / "x.webp").read_bytes() + b"rest")
    return folder


def test_photographs_are_told_from_drawings_and_split_whole(unpacked_packages):
    train = load_dataset("photo-tiles", size=64)
    test = train.held_out
    # Photographs 00 to 11 and the one in z.rcc; numbers 0 and 10 are the test part, x.webp itself is none of the types.
    assert set(train.labels) == {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12} and set(test.labels) == {0, 10}
    assert train.shape == (3, 64, 64) and isinstance(train.rows, np.memmap)
    for rows in (train, test):   # the card's own groups
        assert [int(rows.group_names[k]) for k in rows.groups] == rows.labels.tolist()
    assert load_dataset("photo-tiles", size=64, groups="none").groups is None


def test_tiles_do_not_overlap_and_cover_every_scale():
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    tiles = photo_tiles.cut_tiles(Image.fromarray(pixels), 96)
    # Scales with a short side of at least 96: 768 512 384 256 192 128 96 give 8² 5² 4² 2² 2² 1 1 tiles at most; the
    # last is the whole picture, resampled.
    assert 1 <= len(tiles) <= 64 + 25 + 16 + 4 + 4 + 1 + 1
    exact = photo_tiles.cut_tiles(Image.fromarray(pixels), 256)
    assert any(np.array_equal(tile, pixels.transpose(2, 0, 1)) for tile in exact)


@pytest.mark.parametrize("size", [7, 257])
def test_tiles_of_impossible_size_are_refused(size, unpacked_packages):
    with pytest.raises(Exception, match="8 to 256"):
        load_dataset("photo-tiles", size=size)


@pytest.mark.realdata
@needs_photographs
def test_photo_tiles_of_debian(tmp_path):
    """Photographs of a middling size, and a small resource; `python -m checks.photo_tiles` counts the tiles of all."""
    (tmp_path / "photo-tiles").mkdir()
    for file in photo_tiles.picture_files(load_card("photo-tiles"), tmp_path / "none"):
        if file.name == "babyshapes.rcc" or file.suffix == ".jpg" and 3e5 < file.stat().st_size < 8e5:
            shutil.copy(file, tmp_path / "photo-tiles")
    train = load_dataset("photo-tiles", data_root=tmp_path)
    assert train.shape == train.held_out.shape == (3, 32, 32) and train.n > train.held_out.n > 0
    assert not set(train.labels) & set(train.held_out.labels)
    assert train.rows.std(axis=(1, 2, 3)).min() > 0, "a tile of one colour shows nothing"


def test_listing_downloads_nothing(data_root):
    sets, root = listing()
    assert root == data_root and not data_root.exists()
    assert {card["name"]: card["here"] for card in sets}["mnist"] is None


def test_the_command_prints_a_table_and_json(data_root):
    text = CliRunner().invoke(command, [], catch_exceptions=False).output
    assert all(name in text for name in NAMED) and str(data_root) in text.replace("\n", "")
    content = json.loads(CliRunner().invoke(command, ["--json"], catch_exceptions=False).output)
    assert [card["name"] for card in content["datasets"]] == list(NAMED)
    assert content["datasets"][0]["here"] == "bundled"


def test_the_command_sees_what_lies_in_the_data_root(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").touch()
    content = json.loads(CliRunner().invoke(command, ["--json", "--data-root", str(tmp_path)]).output)
    here = {card["name"]: card["here"] for card in content["datasets"]}
    assert here["cifar10"] == str(tmp_path / "cifar-10-batches-py") and here["imagenette"] is None
