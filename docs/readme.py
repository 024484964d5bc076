"""Table of diagnostics in docs/README.md, made from their cards: `python -m docs.readme` writes it."""

from pathlib import Path

FIRST = Path(__file__).with_name("README.md")
MARKS = ("<!-- from the cards of the diagnostics -->", "<!-- end -->")


def diagnostics_table():
    """Return the table: question, command and what memorising looks like."""
    from fmdiag.diagnostics import DIAGNOSTICS

    rows = [(card.question, f"`{card.examples[0]}`", card.memorization.split(". ")[0].rstrip("."))
            for card in DIAGNOSTICS.values() if card.examples]
    lines = ["| question | command | what you see if the model memorises |", "|---|---|---|",
             *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines).replace("û*", "û\\*")


def with_table(text):
    """Return the text of docs/README.md with the table between its marks."""
    before, _, rest = text.partition(MARKS[0])
    return before + MARKS[0] + "\n\n" + diagnostics_table() + "\n\n" + MARKS[1] + rest.partition(MARKS[1])[2]


if __name__ == "__main__":
    FIRST.write_text(with_table(FIRST.read_text(encoding="utf-8")), encoding="utf-8")
