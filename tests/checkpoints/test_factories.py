"""A card's factory imports its neighbours while it runs; nothing of it stays, and no card meets another's modules."""

import sys

import pytest
import torch
from test_conformance import save

from fmdiag.checkpoints import load_checkpoint
from fmdiag.errors import FmdiagError

NET = """from {neighbour} import SCALE
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
    def forward(self, x, t):
        return SCALE * x
"""


def project(folder, scale, factory, neighbour="weights_neighbour", package=None):
    place = folder / package if package else folder
    place.mkdir(parents=True, exist_ok=True)
    if package:
        (place / "__init__.py").write_text("")
    (place / f"{neighbour.strip('.')}.py").write_text(f"SCALE = {scale}\n")
    (place / "weights_mynet.py").write_text(NET.format(neighbour=neighbour))
    (folder / "card.toml").write_text(f'factory = "{factory}"\n')
    return folder / "card.toml"


def scale_of(file, model):
    return load_checkpoint(file, model=model).field(torch.ones(1, 2), 0.5)[0, 0].item()


@pytest.mark.parametrize("factory, options", [
    ("weights_mynet.py:Net", {}), ("weights_mynet:Net", {}),
    ("models_of_a/weights_mynet.py:Net", {"package": "models_of_a", "neighbour": ".weights_neighbour"}),
    ("models_of_a.weights_mynet:Net", {"package": "models_of_a", "neighbour": ".weights_neighbour"})])
def test_fault_1_13_a_factory_imports_its_neighbour(factory, options, tmp_path):
    """Two cards with equally named modules, in turn: each gets its own neighbour."""
    file = save({"weight": torch.zeros(1)}, tmp_path)
    first = project(tmp_path / "a", 2.0, factory, **options)
    second = project(tmp_path / "b", 3.0, factory, **options)
    path, modules = list(sys.path), dict(sys.modules)
    assert [scale_of(file, card) for card in (first, second, first)] == [2.0, 3.0, 2.0]
    assert sys.path == path and not set(sys.modules) - set(modules)
    assert not list(tmp_path.rglob("__pycache__"))


def test_fault_1_13_a_module_of_the_working_folder(tmp_path, monkeypatch):
    file = save({"weight": torch.zeros(1)}, tmp_path)
    project(tmp_path / "work", 4.0, "unused:Net")
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "card.toml").write_text('factory = "weights_mynet:Net"\n')
    monkeypatch.chdir(tmp_path / "work")
    assert scale_of(file, tmp_path / "cards" / "card.toml") == 4.0
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FmdiagError, match="No module named 'weights_mynet' .looked for in .*cards or .*check factory"):
        load_checkpoint(file, model=tmp_path / "cards" / "card.toml")


def test_a_module_of_the_same_name_that_is_loaded_already(tmp_path, monkeypatch):
    """A notebook has imported its own `weights_neighbour`: the factory gets the card's, the notebook keeps its."""
    project(tmp_path / "notebook", 9.0, "unused:Net")
    monkeypatch.syspath_prepend(tmp_path / "notebook")
    import weights_neighbour

    file = save({"weight": torch.zeros(1)}, tmp_path)
    assert scale_of(file, project(tmp_path / "a", 2.0, "weights_mynet.py:Net")) == 2.0
    assert sys.modules["weights_neighbour"] is weights_neighbour and weights_neighbour.SCALE == 9.0
    del sys.modules["weights_neighbour"]


def test_paths_and_modules_are_restored_after_a_failure(tmp_path):
    card = project(tmp_path / "a", 2.0, "weights_mynet.py:Net")
    (tmp_path / "a" / "weights_neighbour.py").write_text(
        "import sys\nsys.path.insert(0, 'x')\nraise OSError('no disk')\n")
    path, modules = list(sys.path), set(sys.modules)
    with pytest.raises(FmdiagError, match="failed: OSError: no disk"):
        load_checkpoint(save({"weight": torch.zeros(1)}, tmp_path), model=card)
    assert sys.path == path and set(sys.modules) == modules


def test_dataclasses_with_late_annotations(tmp_path):
    (tmp_path / "weights_late.py").write_text("from __future__ import annotations\nimport dataclasses\nimport torch\n"
                                              "@dataclasses.dataclass\nclass Settings:\n    width: int = 2\n"
                                              "def build(): return torch.nn.Linear(Settings().width, 2, bias=False)\n")
    (tmp_path / "card.toml").write_text('factory = "weights_late.py:build"\n')
    assert load_checkpoint(save({"weight": torch.ones(2, 2)}, tmp_path), model=tmp_path / "card.toml")
