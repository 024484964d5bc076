"""BibTeX entries of the references that the cards of a run's diagnostics cite."""

import re
import unicodedata

from fmdiag.report.export.tex import tex
from fmdiag.report.export.works import BY_NUMBER, WORKS

ARXIV, YEAR = re.compile(r"arXiv (\d{4})\.(\d{4,5})"), re.compile(r"\b(?:19|20)\d\d\b")
TITLE = re.compile("“(.*?)”")


def citations(reference):
    """Return {key: BibTeX entry} of the references in a card's text, which semicolons part.

    Of the works that `fmdiag.report.export.works` knows, the whole entry; of others authors, title, year and number on
    arXiv as far as the text names them, the whole of it being the note where there is no title.
    """
    found = {}
    for part in reference.split(";"):
        text = " ".join(part.split()).rstrip(".")
        years, number = YEAR.findall(ARXIV.sub("", text)), ARXIV.search(text)
        for year in years[:1] if number else years:
            key, entry = _entry(text, year, number)
            found.setdefault(key, entry)
        if number and not years:
            key, entry = _entry(text, f"20{number[1][:2]}", number)
            found.setdefault(key, entry)
    return found


def _entry(text, year, number):
    """Return (key, BibTeX entry) of one work, of which the text names at least the year."""
    title = TITLE.search(text)
    start = text[:min(match.start() for match in (title, number, YEAR.search(text)) if match)]
    names = _names(re.sub(r"\(.*$", "", start.rpartition(": ")[2]).strip(" ,"))
    surname = _ascii((names[0].split() or ["ref"])[-1]) or "ref"
    shown = f"{number[1]}.{number[2]}" if number else ""
    known = BY_NUMBER.get(shown) if number else f"{surname}{year}" if f"{surname}{year}" in WORKS else None
    if known:
        authors, name, venue, shown = WORKS[known]
        return known, _bibtex(known, authors, name, year, shown, venue, "" if name else text)
    key = f"{surname}{year}" + (f"-{number[2]}" if number else "")
    return key, _bibtex(key, " and ".join(names), title[1] if title else "", year, shown, "", "" if title else text)


def _bibtex(key, authors, title, year, number, venue, note):
    fields = {"author": tex(authors), "title": f"{{{tex(title)}}}" if title else "", "year": year,
              "howpublished": tex(venue) or (f"arXiv:{number}" if number else ""),
              "note": tex(note) or (f"arXiv:{number}" if venue and number else "")}
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@misc{{{key},\n{lines}}}\n"


def _ascii(name):
    """Return a name in small letters without accents."""
    plain = unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode()
    return re.sub(r"\W", "", plain.lower())


def _names(authors):
    """Return the names in a list of authors, "others" among them."""
    text = re.sub(r"\bet al\.?", ", others", authors)
    return [name.strip() for name in re.split(r",| and | & ", text) if name.strip()] or ["Anonymous"]
