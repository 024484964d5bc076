"""What is released: one version, every file that is no Python inside the wheel, recipes that name what there is."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

import fmdiag

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS = {"fmdiag": ROOT / "fmdiag", "fmdiag.cli": ROOT / "cli", "fmdiag.data": ROOT / "data"}


def folder_of(package):
    """Return the folder of a package, as `package-dir` says."""
    return FOLDERS.get(package, ROOT / package.replace(".", "/"))


def test_one_version():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.M)[1] == fmdiag.__version__
    assert f"\n## {fmdiag.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_package_and_every_file_of_it_is_in_the_wheel():
    packages = {"fmdiag" if folder == ROOT / "fmdiag" else folder.relative_to(ROOT).as_posix().replace("/", ".")
                for folder in {path.parent for path in (ROOT / "fmdiag").rglob("*.py")}}
    assert packages | {"fmdiag.cli", "fmdiag.data"} == set(SETUPTOOLS["packages"])
    for package in SETUPTOOLS["packages"]:
        patterns = SETUPTOOLS["package-data"].get(package, [])
        for path in folder_of(package).iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc", ".md"):
                assert any(fnmatch(path.name, pattern) for pattern in patterns), path


def test_python_m_is_the_command():
    done = subprocess.run([sys.executable, "-m", "fmdiag", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"fmdiag, version {fmdiag.__version__}\n" and done.returncode == 0


@pytest.mark.parametrize("name", sorted(set(re.findall(
    r"`((?:fmdiag|tests|docs|\.ci|\.github|data)/[\w./-]+)`", (ROOT / "CONTRIBUTING.md").read_text()))))
def test_recipes_name_what_there_is(name):
    assert (ROOT / name).exists() or "NAME" in name and (ROOT / name.partition("NAME")[0]).is_dir()


def test_recipes_name_the_lists_that_there_are():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    lists = re.findall(r"`([A-Z]+)` of `([\w./]+)`", text)
    assert len(lists) >= 6
    for name, file in lists:
        assert re.search(rf"^{name} = ", (ROOT / file).read_text(), re.M), (name, file)
