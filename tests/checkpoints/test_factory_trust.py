"""A card's factory runs without a question only where it is the user's own, or a network's class that is installed."""

import warnings

import pytest
import torch

from fmdiag.checkpoints import load_checkpoint
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.files import consent

NET = """
import pathlib, torch
{line}
class Net(torch.nn.Module):
    def __init__(self, **anything):
        super().__init__()
        self.a = torch.nn.Parameter(torch.zeros(1))
    def forward(self, x, t):
        return -x
def build(**anything):
    return Net()
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def strange(tmp_path):
    """Return a folder with a checkpoint, a card and a factory that leaves a marker when it is imported."""
    return filled(tmp_path / "strange")


def filled(folder, factory="net.py:Net", name="net.py"):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"a": torch.zeros(1)}, folder / "their.pt")
    (folder / name).write_text(NET.format(line="pathlib.Path(__file__).with_name('ran').touch()"))
    (folder / "card.toml").write_text(f'factory = "{factory}"\n')
    return folder


def load(folder, **options):
    return load_checkpoint(folder / "their.pt", model=folder / "card.toml", **options)


def refused(folder, match="--trust-code"):
    with pytest.raises(FmdiagError, match=match) as caught:
        load(folder)
    assert "\n" not in str(caught.value) and "card.toml" in str(caught.value)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("factory", ["net.py:Net", "net:Net", "net:build", "sub/../net.py:build"])
def test_fault_5_7_a_stranger_s_factory_is_run_only_when_trusted(factory, work, strange):
    (strange / "sub").mkdir()
    (strange / "card.toml").write_text(f'factory = "{factory}"\n')
    refused(strange, f"{strange / 'card.toml'} is a model card with the factory {factory} .*net.py.*--trust-code")
    with pytest.warns(FmdiagWarning, match=f"{strange / 'card.toml'} is a model card.*runs the code.*if you trust"):
        checkpoint = load(strange, trust_code=True)
    assert (strange / "ran").exists() and checkpoint.description["code"].startswith(f"factory {factory}")


def test_fault_5_7_consent_is_remembered_by_content(work, strange, tmp_path):
    with pytest.warns(FmdiagWarning, match="card.toml"):
        load(strange, trust_code=True)
    moved = tmp_path / "moved"
    strange.rename(moved)
    (moved / "ran").unlink()
    with pytest.warns(FmdiagWarning, match="moved/card.toml"):  # not asked again, and named all the same
        load(moved)
    (moved / "ran").unlink()
    for file in ("net.py", "card.toml"):
        before = (moved / file).read_text()
        (moved / file).write_text(before + "\n# changed\n")
        refused(moved)
        (moved / file).write_text(before)
    (moved / "neighbour.py").write_text("x = 1\n")
    refused(moved)
    (moved / "neighbour.py").unlink()
    for file in consent.consents().iterdir():
        file.unlink()
    refused(moved)


def test_fault_5_7_a_refusal_remembers_nothing(work, strange):
    refused(strange)
    refused(strange)
    assert not consent.consents().exists()


@pytest.mark.parametrize("place", [".", "cards", "a/b"])
def test_fault_5_7_the_working_folder_is_the_user_s(place, work):
    for factory in ("net.py:Net", "net:build"):
        assert "code" not in load(filled(work / place, factory)).description


def test_fault_5_7_links_do_not_make_it_the_user_s(work, strange):
    (work / "linked").symlink_to(strange)
    refused(work / "linked")
    own = filled(work / "own")
    (own / "net.py").unlink()
    (own / "net.py").symlink_to(strange / "net.py")
    with pytest.raises(FmdiagError, match="--trust-code"):
        load(own)
    (own / "card.toml").write_text(f'factory = "{strange / "net.py"}:Net"\n')
    with pytest.raises(FmdiagError, match="--trust-code"):
        load(own)
    assert not (strange / "ran").exists()


@pytest.mark.parametrize("factory", ["os:system", "builtins:exec", "subprocess:run", "posix:system", "runpy:run_path",
                                     "importlib:import_module", "pip.__main__:main", "__main__:x"])
@pytest.mark.parametrize("trust", [{}, {"trust_code": True}])
def test_fault_5_7_python_s_own_functions_make_no_network(factory, trust, work):
    own = filled(work)
    for folder in (own, filled(work.parent / "strange")):
        (folder / "card.toml").write_text(f'factory = "{factory}"\n[arguments]\ncommand = "touch ran"\n')
        with pytest.raises(FmdiagError, match="Python's own library"):
            load(folder, **trust)
        assert not (folder / "ran").exists() and not (work / "ran").exists()


def test_fault_5_7_nor_do_they_under_another_name(work):
    own = filled(work)
    for line in ("from os import system as build", "from pathlib import Path as Net", "import functools\nimport os\n"
                 "build = functools.partial(os.system, 'touch ran')"):
        (own / "other.py").write_text(f"{line}\n")
        (own / "card.toml").write_text(f'factory = "other.py:{"Net" if "Net" in line else "build"}"\n')
        with pytest.raises(FmdiagError, match="Python's own library|no torch.nn.Module"):
            load(own)
        assert not (work / "ran").exists()


def test_fault_5_7_a_stranger_may_name_a_network_that_is_installed_and_nothing_else(work, strange):
    (strange / "their.pt").unlink()
    torch.save(torch.nn.Linear(2, 2).state_dict(), strange / "their.pt")
    (strange / "card.toml").write_text('factory = "torch.nn:Linear"\n[arguments]\nin_features = 2\nout_features = 2\n')
    assert load(strange).description["network"]["name"] == "torch.nn:Linear"
    for factory in ("torch:load", "torch.hub:load", "numpy:load"):
        (strange / "card.toml").write_text(f'factory = "{factory}"\n')
        refused(strange)


def test_fault_5_7_what_an_installed_package_imports_is_not_found_beside_the_card(work, strange, tmp_path, monkeypatch):
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "installed_net.py").write_text(
        "try:\n    import absent_dependency\nexcept ImportError:\n    pass\n" + NET.format(line=""))
    (strange / "net.py").rename(strange / "absent_dependency.py")
    (strange / "card.toml").write_text('factory = "installed_net:Net"\n')
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    load(strange)
    assert not (strange / "ran").exists()


def test_fault_5_7_a_card_beside_a_checkpoint_is_not_picked_up(work, strange):
    for name in ("card.toml", "model.toml", "their.toml", "their.pt.toml", "card.yaml"):
        (strange / name).write_text('factory = "net.py:Net"\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FmdiagError, match="no known family"):
            load_checkpoint(strange / "their.pt")
    assert not (strange / "ran").exists()


def test_a_factory_given_in_python_is_the_user_s(work, strange):
    (strange / "card.toml").write_text('[data]\nshape = [4]\n')
    assert load(strange, factory="net.py:Net").description["family"] == "module"
