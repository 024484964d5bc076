"""Faults of version 0.1, each with the tests that are named after it: red on 0.1, green now.

    python -m checks.faults                          the list, from the names of the tests
    python -m checks.faults --older ../v0.1          also what these tests say on a checkout of version 0.1
    python -m checks.faults --run                    and on this one; --results FILE keeps the outcome

A test is named ``test_fault_SECTION_NUMBER_words``. On the older checkout, which stays as it is, a copy is tried: tests
that need what it lacks fail there too, and a file that does not end in two minutes counts as a hang.
"""

import argparse
import ast
import collections
import json
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"test_fault_(\d+)_(\d+)_")
SECONDS = 120


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--older", type=Path, help="checkout of version 0.1 with an environment in .venv")
    parser.add_argument("--run", action="store_true", help="run the tests on this checkout")
    parser.add_argument("--results", type=Path, help="JSON file of the outcome")
    options = parser.parse_args()
    tests, outcome = listed(), collections.defaultdict(dict)
    files = sorted({file for found in tests.values() for file, _ in found})
    if options.older is not None:
        outcome["on 0.1"] = on_older(options.older, files)
    if options.run:
        outcome["now"] = ran(ROOT, files, sys.executable)
    table = {number: {"tests": {f"{file}::{name}": {when: found.get((file, name), "not run")
                                                      for when, found in outcome.items()} for file, name in found}}
             for number, found in tests.items()}
    for number, row in table.items():
        print(number, *(f"{test.rpartition('::')[2]} {' '.join(f'{k}: {v}' for k, v in said.items())}"
                        for test, said in row["tests"].items()), sep="\n    ")
    if options.results:
        options.results.write_text(json.dumps(table, indent=1) + "\n")


def listed():
    """Return {fault: [(file, test)]} in the order of the numbers."""
    found = collections.defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match = NAME.match(node.name) if isinstance(node, ast.FunctionDef) else None
            if match:
                found[int(match[1]), int(match[2])].append((file.relative_to(ROOT).as_posix(), node.name))
    return {f"{a}.{b}": found[a, b] for a, b in sorted(found)}


def on_older(older, files):
    """Return what the tests of this checkout say on a copy of an older one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "older"
        shutil.copytree(older, copy, ignore=shutil.ignore_patterns(".git", ".venv", "reports"), symlinks=True)
        for name in ("tests", "checks"):
            shutil.rmtree(copy / name, ignore_errors=True)
            shutil.copytree(ROOT / name, copy / name)
        # What is set up around every test is its own: ours would fail for all of them.
        if (older / "tests/conftest.py").is_file():
            shutil.copy(older / "tests/conftest.py", copy / "tests/conftest.py")
        settings = (copy / "pyproject.toml").read_text().replace('testpaths = ["tests"]',
                                                                 'testpaths = ["tests"]\npythonpath = ["."]')
        (copy / "pyproject.toml").write_text(settings)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", copy / ".venv"], check=True)
        site = next((copy / ".venv/lib").glob("python*/site-packages"))
        places = [str(Path(path)) for path in sys.path if path.endswith("site-packages")]
        (site / "packages.pth").write_text("\n".join(places) + "\n")
        (site / "older.pth").write_text(f"{copy}\n")
        # Its packages lie elsewhere than their names say.
        for name in ("cli", "data"):
            (copy / "fmdiag" / name).symlink_to(copy / name)
        return ran(copy, files, copy / ".venv/bin/python")


def ran(root, files, python):
    """Return {(file, test): passed | failed | hang} of the tests that are named after faults, worst case first."""
    found = {}
    for file in files:
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            command = [str(python), "-m", "pytest", "-q", "-k", "fault_", file, f"--junitxml={report.name}"]
            try:
                subprocess.run(command, cwd=root, capture_output=True, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                found |= {(file, name): "hang" for test in listed().values() for other, name in test if other == file}
                continue
            found |= _outcomes(file, report.name)
        print(file, collections.Counter(said for (other, _), said in found.items() if other == file), file=sys.stderr)
    return found


def _outcomes(file, report):
    try:
        cases = ElementTree.parse(report).iter("testcase")
    except ElementTree.ParseError:
        cases = ()
    found = {(file, name): "failed" for test in listed().values() for other, name in test if other == file}
    passed = collections.defaultdict(list)
    for case in cases:
        passed[case.get("name").partition("[")[0]].append(not any(child.tag in ("failure", "error") for child in case))
    return found | {(file, name): "passed" if all(good) else "failed" for name, good in passed.items()}


if __name__ == "__main__":
    main()
