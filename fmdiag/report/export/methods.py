"""Methods of runs as a paragraph: data, model, versions, and the definition of each diagnostic with its citations."""

from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.report.export.bibliography import citations

PACKAGES = ("torch", "numpy", "pandas", "scipy")


def cards_of(records):
    """Return the cards of the diagnostics that the runs measured, in the order of the registry."""
    measured = {name for record in records for name in record.get("diagnostics") or ()}
    return [card for name, card in DIAGNOSTICS.items() if name in measured]


def references(records):
    """Return {key: BibTeX entry} of everything that the cards cite."""
    return {key: entry for card in cards_of(records) for key, entry in citations(card.reference or "").items()}


def sentences(labels, records):
    """Return the sentences of the methods, each a pair (text, keys of what it cites)."""
    found = [(f"{label}: {subject(record)}.", ()) for label, record in zip(labels, records, strict=True)]
    found.append(("All intervals hold at 95 % unless another level is named.", ()))
    found += [(f"{card.title}: {' '.join(card.definition.split())}", tuple(citations(card.reference or "")))
              for card in cards_of(records)]
    return found


def subject(record):
    """Return what a run measured, with which versions and seed, as one clause."""
    data, model = record.get("dataset") or {}, record.get("checkpoint") or {}
    versions = record.get("versions") or {}
    parts = [f"fmdiag {record['fmdiag']}", *(f"{name} {versions[name]}" for name in PACKAGES if name in versions)]
    rows = f"{data['n']} training examples of " if data.get("n") else ""
    named = [f"model {model['file']}"] if model.get("file") else []
    named += [f"{rows}{data['name']}"] if data.get("name") else []
    named += [f"seed {record['seed']}"] if record.get("seed") is not None else []
    return f"{', '.join(named) or 'a run'}, measured with {', '.join(parts)}"
