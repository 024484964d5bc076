"""Oldest supported torch, NumPy and pandas, as pyproject.toml has them: installed, and a part of the tests run with them.

`make test-oldest`; what passed is in checks/results/oldest.json. The other dependencies are whatever goes with these; a folder
of its own keeps the environment. On Linux the index's wheels of torch bring CUDA's libraries, 2.5 GB that fill 6 GB of disk:
eleven minutes of two busy cores. PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS can name smaller wheels.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
import venv
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "checks" / "results" / "oldest.json"
# pyarrow and FAISS beside them: their newest wheels refuse NumPy 1 when they are imported, which their requirements do not
# say.
OLDEST = ("torch", "numpy", "pandas", "pyarrow", "faiss-cpu")
TESTS = ["tests/package", "tests/posterior", "tests/fields", "tests/stats", "tests/metrics", "tests/neighbors",
         "tests/cli/test_commands.py", "tests/cli/test_rerun.py"]
VERSIONS = ("import importlib.metadata as m, json, platform; print(json.dumps({'python': platform.python_version(), "
            "**{d.name.lower(): d.version for d in m.distributions()}}))")


def pins():
    """Return ``name==version`` of the lower bounds in pyproject.toml."""
    bounds = [one.split(">=") for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]]
    return [f"{name}=={low}" for name, low in bounds if name in OLDEST]


def main():
    """Install and test; --resolve only asks the index whether the versions go together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default=ROOT / ".venv" / "oldest", type=Path, help="Folder of the environment.")
    parser.add_argument("--resolve", action="store_true", help="Only ask whether the versions go together.")
    parser.add_argument("tests", nargs="*", default=TESTS, help="Arguments of pytest.")
    asked = parser.parse_args()
    python = asked.env / "bin" / "python"
    if not python.exists():
        venv.create(asked.env, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--disable-pip-version-check"]
    print("with", *pins(), flush=True)
    done = subprocess.run([*pip, *(["--dry-run"] if asked.resolve else []), "-e", f"{ROOT}[test]", *pins()])
    sys.exit(done.returncode if done.returncode or asked.resolve else tested(python, asked.tests))


def tested(python, tests):
    """Run the tests and return pytest's exit code; what passed of all of them is kept in RESULTS."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests],
                              cwd=ROOT)
        counts = xml.parse(report).getroot().find("testsuite").attrib
    found = {name: int(counts[name]) for name in ("tests", "failures", "errors", "skipped")}
    known = json.loads(subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout)
    names = ("python", *OLDEST, "scipy", "scikit-learn", "matplotlib", "diffusers")
    if tests == TESTS:
        content = {**found, "seconds": round(float(counts["time"])), "versions": {name: known[name] for name in names},
                   "what": tests}
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    return done.returncode


if __name__ == "__main__":
    main()
