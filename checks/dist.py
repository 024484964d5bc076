"""Wheel and sdist as a user meets them: built, checked, installed in a fresh environment, used from another folder.

Used are the command line, a small report, and the cells of the first notebook, in a folder that knows no checkout.

`make check-dist` runs it. The wheel is built from the unpacked sdist, so what either lacks is missed here. The fresh environment
sees the packages of this one, but not its fmdiag; with --whole it installs every dependency from the index instead.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_BYTES = 12_000_000
NOTEBOOK = ROOT / "docs" / "first_steps.ipynb"
REPORT = ["report", "--n-pairs", "8", "--n-samples", "8", "--n-noises", "8", "--n-gradients", "4", "--n-steps", "5"]


def main():
    """Build, check, install and use; the first failure ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=ROOT / "dist", type=Path, help="Where wheel and sdist are put.")
    parser.add_argument("--whole", action="store_true", help="Install the dependencies too, from the index.")
    parser.add_argument("--build-only", action="store_true", help="Build and check, install nothing.")
    asked = parser.parse_args()
    wheel = built(asked.out.absolute())
    if not asked.build_only:
        with tempfile.TemporaryDirectory() as folder:
            use(installed(wheel, Path(folder) / "env", asked.whole), Path(folder) / "elsewhere")


def built(out):
    """Build both into `out` and return the wheel, once twine and check-wheel-contents have found no fault in them."""
    from fmdiag import __version__

    for old in out.glob("fmdiag-*"):
        old.unlink()
    call(sys.executable, "-m", "build", "--outdir", out, ROOT, quiet=True)
    (wheel,), (source,) = out.glob(f"fmdiag-{__version__}-*.whl"), out.glob(f"fmdiag-{__version__}.tar.gz")
    call(sys.executable, "-m", "twine", "check", "--strict", wheel, source)
    call(sys.executable, "-m", "check_wheel_contents", wheel)
    for file in (wheel, source):
        print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB", flush=True)
    if wheel.stat().st_size > MOST_BYTES:
        sys.exit(f"{wheel.name} has more than {MOST_BYTES / 1e6:g} MB")
    return wheel


def installed(wheel, folder, whole):
    """Install the wheel in a new environment and return its Python."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    if whole:
        call(*pip, "-c", ROOT / "constraints.txt", wheel, quiet=True)
    else:
        call(*pip, "--no-deps", wheel, quiet=True)
        site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
        # After its own folder, so that of two fmdiag the wheel's is taken; .pth files there are not read again.
        (site / "packages-of-the-other.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))
    return python


def use(python, folder):
    """Ask for the version, the data sets and a small report, in an empty folder, as a shell without our paths would."""
    folder.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FMDIAG", "PYTHON"))}
    command, here = python.parent / "fmdiag", {"cwd": folder, "env": clean}
    place = call(python, "-c", "import fmdiag, fmdiag.cli, fmdiag.data; print(fmdiag.__file__)", **here).strip()
    if not Path(place).is_relative_to(python.parents[1]):
        sys.exit(f"{place} is imported instead of the wheel")
    call(command, "--version", **here)
    call(python, "-m", "fmdiag", "datasets", quiet=True, **here)
    call(command, *REPORT, "--out", "run", quiet=True, **here)
    page = (folder / "run" / "index.html").read_text(encoding="utf-8")
    if "<style" not in page or "<svg" not in page and "<img" not in page:
        sys.exit("the page of the report has no style or no figure")
    print(f"report from the wheel: index.html, {len(page) / 1e6:.1f} MB", flush=True)
    call(python, "-c", cells(NOTEBOOK), quiet=True, cwd=folder, env=clean | {"MPLBACKEND": "agg"})
    if not (folder / "reports" / "notebook" / "index.html").is_file():
        sys.exit(f"the cells of {NOTEBOOK.name} have written no page")
    print(f"{NOTEBOOK.name} from the wheel: its cells ran, and wrote a page", flush=True)


def cells(notebook):
    """Return the code of a notebook's cells, one after the other."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return "\n".join("".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code")


def call(*words, quiet=False, **options):
    """Run a program and return what it printed on stdout; where it fails, show everything and end."""
    began, words = time.monotonic(), [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    shown = "" if quiet else done.stdout.strip()
    print(f"{' '.join([Path(words[0]).name, *words[1:4]])}: {time.monotonic() - began:.0f} s {shown}", flush=True)
    return done.stdout


if __name__ == "__main__":
    main()
