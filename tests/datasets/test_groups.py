"""Groups of rows: found in columns, folders and file names, kept through every choice of rows, refused where wrong."""

import io
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from fmdiag.checkpoints.checkpoint import of_class
from fmdiag.datasets import load_dataset
from fmdiag.datasets.groups import may_take_for_ever, numbered
from fmdiag.errors import FmdiagError

PATIENTS, EACH = 6, 3
WHO = np.repeat(np.arange(PATIENTS), EACH)


def pixels(n=PATIENTS * EACH, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4), dtype=np.uint8)


def png(picture):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Return a folder of pictures, site/patient_NN/k.png; even patients of site a, odd ones of site b."""
    for k, (who, picture) in enumerate(zip(WHO, pixels(), strict=True)):
        path = tmp_path / "pictures" / "ab"[who % 2] / f"patient_{who:02d}" / f"{k:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(picture))
    return tmp_path / "pictures"


@pytest.fixture
def npz(tmp_path):
    """Return an archive with columns of numbers and text beside the rows."""
    np.savez(tmp_path / "set.npz", images=pixels(), labels=WHO % 3, patient=WHO + 7, who=[f"p{k}" for k in WHO],
             scale=WHO / 2, lost=np.where(WHO == 4, np.nan, WHO), blank=np.where(WHO == 4, "", "x"), short=WHO[1:],
             one=np.zeros(len(WHO), int))
    return tmp_path / "set.npz"


def same_groups(found, wanted):
    """Whether two numberings put the same rows together."""
    pairs = set(zip(np.asarray(found).tolist(), np.asarray(wanted).tolist(), strict=True))
    return len(pairs) == len(set(found)) == len(set(wanted))


@pytest.mark.parametrize(("wanted", "names"), [
    ("folder", ("a", "b")), ("folder:1", ("a", "b")),
    ("folder:2", tuple(f"{'ab'[k % 2]}/patient_{k:02d}" for k in (0, 2, 4, 1, 3, 5))),
    (r"[/](patient_\d+)/", tuple(f"patient_{k:02d}" for k in range(6))),
    (r"(patient_\d+)", tuple(f"patient_{k:02d}" for k in range(6))), (r"patient_0([0-9])/(?:\d+)", tuple("012345")),
    ("labels", ("0", "1"))])
def test_groups_of_a_folder_are_read_off_the_paths(folder, wanted, names):
    rows = load_dataset(folder, groups=wanted)
    who = np.array([np.flatnonzero((pixels() == picture).all((1, 2)))[0] for picture in rows.rows[:, 0]]) // EACH
    assert rows.group_names == names and rows.groups.dtype == np.int64
    assert same_groups(rows.groups, who % 2 if len(names) == 2 else who)


def test_groups_of_a_folder_follow_the_pictures_that_could_be_read(folder):
    (folder / "a" / "patient_00" / "00.png").write_bytes(b"no picture")
    with pytest.warns(match="left out 1 unreadable"):
        rows = load_dataset(folder, groups=r"(patient_\d+)", skip_bad=True)
    assert np.bincount(rows.groups).tolist() == [EACH - 1] + [EACH] * (PATIENTS - 1)


@pytest.mark.parametrize("wanted", ["patient", "who"])
def test_groups_of_arrays_beside_the_rows(npz, tmp_path, wanted):
    rows = load_dataset(npz, groups=wanted)
    assert same_groups(rows.groups, WHO) and rows.describe()["groups"] == wanted and rows.describe()["n_groups"] == 6
    torch.save({"x": torch.from_numpy(pixels()), "patient": torch.from_numpy(WHO)}, tmp_path / "set.pt")
    assert same_groups(load_dataset(tmp_path / "set.pt", groups="patient").groups, WHO)


def test_a_part_has_its_own_column(tmp_path):
    np.savez(tmp_path / "parts.npz", x_train=pixels(), patient_train=WHO, x_test=pixels(6, 1),
             patient_test=[20, 20, 20, 30, 30, 30])
    rows = load_dataset(tmp_path / "parts.npz", groups="patient")
    assert rows.groups.tolist() == WHO.tolist() and rows.held_out.groups.tolist() == [6, 6, 6, 7, 7, 7]
    assert rows.held_out.group_names == (*"012345", "20", "30")


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("column", ["patient", "number"])
def test_groups_of_a_table_are_a_column(tmp_path, kind, column):
    table = pa.table({"image": [{"bytes": png(picture), "path": None} for picture in pixels()],
                      "patient": [f"p{who}" for who in WHO], "number": WHO * 10, "nested": [[0.0]] * len(WHO)})
    path = tmp_path / f"set.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=5)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=5)
    assert same_groups(load_dataset(path, groups=column).groups, WHO)
    with pytest.raises(FmdiagError, match="no column 'nested' to group by: choose from number, patient$"):
        load_dataset(path, groups="nested")


def table_of(folder, lines=(), patient="p{}"):
    """Write metadata.csv with the patient of every picture, and some lines more."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = [f"{path},{patient.format(int(path[-6:-4]) // EACH)},{k}" for k, path in enumerate(paths)]
    lines = ["file_name,patient,age", *rows[::-1], *lines]
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8-sig")


@pytest.mark.parametrize("packed", [False, True])
def test_groups_of_a_folder_may_be_in_a_table_beside_the_pictures(folder, tmp_path, packed):
    table_of(folder, patient='"patient, {}"')
    source = shutil.make_archive(str(tmp_path / "packed"), "zip", folder) if packed else folder
    rows = load_dataset(source, groups="patient")
    assert rows.group_names == tuple(f"patient, {k}" for k in range(PATIENTS))
    assert same_groups(rows.groups, load_dataset(folder, groups=r"(patient_\d+)").groups)


@pytest.mark.parametrize(("line", "message"), [
    ("a/patient_00/00.png,p9,3", "a/patient_00/00.png has two lines"), ("x.png,p9", "x.png has 2 of 3 columns"),
    (None, "no line for a/patient_00/00.png: add it"), ("first", "has no column file_name"),
    ("bytes", "no table of comma-separated values in UTF-8")])
def test_a_wrong_table_beside_pictures_is_refused(folder, line, message):
    table_of(folder, [] if line in (None, "first", "bytes") else [line])
    table = folder / "metadata.csv"
    lines = table.read_text().splitlines()
    if line is None:
        table.write_text("\n".join(lines[:-1]))
    elif line == "first":
        table.write_text("\n".join(lines[1:]))
    elif line == "bytes":
        table.write_bytes(b"file_name,patient\n\xff\xfe,1")
    assert load_dataset(folder).groups is None
    with pytest.raises(FmdiagError, match=f"metadata.csv: .*{message}"):
        load_dataset(folder, groups="patient")


def test_groups_of_a_pytorch_data_set_are_beside_its_rows():
    class Items:
        def __len__(self):
            return len(WHO)

        def __getitem__(self, k):
            return {"image": pixels()[k], "label": 1, "patient": f"p{WHO[k]}"}

    assert same_groups(load_dataset(Items(), groups="patient").groups, WHO)
    with pytest.raises(FmdiagError, match="no column 'who' to group by: choose from label, labels, patient$"):
        load_dataset(Items(), groups="who")


def test_groups_may_be_an_array_or_a_pair():
    rows = load_dataset(pixels(), groups=list("aabbccddeeffgghhii"))
    assert rows.groups.tolist() == np.repeat(np.arange(9), 2).tolist() and rows.group_names == tuple("abcdefghi")
    assert rows.describe()["n_groups"] == 9 and "groups" not in rows.describe()
    both = load_dataset(pixels(), groups=(WHO, torch.tensor([8, 9, 9, 8])), held_out=pixels(4, 1))
    assert both.held_out.groups.tolist() == [6, 7, 7, 6]
    assert load_dataset(pixels(), groups=False).groups is None
    assert load_dataset(pixels(), groups=WHO.astype(float)).group_names == tuple("012345")


def test_flips_subsets_and_classes_keep_groups(npz):
    rows = load_dataset(npz, groups="patient", hflip=True)
    assert rows.group_of([0, 4, 17, 18, 22, 35]).tolist() == [0, 1, 5, 0, 1, 5]
    labelled = load_dataset(npz, groups="labels", n=10)
    assert labelled.groups.tolist() == labelled.labels.tolist()      # labels are kept by the same choice of rows
    assert of_class(load_dataset(npz, groups="patient"), 1).groups.tolist() == [1, 1, 1, 4, 4, 4]


def test_held_out_rows_that_are_training_rows_leave_with_their_groups():
    rows = load_dataset(pixels(), groups=(WHO, [9, 9, 8, 7]), held_out=np.concatenate([pixels(1), pixels(3, 1)]))
    with pytest.warns(match="1 of 4 held-out examples equal training examples"):
        assert [rows.unseen.group_names[k] for k in rows.unseen.groups] == ["9", "8", "7"]


def test_names_of_groups_are_sorted_numbers_or_texts():
    assert numbered([10, 9, 10], 3, "x")[1] == ("9", "10") and numbered(["10", "9", "10"], 3, "x")[1] == ("10", "9")
    assert numbered(np.array([b"b", b"a"]), 2, "x")[0].tolist() == [1, 0]
    assert numbered(np.array([True, False]), 2, "x")[1] == ("False", "True")
    assert numbered(np.array([3, "a"], object), 2, "x")[1] == ("3", "a")
    assert numbered(np.array([[3], [4]]), 2, "x")[0].tolist() == [0, 1]


@pytest.mark.parametrize(("wanted", "message"), [
    ("folder:3", r"--groups folder:3, but a/patient_00/00.png lies below 2 folders: give folder:2 at most"),
    ("folder:0", "levels are counted from 1"),
    ("(zebra)", r"fits 0 of 18 files, not a/patient_00/00.png: give a pattern that fits every path below"),
    ("(patient_0[0-2])", "fits 9 of 18 files, not a/patient_04"),
    ("(x)?", "fits 0 of 18 files"),
    ("(a", "is no regular expression"),
    (r"/(patient_\d+)/", r"begins as the path of a file does: write \[/\]\(patient"),
    (r"(patient_)(\d+)", "has 2 parts in round brackets, one must name the group"),
    ("lables", "no column 'lables' to group by: did you mean 'labels'"),
    (r"patient_\d+", "one part in round brackets"),
    (r"(\.png)$", "all 18 rows are in one group")])
def test_wrong_groups_of_a_folder_are_refused(folder, wanted, message):
    with pytest.raises(FmdiagError, match=message):
        load_dataset(folder, groups=wanted)


@pytest.mark.parametrize(("wanted", "message"), [
    ("patiens", "did you mean 'patient'[?] choose from blank, labels, lost, one, patient, scale, short, who$"),
    ("short", r"column 'short' of shape \(17,\) for 18 rows"), ("images", "no column 'images'"),
    ("lost", r"row 12 has no group \(column 'lost': nan\)"), ("blank", r"row 12 has no group \(column 'blank': ''\)"),
    ("scale", "row 3: column 'scale' must be names of at most 200 characters or whole numbers, got 0.5"),
    ("one", "all 18 rows are in one group"),
    ("folder", "no file names in which --groups folder could be found: give one of its columns, blank, labels"),
    (WHO[1:], r"groups of shape \(17,\) for 18 rows"), ([None] * 18, "row 0 has no group"),
    (np.full((18, 2), 1), r"groups of shape \(18, 2\) for 18 rows"), ([object()] * 18, "must be names"),
    (["x" * 201] * 18, "at most 200 characters")])
def test_wrong_groups_of_arrays_are_refused(npz, wanted, message):
    with pytest.raises(FmdiagError, match=message):
        load_dataset(npz, groups=wanted)


def test_rows_that_have_nothing_to_group_by_say_so(tmp_path):
    np.save(tmp_path / "rows.npy", pixels())
    with pytest.raises(FmdiagError, match="no column 'patient' to group by, and no other: store the groups"):
        load_dataset(tmp_path / "rows.npy", groups="patient")


def test_a_stranger_s_pattern_is_followed_only_where_it_ends_soon():
    assert not any(map(may_take_for_ever, ["patient", "folder:2", r"(patient_\d+)", r"^([^/]+)/", r"(\w+)_\d+\.png"]))
    assert all(map(may_take_for_ever, ["(a+)+", "(a|a)*b", r"(\w+)\1", "((a){9}){9}", ".*.*.*(x)", "(?P<x>a)(?P=x)"]))
