"""Conformance of layouts: each is saved, read, and compared with û*; docs/conformance.md is the outcome.

    python -m checks.conformance                 print the page
    python -m checks.conformance --write         write docs/conformance.md

Files of ema-pytorch, pytorch-lightning and accelerate are written by these packages where they are installed
(``pip install --no-deps``); without them their rows are left out.
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/conformance.md"
HEAD = """# Conformance: which checkpoints are read, and how exactly

Made by `python -m checks.conformance --write`, which saves every layout, reads it and compares it with û\\*: the network in
each file is the exact posterior mean over five points, in the call, time and output of its kind, so that the field that
fmdiag reads must be û\\*. The error is the largest difference from û\\* at any of the times, over û\\*'s largest value:
times travel in float32, so that 1e-5 is exact. Files of packages are written by the packages; classes of repositories by
classes of the same interface. Averaged weights lie beside other raw ones: who reads the wrong ones has an error above .1.
"""
COLUMNS = ("layout", "given beside it", "recognised as", "weights", "found at", "times", "largest error")


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    write, text = parser.parse_args().write, page()
    if write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)


def page():
    """Return the text of the page."""
    layouts, parts = _layouts(), [HEAD]
    for title, cases in (("Families, by their own files", layouts.FAMILIES),
                         ("Schedules that a card names", layouts.SCHEDULES),
                         ("Containers, wrapped names and averages, with a card that names the class",
                          layouts.CONTAINERS)):
        rows = [row(name, case) for name, case in cases.items() if layouts.installed(name)]
        parts += [f"## {title}\n", _table(COLUMNS, rows), ""]
    refused = [(name, refusal(content)) for name, content in layouts.REFUSED.items()]
    parts += ["## Refused, each in one line\n", _table(("file", "what is said"), refused), ""]
    return "\n".join(parts)


def row(name, case):
    """Return the row of a layout, a tuple of texts; FmdiagError where it is refused, of which there is none."""
    import pytest

    from fmdiag.checkpoints import load_checkpoint

    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(scratch)
        file, options, times = case(Path(scratch), patch)
        checkpoint = load_checkpoint(file, **options)
        worst = max(_error(checkpoint, t) for t in times)
    known = checkpoint.description
    given = ["a card"] * ("model" in options) + ["--trust-code"] * ("trust_code" in options) + [
        f"--path {options.get('path_name')}"] * ("path_name" in options)
    return (name, ", ".join(given) or "nothing", known["family"], f"{known['weights']}, {known['origin']['weights']}",
            str(known.get("weights_at") or "").replace("|", "/"), str(len(times)), f"{worst:.0e}")


def refusal(content):
    """Return the line by which a content is refused."""
    import torch

    from fmdiag.checkpoints import load_checkpoint
    from fmdiag.errors import FmdiagError

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "their.pt"
        torch.save(content, file)
        try:
            load_checkpoint(file)
        except FmdiagError as error:
            return str(error).replace(f"{scratch}{os.sep}", "").replace("|", "/")
    raise AssertionError("it was read")


def _error(checkpoint, t):
    import oracle
    import torch
    from test_conformance import ROWS, u_star

    generator = torch.Generator().manual_seed(3)
    x1 = ROWS[torch.randint(len(ROWS), (6,), generator=generator)].double()
    x = (1 - t) * torch.randn(6, *oracle.SHAPE, generator=generator).double() + t * x1
    at = torch.full((6,), t, dtype=torch.float64)
    expected = u_star()(x, at)
    return ((checkpoint.field(x, at) - expected).abs().max() / expected.abs().max()).item()


def _table(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(text.replace("û*", "û\\*") for text in line) + " |" for line in lines)


def _layouts():
    folder = str(ROOT / "tests/checkpoints")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import layouts

    return layouts


if __name__ == "__main__":
    main()
