"""BibTeX entries of the references that the cards of a run's diagnostics cite."""

import re

from fmdiag.report.export.tex import tex

ARXIV, YEAR = re.compile(r"arXiv (\d{4})\.(\d{4,5})"), re.compile(r"\b(?:19|20)\d\d\b")
TITLE = re.compile("“(.*?)”")


def citations(reference):
    """Return {key: BibTeX entry} of the references in a card's text, which semicolons part.

    Authors, title, year and number on arXiv are taken from each as far as it names them; the whole of it is the note.
    """
    found = {}
    for part in reference.split(";"):
        if YEAR.search(part) or ARXIV.search(part):
            key, entry = _entry(" ".join(part.split()).rstrip("."))
            found.setdefault(key, entry)
    return found


def _entry(text):
    title, number, year = TITLE.search(text), ARXIV.search(text), YEAR.search(ARXIV.sub("", text))
    year = year[0] if year else f"20{number[1][:2]}"
    start = text[:min(match.start() for match in (title, number, YEAR.search(text)) if match)]
    names = _names(re.sub(r"\(.*$", "", start.rpartition(": ")[2]).strip(" ,"))
    fields = {"author": " and ".join(tex(name) for name in names), "title": f"{{{tex(title[1])}}}" if title else "",
              "year": year, "howpublished": f"arXiv:{number[1]}.{number[2]}" if number else "",
              "note": "" if title else tex(text)}
    surname = re.sub(r"\W", "", (names[0].split() or ["ref"])[-1].encode("ascii", "ignore").decode().lower()) or "ref"
    key = f"{surname}{year}" + (f"-{number[2]}" if number else "")
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return key, f"@misc{{{key},\n{lines}}}\n"


def _names(authors):
    """Return the names in a list of authors, "others" among them."""
    text = re.sub(r"\bet al\.?", ", others", authors)
    return [name.strip() for name in re.split(r",| and | & ", text) if name.strip()] or ["Anonymous"]
