"""What training libraries leave on disk: save_to_disk, tar shards, Parquet that names its pictures, Zarr."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fmdiag.datasets import load_dataset
from fmdiag.errors import FmdiagError

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 6, 6, 3), dtype=np.uint8)
ROWS = PIXELS.transpose(0, 3, 1, 2)


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def table(numbers, *, path=None, held=True):
    """Return an Arrow table as image data sets have it: a struct of bytes and path, and a class label."""
    images = [{"bytes": png(PIXELS[k]) if held else None, "path": path and path.format(k)} for k in numbers]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array(images, kind), "label": pa.array([k % 3 for k in numbers], pa.int64())})


def saved_to_disk(folder, shards, state=None, options=None):
    """Write a folder as `save_to_disk` does: streams of record batches, state.json, dataset_info.json."""
    folder.mkdir(parents=True)
    names = [f"data-{k:05}-of-{len(shards):05}.arrow" for k in range(len(shards))]
    for name, numbers in zip(names, shards, strict=True):
        found = table(numbers)
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, found.schema, options=options) as out:
            for batch in found.to_batches(max_chunksize=2):
                out.write_batch(batch)
    state = state or {"_data_files": [{"filename": name} for name in names], "_format_type": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def test_fault_2_17_save_to_disk_is_read(tmp_path):
    found = load_dataset(saved_to_disk(tmp_path / "one", [range(5), range(5, 9)]))
    assert np.array_equal(found.rows, ROWS) and found.labels.tolist() == [0, 1, 2] * 3 and found.held_out is None
    alone = load_dataset(tmp_path / "one" / "data-00001-of-00002.arrow")
    assert np.array_equal(alone.rows, ROWS[5:])


def test_fault_2_17_parts_of_save_to_disk(tmp_path):
    saved_to_disk(tmp_path / "train", [range(6)])
    saved_to_disk(tmp_path / "validation", [range(6, 9)])
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    found = load_dataset(tmp_path)
    assert np.array_equal(found.rows, ROWS[:6]) and np.array_equal(found.held_out.rows, ROWS[6:])


@pytest.mark.parametrize(("damage", "message"), [
    (lambda raw: raw[: len(raw) // 2], "truncated or no Arrow stream"),
    (lambda raw: b"no arrow" * 9, "truncated or no Arrow stream"),
    (lambda raw: b"", "truncated or no Arrow stream"),
])
def test_damaged_arrow_files_are_named(tmp_path, damage, message):
    file = saved_to_disk(tmp_path / "d", [range(9)]) / "data-00000-of-00001.arrow"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(FmdiagError, match=f"{file.name}: {message}"):
        load_dataset(tmp_path / "d")


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_arrow_is_refused_before_it_is_unpacked(tmp_path, codec):
    saved_to_disk(tmp_path / "d", [range(9)], options=pa.ipc.IpcWriteOptions(compression=codec))
    with pytest.raises(FmdiagError, match="compressed Arrow: save it without"):
        load_dataset(tmp_path / "d")


def test_a_choice_of_rows_that_was_not_written_is_refused(tmp_path):
    saved_to_disk(tmp_path / "d", [range(9)], state={"_indices_files": [{"filename": "i.arrow"}]})
    with pytest.raises(FmdiagError, match="flatten_indices"):
        load_dataset(tmp_path / "d")


def test_arrow_without_pictures_says_what_it_has(tmp_path):
    found = pa.table({"text": ["a"], "label": [0]})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as file, pa.ipc.new_stream(file, found.schema) as out:
        out.write_table(found)
    with pytest.raises(FmdiagError, match="no column of encoded pictures.*text, label"):
        load_dataset(tmp_path)


def shard(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def members(numbers, label=True):
    for k in numbers:
        yield f"{k:04}.png", png(PIXELS[k])
        yield f"{k:04}.mask.png", png(PIXELS[0])
        if label:
            yield f"{k:04}.cls", str(k % 3).encode()


def test_fault_2_17_tar_shards_are_read(tmp_path):
    shard(tmp_path / "train-000000.tar", members(range(4)))
    shard(tmp_path / "train-000001.tar", members(range(4, 7)))
    shard(tmp_path / "val-000000.tar", members(range(7, 9), label=False))
    found = load_dataset(tmp_path)
    assert np.array_equal(found.rows, ROWS[:7]) and found.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert np.array_equal(found.held_out.rows, ROWS[7:]) and found.held_out.labels is None
    (tmp_path / "plain").mkdir()
    shard(tmp_path / "plain" / "00000.tar", members(range(3)))
    assert np.array_equal(load_dataset(tmp_path / "plain").rows, ROWS[:3])


def test_tar_shards_without_pictures_or_damaged_are_named(tmp_path):
    shard(tmp_path / "0.tar", [("a.npy", b"x")])
    with pytest.raises(FmdiagError, match="1 tar files without pictures"):
        load_dataset(tmp_path)
    (tmp_path / "0.tar").write_bytes(b"x" * 3000)
    with pytest.raises(FmdiagError, match="0.tar"):
        load_dataset(tmp_path)


def parquet(folder, path):
    folder.mkdir()
    pq.write_table(table(range(9), path=path, held=False), folder / "train-00000.parquet")
    return folder


def test_fault_2_20_parquet_that_names_its_pictures_is_followed(tmp_path):
    folder = parquet(tmp_path / "d", "pictures/{}.png")
    (folder / "pictures").mkdir()
    for k, image in enumerate(PIXELS):
        Image.fromarray(image).save(folder / "pictures" / f"{k}.png")
    found = load_dataset(folder)
    assert np.array_equal(found.rows, ROWS) and found.labels.tolist() == [0, 1, 2] * 3
    # A picture that is exchanged makes another set: what is followed counts for the cache.
    Image.fromarray(PIXELS[0]).save(folder / "pictures" / "5.png")
    assert np.array_equal(load_dataset(folder).rows[5], ROWS[0])


@pytest.mark.parametrize(("path", "message"), [
    ("{}.png", "which is not there"), ("../out/{}.png", "leads out of it"), ("link/{}.png", "is not there"),
    ("/etc/{}.png", "leads out of it"),
])
def test_fault_2_20_paths_are_followed_inside_the_folder_only(tmp_path, path, message):
    outside = tmp_path / "out"
    outside.mkdir()
    Image.fromarray(PIXELS[0]).save(outside / "0.png")
    folder = parquet(tmp_path / "d", path)
    (folder / "link").symlink_to(outside)
    with pytest.raises(FmdiagError, match=f"row 0 holds no picture but its path .*{message}"):
        load_dataset(folder)


def test_fault_2_20_neither_bytes_nor_path(tmp_path):
    folder = parquet(tmp_path / "d", None)
    with pytest.raises(FmdiagError, match="row 0: unreadable picture"):
        load_dataset(folder)


@pytest.mark.parametrize(("files", "array"), [
    ([".zarray"], ""), (["zarr.json"], ""), ([".zgroup", "images/.zarray", "labels/.zarray"], r"\['images'\]"),
])
def test_fault_2_17_zarr_is_named_with_the_way_on(tmp_path, files, array):
    for file in files:
        (tmp_path / "x.zarr" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x.zarr" / file).write_text("{}")
    with pytest.raises(FmdiagError, match=rf"Zarr store.*numpy.save\('rows.npy', zarr.open\(.*\){array}\[...\]\)"):
        load_dataset(tmp_path / "x.zarr")
