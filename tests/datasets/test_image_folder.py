import io
import os
import resource

import numpy as np
import pytest
from PIL import Image

from fmdiag.datasets import decoded as decoded_module
from fmdiag.datasets import decoding, load_dataset
from fmdiag.datasets.pictures import square
from fmdiag.errors import FmdiagError, FmdiagWarning


def noise(seed=0, shape=(8, 10, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(["b/2.png", "a/deep/er/1.png", "a/10.bmp", "b/1.webp"]):
        save(tmp_path / "pictures" / name, noise(k), **({"lossless": True} if name.endswith("webp") else {}))
    (tmp_path / "pictures" / "b" / "notes.txt").write_text("no picture")
    (tmp_path / "pictures" / "a" / ".hidden.png").write_bytes(b"no picture")
    return tmp_path / "pictures"


def test_pictures_come_in_order_with_their_classes(folder):
    read = load_dataset(folder)
    expected = [noise(k).transpose(2, 0, 1) for k in (2, 1, 3, 0)]  # a/10.bmp, a/deep/er/1.png, b/1.webp, b/2.png
    assert np.array_equal(read.rows, expected)
    assert read.labels.tolist() == [0, 0, 1, 1]
    assert (read.shape, read.divisor, read.shift) == ((3, 8, 10), 127.5, -1)


def test_decoded_pictures_are_mapped_and_reused(folder, data_root, monkeypatch):
    def decoded_again(*arguments, **options):
        raise AssertionError("decoded a second time")

    first = load_dataset(folder)
    monkeypatch.setattr(decoded_module, "_build", decoded_again)
    again = load_dataset(folder)
    assert isinstance(again.rows, np.memmap) and again.fingerprint == first.fingerprint
    assert [path.name[0] for path in (data_root / ".cache").iterdir()] != ["."]


def test_a_changed_picture_is_decoded_again(folder):
    first = load_dataset(folder)
    save(folder / "b" / "2.png", noise(9))
    assert load_dataset(folder).fingerprint != first.fingerprint


def test_other_options_have_another_cache_entry(folder, data_root):
    load_dataset(folder)
    assert load_dataset(folder, size=4).shape == (3, 4, 4)
    assert len(list((data_root / ".cache").iterdir())) == 2


def test_interrupted_decoding_leaves_nothing(folder, data_root, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding, "decode_once", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(folder)
    assert list((data_root / ".cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FmdiagError, match="cannot write to .*--data-root"):
        load_dataset(folder, data_root=tmp_path / "file")


def test_a_full_disk_leaves_nothing(folder, data_root):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, unlimited[1]))  # two of the four pictures, 240 bytes each
        with pytest.raises(FmdiagError, match="cannot write to .*File too large.*--data-root"):
            load_dataset(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert list((data_root / ".cache").iterdir()) == []
    assert load_dataset(folder).n == 4


def test_mixed_sizes_need_a_size(folder):
    save(folder / "c" / "odd.png", noise(5, (6, 5, 3)))
    with pytest.raises(FmdiagError, match=r"odd.png is 5x6, others 10x8.*--size"):
        load_dataset(folder)
    assert load_dataset(folder, size=4).n == 5


def test_size_crops_the_centre_square_before_resampling(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 4:12] = 200  # exactly the centre square
    save(tmp_path / "p" / "a.png", pixels)
    assert (load_dataset(tmp_path / "p", size=4).rows == 200).all()
    assert square(Image.fromarray(noise(0, (8, 8, 3))), 8).tobytes() == noise(0, (8, 8, 3)).tobytes()


@pytest.fixture
def with_corrupt(folder):
    good = (folder / "b" / "2.png").read_bytes()
    (folder / "b" / "1.png").write_bytes(good[: len(good) // 2])
    return folder


def test_a_corrupt_picture_is_named_and_refused(with_corrupt):
    with pytest.raises(FmdiagError, match=r"b/1.png: unreadable picture.*--skip-bad") as caught:
        load_dataset(with_corrupt)
    assert "\n" not in str(caught.value)


def test_a_corrupt_picture_is_left_out_on_request(with_corrupt, folder):
    for _ in range(2):  # decoded, and from the cache
        with pytest.warns(UserWarning, match=r"left out 1 unreadable: .*b/1.png"):
            read = load_dataset(with_corrupt, skip_bad=True)
        assert read.n == 4 and read.labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(read.rows[3], noise(0).transpose(2, 0, 1))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"not a picture at all"])
def test_any_damage_is_a_corrupt_picture(content, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "x.png").write_bytes(content)
    with pytest.raises(FmdiagError, match="x.png: unreadable"):
        load_dataset(tmp_path / "p")
    with pytest.raises(FmdiagError, match="no readable picture"):
        load_dataset(tmp_path / "p", skip_bad=True)


def test_a_decompression_bomb_is_refused(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 79)  # the pictures have 80 pixels
    with pytest.raises(FmdiagError, match="unreadable picture .larger than"):
        load_dataset(folder)


def one(tmp_path, name, image, **options):
    (tmp_path / "p").mkdir()
    image.save(tmp_path / "p" / name, **options)
    return load_dataset(tmp_path / "p").rows[0]


GREY, RGB = noise(0, (8, 10)), noise(1)
PALETTE = Image.fromarray(RGB).convert("P")


@pytest.mark.parametrize(("image", "name", "expected"), [
    (Image.fromarray(GREY), "a.png", GREY[None]),
    (Image.fromarray(GREY).convert("LA"), "a.png", GREY[None]),
    (Image.fromarray(GREY > 127), "a.png", np.where(GREY > 127, 255, 0)[None]),
    (Image.fromarray(np.dstack([RGB, GREY])), "a.png", RGB.transpose(2, 0, 1)),
    (PALETTE, "a.gif", np.asarray(PALETTE.convert("RGB")).transpose(2, 0, 1)),
    (Image.fromarray(GREY.astype(np.uint16) * 257), "a.png", GREY[None]),
    (Image.fromarray(GREY.astype(np.int32) * 257), "a.tif", GREY[None]),
], ids=["grey", "grey+alpha", "1 bit", "RGBA", "palette", "16 bit", "16 of 32 bit"])
def test_modes(image, name, expected, tmp_path):
    assert np.array_equal(one(tmp_path, name, image), expected)


def test_palette_with_transparency(tmp_path):
    expected = np.asarray(PALETTE.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(one(tmp_path, "a.png", PALETTE, transparency=bytes(range(256))), expected)


def test_floating_point_pictures_are_refused(tmp_path):
    with pytest.raises(FmdiagError, match="floating point"):
        one(tmp_path, "a.tif", Image.fromarray(GREY.astype(np.float32)))


def test_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise for display
    with pytest.warns(FmdiagWarning, match="1 of 1 pictures are turned upright"):
        row = one(tmp_path, "a.png", Image.fromarray(RGB), exif=exif)
    assert np.array_equal(row, np.rot90(RGB, -1).transpose(2, 0, 1))


def test_one_colour_picture_makes_all_have_three_channels(tmp_path):
    save(tmp_path / "p" / "a.png", GREY)
    save(tmp_path / "p" / "b.png", RGB)
    read = load_dataset(tmp_path / "p")
    assert read.shape == (3, 8, 10) and (read.rows[0] == GREY).all()


@pytest.mark.parametrize("test_name", ["test", "val", "valid", "validation", "Test"])
def test_parts_in_subfolders(tmp_path, test_name):
    for part, n in (("train", 3), (test_name, 2)):
        for k in range(n):
            save(tmp_path / part / "cat" / f"{k}.png", noise(k))
            save(tmp_path / part / "dog" / f"{k}.png", noise(10 + k))
    train = load_dataset(tmp_path)
    assert (train.n, train.held_out.n, train.held_out.split) == (6, 4, "test")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1] and load_dataset(tmp_path, split="test").n == 4


def test_a_class_called_train_is_no_part(tmp_path):
    for name in ("bus", "car", "train"):
        save(tmp_path / name / "0.png", noise())
    read = load_dataset(tmp_path)
    assert read.n == 3 and read.held_out is None and read.labels.tolist() == [0, 1, 2]


def test_a_flat_folder_has_no_labels(tmp_path):
    save(tmp_path / "p" / "0.png", noise())
    assert load_dataset(tmp_path / "p").labels is None


@pytest.mark.parametrize("make", [lambda p: None, lambda p: (p / "readme.txt").write_text("x"),
                                  lambda p: (p / "sub").mkdir()])
def test_an_empty_folder_is_refused(make, tmp_path):
    (tmp_path / "p").mkdir()
    make(tmp_path / "p")
    with pytest.raises(FmdiagError, match="p: no pictures here"):
        load_dataset(tmp_path / "p")


def test_linked_folders_are_read_once(tmp_path):
    save(tmp_path / "elsewhere" / "0.png", noise())
    (tmp_path / "p").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "p" / "linked")
    os.symlink(tmp_path / "p", tmp_path / "p" / "loop")
    assert load_dataset(tmp_path / "p").n == 1


def test_more_pictures_than_a_chunk_stay_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "CHUNK", 4)
    for k in range(11):
        save(tmp_path / "p" / f"{k:02}.png", np.full((2, 2), k, np.uint8))
    assert load_dataset(tmp_path / "p").rows[:, 0, 0, 0].tolist() == list(range(11))


def encoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


@pytest.mark.parametrize("as_struct", [True, False])
def test_parquet_of_pictures(tmp_path, as_struct):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(name, seeds):
        cells = [encoded(noise(k)) for k in seeds]
        cells = [{"bytes": cell, "path": "x.png"} for cell in cells] if as_struct else cells
        pq.write_table(pa.table({"label": list(seeds), "image": cells}), tmp_path / "data" / name, row_group_size=2)

    (tmp_path / "data").mkdir()
    write("train-00000-of-00002.parquet", range(3))
    write("train-00001-of-00002.parquet", range(3, 5))
    write("test-00000-of-00001.parquet", range(5, 7))
    train = load_dataset(tmp_path)
    assert np.array_equal(train.rows, [noise(k).transpose(2, 0, 1) for k in range(5)])
    assert train.labels.tolist() == list(range(5)) and train.held_out.labels.tolist() == [5, 6]
    alone = load_dataset(tmp_path / "data" / "test-00000-of-00001.parquet", size=4)
    assert alone.shape == (3, 4, 4) and alone.held_out is None


def test_parquet_damage_is_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [encoded(noise()), b"junk"]}), path)
    with pytest.raises(FmdiagError, match="a.parquet row 1: unreadable picture"):
        load_dataset(path)
    with pytest.warns(UserWarning, match="a.parquet row 1"):
        assert load_dataset(path, skip_bad=True).n == 1
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FmdiagError, match="a.parquet: truncated or not a Parquet file"):
        load_dataset(path)
    pq.write_table(pa.table({"price": [1.0], "name": ["x"]}), path)
    with pytest.raises(FmdiagError, match="no column of encoded pictures.*price, name"):
        load_dataset(path)
