"""A store's entries: found whole and unchanged, or not at all."""

import json

import pytest

from fmdiag.files.store import Store


def fill(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "a").write_text("one")
    (folder / "b").write_text("two")


def flip(file):
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])


def test_an_entry_is_found_by_its_key(tmp_path):
    store = Store(tmp_path / "store")
    assert store.find("k") is None
    place = store.add("k", fill, seconds=1.5)
    assert place == store.path("k") and (place / "sub" / "a").read_text() == "one"
    assert store.find("k")["seconds"] == 1.5 and store.find("other") is None
    assert [path.name for path in store.folder.iterdir()] == ["k"]


@pytest.mark.parametrize("harm", [
    lambda entry: flip(entry / "sub" / "a"), lambda entry: (entry / "b").unlink(),
    lambda entry: (entry / "more").write_text(""), lambda entry: flip(entry / "entry.json"),
    lambda entry: (entry / "entry.json").unlink(), lambda entry: (entry / "entry.json").write_text("[]"),
    lambda entry: (entry / "entry.json").write_text(json.dumps(
        json.loads((entry / "entry.json").read_text()) | {"seconds": 2})),
    lambda entry: entry.rename(entry.with_name("gone"))], ids=range(8))
def test_a_changed_entry_is_not_found(tmp_path, harm):
    store = Store(tmp_path)
    store.add("k", fill, seconds=1)
    harm(store.path("k"))
    assert store.find("k") is None


def test_an_entry_under_another_name_is_not_found(tmp_path):
    store = Store(tmp_path)
    store.add("k", fill).rename(tmp_path / "other")
    assert store.find("other") is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_what_fails_leaves_nothing(tmp_path, error):
    def fails(folder):
        fill(folder)
        raise error

    with pytest.raises(error):
        Store(tmp_path).add("k", fails)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("record", ["entry.json", None])
def test_an_entry_that_was_made_meanwhile_stays(tmp_path, record):
    store = Store(tmp_path, record)

    def slow(folder):
        Store(tmp_path, record).add("k", fill)
        (folder / "b").write_text("later")

    assert (store.add("k", slow) / "b").read_text() == "two"
    assert store.find("k") is not None and [path.name for path in tmp_path.iterdir()] == ["k"]
    assert {path.name for path in store.path("k").iterdir()} - {record} == {"b", "sub"}
