"""Pages of docs/: the gallery from docs/gallery/facts.json, the reference from docstrings, the README table from cards.

`python -m docs.build` takes seconds; with --measure both models of the gallery are first trained and measured, which
takes minutes.
"""

import argparse
from pathlib import Path

from docs import api, gallery

README = Path(__file__).parent / "README.md"
FIRST = Path(__file__).parents[1] / "README.md"
MARKS = ("<!-- from the cards of the diagnostics -->", "<!-- end -->")
TEXT = """# fmdiag's documentation

The [README](../README.md) says what fmdiag answers and how to begin. Made by `python -m docs.build`; do not edit.

## Gallery

Each diagnostic on two models of the same digits: one that was trained on 16 of them until it returns them, and the
bundled one, trained on 1500; where a page needs others, it says which. Studies have both in one series.

{gallery}

## Reference

- [Calibration](calibration.md) of the verdict on copies: false alarms, misses of intervals, power.
- [Conformance](conformance.md) of checkpoints: which layouts are read, from where in the file, and how exactly.
- [API reference](api/README.md), from the docstrings. Every example in it is executed by the tests.
- `fmdiag COMMAND --help` describes every command's options.
"""


def readme():
    """Return the text of docs/README.md."""
    return TEXT.format(gallery="\n".join(gallery.index())).replace("û*", "û\\*")


def diagnostics_table():
    """Return the README's table of diagnostics: question, command and what memorising looks like, from the cards."""
    from fmdiag.diagnostics import DIAGNOSTICS

    rows = [(card.question, f"`{card.examples[0]}`", card.memorization.split(". ")[0].rstrip("."))
            for card in DIAGNOSTICS.values() if card.examples]
    lines = ["| question | command | what you see if the model memorises |", "|---|---|---|",
             *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines).replace("û*", "û\\*")


def with_table(text):
    """Return the text of the project's README with the table of diagnostics between its marks."""
    before, _, rest = text.partition(MARKS[0])
    return before + MARKS[0] + "\n\n" + diagnostics_table() + "\n\n" + MARKS[1] + rest.partition(MARKS[1])[2]


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
    FIRST.write_text(with_table(FIRST.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
