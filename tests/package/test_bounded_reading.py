"""Compressed streams are read in fmdiag/files only, where what they become is counted: read from the source."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in [*ROOT.glob("fmdiag/**/*.py"), *ROOT.glob("cli/**/*.py")]
               if ROOT / "fmdiag/files" not in path.parents)
PACKED = {"zipfile", "tarfile", "gzip", "bz2", "lzma", "zlib", "shutil.unpack_archive", "numpy.load", "np.load"}


def unbounded(source):
    """Yield (line, name) of what unpacks without a bound: an import, or an attribute such as np.load."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{node.value.id}.{node.attr}"]
        yield from ((node.lineno, name) for name in names if name in PACKED)


def loads_torch(source):
    """Whether a module has torch read a file of its own archive."""
    return any(isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.jit.load",
                                                                         "torch.export.load")
               for node in ast.walk(ast.parse(source)))


def test_fault_5_6_nothing_is_unpacked_without_a_bound():
    sources = {path: path.read_text() for path in FILES}
    found = {path: list(unbounded(source)) for path, source in sources.items()}
    assert not any(found.values()), f"{found}: read it through fmdiag.files: bounded, zips, tars, npy, npz"
    found = [path for path, source in sources.items() if loads_torch(source) and "check_records(" not in source]
    assert not found, f"{found}: let files.torch_zip.check_records see it first"


def test_what_is_forbidden_would_be_seen():
    for line in ("import zipfile", "from zlib import decompress", "import tarfile as t", "x = np.load(path)",
                 "from numpy import load", "shutil.unpack_archive(a)"):
        assert list(unbounded(line)), line
    assert loads_torch("import torch\ntorch.load(file)")
