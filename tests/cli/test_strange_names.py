"""Names that are no UTF-8, escape codes and mathematics in names: read, computed, written and shown, end to end."""

import io
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError, one_line, printable
from fmdiag.files.documents import as_json

STRANGE = os.fsdecode(b"\xff\xfe \x1b[31m$\\frac{$ \xe2\x80\xae")
SMALL = ["--n-pairs", "2", "--times", "0.5"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FMDIAG_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / STRANGE).mkdir()
    return tmp_path / STRANGE


def ran(words, capsys):
    """Run a command; return what it printed, of which a terminal obeys nothing."""
    capsys.readouterr()
    code = run([str(word) for word in words])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    shown = captured.out + captured.err
    assert all(c.isprintable() or c in "\n\t" for c in shown), shown
    return captured.out


def pictures(folder, n=12):
    place = folder / f"pictures {STRANGE}"
    place.mkdir()
    for k, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (n, 8, 8), dtype=np.uint8)):
        Image.fromarray(pixels).save(place / f"{STRANGE}{k}.png")
    return place


def rows(folder, kind):
    """Write rows as a file of a kind whose name is no UTF-8."""
    array = np.random.default_rng(0).normal(size=(12, 1, 8, 8)).astype(np.float32)
    stream = io.BytesIO()
    if kind == "npy":
        np.save(stream, array)
    elif kind == "npz":
        np.savez(stream, x=array)
    elif kind == "pt":
        torch.save({"x": torch.from_numpy(array)}, stream)
    elif kind == "safetensors":
        from safetensors.numpy import save

        stream.write(save({"x": array}))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pictures = [io.BytesIO() for _ in range(12)]
        for k, picture in enumerate(pictures):
            Image.fromarray(np.full((8, 8), k, np.uint8)).save(picture, format="png")
        pq.write_table(pa.table({"image": [{"bytes": p.getvalue(), "path": "x"} for p in pictures]}), stream)
    file = folder / f"{STRANGE}.{kind}"
    file.write_bytes(stream.getvalue())
    return file


@pytest.mark.parametrize("kind", ["npy", "npz", "pt", "safetensors", "parquet"])
def test_fault_5_10_data_under_names_that_are_no_utf_8(kind, folder):
    from fmdiag import load_dataset

    assert load_dataset(rows(folder, kind)).n == 12


@pytest.mark.drawn
def test_fault_5_10_pictures_checkpoint_and_run_under_names_that_are_no_utf_8(folder, capsys):
    checkpoint, out = folder / f"{STRANGE}.pt", folder / "run \udcff\x1b$\\frac{$"
    checkpoint.write_bytes(bundled_checkpoint().read_bytes())
    words = ["error", checkpoint, *SMALL, "--dataset", pictures(folder), "--allow-mismatch", "--value-range", "0,255"]
    printed = json.loads(ran([*words, "--json", "--out", out], capsys))
    assert printable(printed) == printed and "frac" in printed["run"]
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert printable(record) == record
    assert (out / "figures" / "error.svg").is_file()
    ran(["figures", out], capsys)
    ran([*words, "--out", folder / "second"], capsys)
    ran(["compare", out, folder / "second", "--out", folder / f"compared {STRANGE}"], capsys)
    assert (folder / f"compared {STRANGE}" / "index.html").read_text(encoding="utf-8")


def test_fault_5_10_texts_of_a_checkpoint_are_shown_not_obeyed(folder, capsys):
    content = torch.load(bundled_checkpoint(), weights_only=True)
    content["loss"] = content["dataset"]["name"] = f"\x1b]0;owned\x07{STRANGE}\n\r"
    content["training"] = {STRANGE: "\x9b31m", "odd": float("nan")}
    torch.save(content, folder / "their.pt")
    shown = ran(["checkpoint", folder / "their.pt"], capsys)
    assert "\\x1b]0;owned\\x07" in shown and "\\udcff" in shown
    assert json.loads(ran(["checkpoint", "--json", folder / "their.pt"], capsys))["training"]["odd"] is None
    out = folder / "run"
    ran(["error", folder / "their.pt", *SMALL, "--out", out], capsys)
    assert "\\x1b]0;owned" in (out / "run.json").read_text().replace("\\\\", "\\")


@pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fault_5_10_programs_under_names_that_are_no_utf_8(folder):
    from fmdiag.checkpoints import load_checkpoint
    from fmdiag.features import load_feature

    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor):
            return -x

    torch.jit.script(Net()).save(str(folder.parent / "plain.ts"))
    (folder.parent / "plain.ts").rename(folder / f"{STRANGE}.ts")
    torch.export.save(torch.export.export(Net(), (torch.zeros(1, 2), torch.zeros(1))), str(folder.parent / "a.pt2"))
    (folder.parent / "a.pt2").rename(folder / f"{STRANGE}.pt2")
    for suffix in ("ts", "pt2"):
        field = load_checkpoint(folder / f"{STRANGE}.{suffix}", trust_code=True).field
        assert torch.equal(field(torch.ones(1, 2), 0.5), -torch.ones(1, 2))
    with pytest.raises(FmdiagError, match="onnxruntime cannot run this file"):
        load_feature("onnx", weights=folder / f"{STRANGE}.ts")


def test_fault_5_10_a_card_with_lone_surrogates_is_one_line(tmp_path):
    from fmdiag.checkpoints import write_card

    with pytest.raises(FmdiagError, match="a card cannot spell"):
        write_card({"factory": "\udcff.py:Net"}, tmp_path / "card.toml")


def test_printable_keeps_lines_and_escapes_the_rest():
    assert printable("a\tb\nû* 日本") == "a\tb\nû* 日本"
    assert printable("\x1b[31m\x9b\u202e\udcff\ud800\0\r") == r"\x1b[31m\x9b\u202e\udcff\ud800\x00\r"
    assert printable({"\x1b": ["\x1b", ("\x1b", 1)]}) == {r"\x1b": [r"\x1b", [r"\x1b", 1]]}
    assert one_line("a\nb\x1b") == r"a b\x1b"
    odd = {(1, 2): float("inf"), "s": {3}, "n": None, "x": "\x1b\udcff"}
    assert json.loads(as_json(odd, finite=True)) == {"(1, 2)": None, "s": "{3}", "n": None, "x": r"\x1b\udcff"}
