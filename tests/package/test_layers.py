"""Imports point one way: each layer may use only the layers before it."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = [
    {"errors"},
    {"registry"},
    {"files", "ranks", "stats", "memory"},
    {"paths", "results", "devices"},
    {"datasets"},
    {"posterior"},
    {"fields"},
    {"closed_forms"},
    {"checkpoints", "training", "sampling"},
    {"features"},
    {"neighbors"},
    {"metrics"},
    {"diagnostics"},
    {"runs"},
    {"studies"},
    {"figures"},
    {"report"},
    {"monitoring"},
    {"cli"},
    {"__main__"},
]
# What figures may import, because it imports torch nowhere at its top.
WITHOUT_TORCH = {"results", "stats", "errors", "figures", "registry", "files", "diagnostics", "studies"}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted([*ROOT.glob("fmdiag/**/*.py"), *ROOT.glob("cli/**/*.py")])


def layer_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "cli" if parts[0] == "cli" else parts[1]


def imported_layers(source):
    """Yield the layer of every import of ours in a module's source."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "fmdiag":
            names = [f"fmdiag.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "fmdiag" and len(parts) > 1 and parts[1] in LEVEL:
                yield parts[1]


def test_imports_point_down():
    for path in FILES:
        layer = layer_of(path)
        if layer == "__init__":
            continue
        assert layer in LEVEL, f"{path}: give its package a layer"
        for other in imported_layers(path.read_text()):
            assert other == layer or LEVEL[other] < LEVEL[layer], f"{path}: {layer} imports {other}"
            assert layer != "figures" or other in WITHOUT_TORCH, f"{path}: figures import {other}"


def test_a_wrong_import_would_be_seen():
    assert list(imported_layers("from fmdiag.report import write_report")) == ["report"]
    assert list(imported_layers("import fmdiag.cli.main")) == ["cli"]
    assert list(imported_layers("from fmdiag import results, __version__")) == ["results"]


def test_figures_never_import_torch():
    for path in ROOT.glob("fmdiag/figures/*.py"):
        assert "import torch" not in path.read_text()


def test_every_package_is_installed():
    """An editable install finds what a wheel would leave out."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("fmdiag/**/__init__.py")}
    assert listed == found | {"fmdiag.cli", "fmdiag.data"}
