"""Files that hold programs run no code unless the user trusts them, whatever they are called and whoever reads them."""

import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch

from checks.hostile.program_files import Writes
from fmdiag import load_dataset
from fmdiag.checkpoints import load_checkpoint, load_decoder
from fmdiag.checkpoints.container import program_in
from fmdiag.cli.main import run
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.features import load_feature


class Flow(torch.nn.Module):
    def forward(self, x: torch.Tensor, t: torch.Tensor):
        return -x


def scripted(module, file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(file))
    return file


def exported(file):
    torch.export.save(torch.export.export(Flow(), (torch.zeros(1, 4), torch.zeros(1))), str(file))
    return file


def refused(call, *parts):
    with pytest.raises(FmdiagError) as caught:
        call()
    said = str(caught.value)
    assert "\n" not in said and all(part in said for part in ("--trust-code", *parts)), said


READERS = {
    "checkpoint": load_checkpoint, "decoder": load_decoder,
    "torchscript": lambda file, **trust: load_feature("torchscript", weights=file, **trust),
    "sscd": lambda file, **trust: load_feature("sscd", weights=file, training_set=pictures(), **trust),
    "inception": lambda file, **trust: load_feature("inception", weights=file, training_set=pictures(), **trust),
}


def pictures():
    return load_dataset("digits", n=4)


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "png", "pkl", ""])
@pytest.mark.parametrize("reader", READERS)
def test_fault_5_1_torchscript_runs_only_when_trusted(reader, suffix, tmp_path):
    victim, file = tmp_path / "victim", tmp_path / f"their.{suffix}"
    victim.write_bytes(b"precious")
    scripted(Writes(str(victim)), file)  # compiling it runs nothing
    refused(lambda: READERS[reader](file), str(file), "TorchScript")
    assert victim.read_bytes() == b"precious"
    with pytest.warns(FmdiagWarning, match=f"{file} is a TorchScript program.*runs the code.*only if you trust"):
        READERS[reader](file, trust_code=True)
    assert victim.read_bytes() == b"X" * 8  # the file does what it says: the refusal was tried


def test_fault_5_1_neither_is_the_published_sscd_downloaded_without_trust(tmp_path):
    refused(lambda: load_feature("sscd", training_set=pictures(), data_root=tmp_path), "sscd", "TorchScript")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reader", ["checkpoint", "decoder", "torchscript"])
def test_fault_5_2_exported_programs_run_only_when_trusted(reader, tmp_path, monkeypatch):
    file = exported(tmp_path / "their.safetensors")
    with monkeypatch.context() as patched:
        patched.setattr(torch.export, "load", lambda *a, **k: pytest.fail("loaded without trust"))
        refused(lambda: READERS[reader](file), str(file), "torch.export")
    with pytest.warns(FmdiagWarning, match=f"{file} is a torch.export program.*runs the code"):
        READERS[reader](file, trust_code=True)


def rewritten(source, target, change=lambda name: name, prefix=b"", **options):
    """Write a zip's members under other names, behind a prefix."""
    target.write_bytes(prefix)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "a") as new:
        for name in old.namelist():
            with new.open(change(name), "w", **options) as stream:
                stream.write(old.read(name))
    return target


@pytest.mark.parametrize("change", [
    {"prefix": b"prefix" * 100}, {"force_zip64": True}, {"change": str.upper}, {"change": lambda name: f"a/b/{name}"},
    {"change": lambda name: name.partition("/")[2]}, {"change": lambda name: name.replace("/", "\\")}])
@pytest.mark.parametrize("kind", ["script", "export"])
def test_fault_5_2_programs_are_known_by_content(kind, change, tmp_path):
    whole = scripted(Flow(), tmp_path / "a") if kind == "script" else exported(tmp_path / "a")
    assert program_in(whole) == kind
    file = rewritten(whole, tmp_path / "their.safetensors", **change)
    assert program_in(file) == kind
    refused(lambda: load_checkpoint(file), str(file))


def test_fault_5_2_one_mark_is_enough(tmp_path):
    for name in ("a/constants.pkl", "a/bytecode.pkl", "a/code/__torch__.py", "a/archive_format", "a/models/x.json",
                 "serialized_exported_program.json", "p/.data/extern_modules"):
        torch.save({"a": torch.ones(2)}, tmp_path / "their.pt")
        with zipfile.ZipFile(tmp_path / "their.pt", "a") as archive:
            archive.writestr(name, b"")
        refused(lambda: load_checkpoint(tmp_path / "their.pt"), "their.pt")


def test_tensors_are_no_program(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "plain.pt")
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    np.savez(tmp_path / "a.npz", constants=np.ones(2))
    assert [program_in(tmp_path / name) for name in ("plain.pt", "old.pt", "a.npz")] == [None] * 3


@pytest.mark.parametrize("name", ["trust_code", "trust_pickle"])
def test_either_name_of_the_option_trusts(name, tmp_path):
    scripted(Flow(), tmp_path / "their.pt")
    with pytest.warns(FmdiagWarning, match="their.pt"):
        assert load_checkpoint(tmp_path / "their.pt", **{name: True}).description["code"].startswith("a TorchScript")
    refused(lambda: load_checkpoint(tmp_path / "their.pt", **{name: False}))


@pytest.mark.drawn
@pytest.mark.filterwarnings("ignore:only", "ignore:accepted-reading")
@pytest.mark.parametrize("option", ["--trust-code", "--trust-pickle"])
def test_fault_5_2_run_and_page_record_that_trust_was_given(option, tmp_path, capsys):
    import json

    from fmdiag.report import write_report

    flow = scripted(Flow(), tmp_path / "their.pt")
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32))
    words = ["error", str(flow), "--dataset", str(tmp_path / "rows.npy"), "--n-pairs", "2", "--times", "0.5",
             "--accept-reading", "--out", str(tmp_path / "run")]
    assert run(words) == 2 and "--trust-code" in capsys.readouterr().err
    with pytest.warns(FmdiagWarning, match=f"{flow} is a TorchScript program"):
        assert run([*words, option]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["trust_code"] is True and "TorchScript" in record["checkpoint"]["code"]
    assert "--trust-code" in record["diagnostics"]["error"]["command"]
    write_report(tmp_path / "run")
    page = (tmp_path / "run" / "index.html").read_text()
    assert "a TorchScript program: run as --trust-code allows" in page and "trust code" in page


def test_a_pickle_is_named_when_it_is_trusted(tmp_path):
    (tmp_path / "their.pkl").write_bytes(pickle.dumps({"ema": Flow()}))
    refused(lambda: load_checkpoint(tmp_path / "their.pkl"), "asks to run code", "their.pkl")
    with pytest.warns(FmdiagWarning, match="their.pkl is a pickle.*runs the code"):
        load_checkpoint(tmp_path / "their.pkl", trust_code=True)
