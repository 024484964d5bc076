"""Oldest supported torch, NumPy and pandas, as pyproject.toml has them: installed, and a part of the tests run with them.

`make test-oldest`. The other dependencies are whatever goes with these; a folder of its own keeps the environment. On Linux the
index's wheels of torch bring CUDA's libraries; PIP_EXTRA_INDEX_URL can name one of smaller wheels.
"""

import argparse
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
# pyarrow beside them: its newest wheels refuse NumPy 1 when they are imported, which their requirements do not say.
OLDEST = ("torch", "numpy", "pandas", "pyarrow")
TESTS = ["tests/package", "tests/posterior", "tests/paths", "tests/fields", "tests/stats", "tests/metrics",
         "tests/neighbors", "tests/cli/test_commands.py", "tests/cli/test_rerun.py"]


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
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--disable-pip-version-check", "--quiet"]
    print("with", *pins(), flush=True)
    done = subprocess.run([*pip, *(["--dry-run"] if asked.resolve else []), "-e", f"{ROOT}[test]", *pins()])
    if done.returncode == 0 and not asked.resolve:
        done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked.tests], cwd=ROOT)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
