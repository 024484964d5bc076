import gzip
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fmdiag.datasets import load_dataset
from fmdiag.datasets.readers.cifar import load_batch
from fmdiag.errors import FmdiagError

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4), dtype=np.uint8)
POINTS = np.random.default_rng(1).standard_normal((6, 2)).astype(np.float32)
LABELS = np.array([3, 1, 4, 1, 5, 9])


class Trap:
    """Unpickled without care, it would make the file it names."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def idx_bytes(array, code=0x08):
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_npy(path, rows):
    np.save(path, rows)


def write_npz(path, rows):
    np.savez(path, images=rows, labels=LABELS)


def write_pt(path, rows):
    torch.save({"data": torch.from_numpy(rows), "targets": torch.from_numpy(LABELS)}, path)


def write_tensor(path, rows):
    torch.save(torch.from_numpy(rows), path)


def write_safetensors(path, rows):
    save_file({"x": torch.from_numpy(rows), "y": torch.from_numpy(LABELS)}, path)


def write_idx(path, rows):
    path.write_bytes(idx_bytes(rows, 0x08 if rows.dtype == np.uint8 else 0x0D))


def write_idx_gz(path, rows):
    path.write_bytes(gzip.compress(idx_bytes(rows, 0x08 if rows.dtype == np.uint8 else 0x0D)))


WRITERS = [("a.npy", write_npy), ("a.npz", write_npz), ("a.pt", write_pt), ("a.pth", write_tensor),
           ("a.safetensors", write_safetensors), ("a-idx4-ubyte", write_idx), ("a.idx", write_idx),
           ("a-idx4-ubyte.gz", write_idx_gz), ("a.idx.gz", write_idx_gz)]


@pytest.mark.parametrize("rows", [PICTURES, POINTS], ids=["pictures", "points"])
@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_every_format_gives_back_its_rows(name, write, rows, tmp_path):
    write(tmp_path / name, rows)
    read = load_dataset(tmp_path / name)
    assert np.array_equal(read.rows, rows) and read.dtype == rows.dtype
    if name in ("a.npz", "a.pt", "a.safetensors"):
        assert np.array_equal(read.labels, LABELS)


@pytest.mark.parametrize(("name", "write"), WRITERS)
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.97])
def test_truncated_files_are_named(name, write, share, tmp_path):
    path = tmp_path / name
    write(path, PICTURES)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FmdiagError, match=str(path)) as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "write"), [WRITERS[0], WRITERS[5]])
def test_uncompressed_arrays_stay_on_disk(name, write, tmp_path):
    write(tmp_path / name, PICTURES)
    rows = load_dataset(tmp_path / name).rows
    while rows is not None and not isinstance(rows, np.memmap):
        rows = rows.base
    assert isinstance(rows, np.memmap)


def test_objects_in_npy_are_refused(tmp_path):
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "b.npz", x=trap)
    for name in ("a.npy", "b.npz"):
        with pytest.raises(FmdiagError, match=f"{name}.*objects"):
            load_dataset(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pt_file_that_wants_to_run_code_is_refused(tmp_path, protocol):
    torch.save({"data": torch.zeros(2, 2), "more": Trap(tmp_path / "sprung")}, tmp_path / "a.pt",
               pickle_protocol=protocol)
    with pytest.raises(FmdiagError, match="could run code: refused"):
        load_dataset(tmp_path / "a.pt")
    assert not (tmp_path / "sprung").exists()


def test_bfloat16_and_pairs(tmp_path):
    torch.save((torch.ones(4, 2, dtype=torch.bfloat16), torch.arange(4)), tmp_path / "a.pt")
    read = load_dataset(tmp_path / "a.pt")
    assert read.dtype == np.float32 and read.labels.tolist() == [0, 1, 2, 3]


def test_a_pt_file_before_torch_1_6(tmp_path):
    torch.save(torch.from_numpy(POINTS), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert np.array_equal(load_dataset(tmp_path / "a.pt").rows, POINTS)


@pytest.mark.parametrize(("names", "has_test"), [
    (("x_train", "y_train", "x_test", "y_test"), True),
    (("train_images", "train_labels", "val_images", "val_labels"), True),
    (("train", "labels_train", "TEST", "labels_test"), True), (("data", "label", "z", "w"), False),
])
def test_parts_by_key(names, has_test, tmp_path):
    arrays = dict(zip(names, (PICTURES, LABELS, PICTURES[:2], LABELS[:2]), strict=True))
    np.savez(tmp_path / "a.npz", **arrays)
    train = load_dataset(tmp_path / "a.npz")
    assert train.n == 6 and train.labels.tolist() == LABELS.tolist()
    assert (train.held_out is not None) == has_test
    if has_test:
        assert train.held_out.n == 2 and (train.held_out.labels is None or train.held_out.labels.tolist() == [3, 1])


def test_one_array_under_any_key(tmp_path):
    np.savez(tmp_path / "a.npz", whatever=POINTS)
    assert load_dataset(tmp_path / "a.npz").n == 6


def test_several_unknown_keys_are_listed(tmp_path):
    np.savez(tmp_path / "a.npz", one=POINTS, two=POINTS)
    with pytest.raises(FmdiagError, match="which array holds the rows.*one, two"):
        load_dataset(tmp_path / "a.npz")


def test_mnist_layout_has_labels_and_a_test_part(tmp_path):
    for part, n in (("train", 6), ("t10k", 2)):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(PICTURES[:n, 0]))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS[:n].astype(np.uint8)))
    train = load_dataset(tmp_path)
    assert (train.shape, train.n, train.held_out.n) == ((1, 5, 4), 6, 2)
    assert train.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\0\x08", b"GIF89a..", b"\0\0\x07\x01\0\0\0\x01a",
                                     b"\0\0\x08\x00"])
def test_what_is_no_idx_file_is_refused(content, tmp_path):
    (tmp_path / "a.idx").write_bytes(content)
    with pytest.raises(FmdiagError, match="a.idx: (not an IDX file|truncated)"):
        load_dataset(tmp_path / "a.idx")


def write_cifar(folder, n=4, protocol=2):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]:
        batch = {b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8), b"labels": list(range(n)),
                 b"batch_label": b"x"}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    return folder


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_cifar10_batches(tmp_path, protocol):
    folder = write_cifar(tmp_path / "cifar-10-batches-py", protocol=protocol)
    train = load_dataset(folder)
    assert (train.n, train.shape, train.held_out.n) == (20, (3, 32, 32), 4)
    assert train.labels.tolist() == list(range(4)) * 5
    first = pickle.loads((folder / "data_batch_1").read_bytes())[b"data"]
    # A row is 1024 red values, then green, then blue, each in rows of the picture.
    assert train.rows[2, 1, 3, 4] == first[2, 1024 + 3 * 32 + 4]


def test_a_batch_as_python_2_wrote_it(tmp_path):
    # The published files are of Python 2, whose strings arrive as bytes; opcodes as `pickletools.dis` lists them.
    data = PICTURES.tobytes()[:3] * 2048
    array = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01K\x02M\0\x0c\x86"
             b"cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"
             b"T" + len(data).to_bytes(4, "little") + data + b"tb")
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x03K\x05eu.")
    rows, labels = load_batch(tmp_path / "data_batch_1")
    assert rows.tobytes() == data and labels.tolist() == [3, 5]


def test_a_cifar_batch_that_wants_to_run_code_is_refused(tmp_path):
    folder = write_cifar(tmp_path / "batches")
    (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": Trap(tmp_path / "sprung")}, protocol=2))
    with pytest.raises(FmdiagError, match=r"data_batch_3: wants to run (_?io)\.open.*refused"):
        load_dataset(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x02}", pickle.dumps([1]), pickle.dumps({"data": 1}), b"junk"])
def test_a_damaged_cifar_batch_is_named(tmp_path, content):
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(FmdiagError, match="data_batch_1: "):
        load_batch(tmp_path / "data_batch_1")


def test_train_and_test_files_of_a_folder(tmp_path):
    np.save(tmp_path / "train.npy", PICTURES)
    np.save(tmp_path / "test.npy", PICTURES[:2])
    np.save(tmp_path / "train_photo.npy", LABELS)
    train = load_dataset(tmp_path)
    assert (train.n, train.held_out.n) == (6, 2)


def test_a_file_of_no_known_type_is_refused(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"x")
    with pytest.raises(FmdiagError, match=r"a.xyz: no reader.*\.npy"):
        load_dataset(tmp_path / "a.xyz")
