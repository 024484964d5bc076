"""How are the pages of docs/ made? The gallery from docs/gallery/facts.json, the API reference from the docstrings.

`python -m docs.build` takes seconds; with --measure both models of the gallery are first trained and measured, which
takes minutes.
"""

import argparse
from pathlib import Path

from docs import api, gallery

README = Path(__file__).parent / "README.md"
TEXT = """# fmdiag's documentation

The [README](../README.md) says what fmdiag answers and how to begin. Made by `python -m docs.build`; do not edit.

## Gallery

Each diagnostic on two models of the same digits: one that was trained on 16 of them until it returns them, and the
bundled one, trained on 1500; where a page needs others, it says which. Studies have both in one series.

{gallery}

## Reference

- [API reference](api/README.md), from the docstrings. Every example in it is executed by the tests.
- `fmdiag COMMAND --help` describes every command's options.
"""


def readme():
    """Return the text of docs/README.md."""
    return TEXT.format(gallery="\n".join(gallery.index())).replace("û*", "û\\*")


def main():
    """Write all pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="train and measure both models first")
    if parser.parse_args().measure:
        from docs.measure import measure

        measure()
    gallery.write()
    api.write()
    README.write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    main()
