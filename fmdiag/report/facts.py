"""Entries of run.json as pairs of texts: shapes as 1 × 8 × 8, hashes cut, nested entries flat."""

import re

from fmdiag.errors import printable

HASH = re.compile(r"[0-9a-f]{40,}")
# What decides a section's numbers beside its own parameters; everything else is in run.json at the end of the page.
EXCERPT = ("seed", "device", "ranks", "trust_code", "dtype", "versions", "started", "seconds", "fmdiag")


def facts(mapping):
    """Return (key, text) pairs of a dict, maybe None; entries that are None are left out."""
    return [(str(key).replace("_", " "), _fact(key, value)) for key, value in (mapping or {}).items()
            if value is not None and value != []]


def excerpt(run):
    """Return the pairs of run.json that every section rests on: data, checkpoint, seed, device, versions."""
    data, checkpoint = run.get("dataset") or {}, run.get("checkpoint") or {}
    found = {"data set": data.get("name"), "fingerprint": data.get("fingerprint"), "checkpoint": checkpoint.get("file"),
             "checkpoint sha256": checkpoint.get("sha256")}
    return facts(found | {key: run.get(key) for key in EXCERPT})


def _fact(key, value):
    if key == "shape" and isinstance(value, list | tuple):
        return " × ".join(str(side) for side in value)
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_fact(name, inner)}" for name, inner in value.items() if inner is not None)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_fact(key, entry) for entry in value)
    return HASH.sub(lambda found: found[0][:12] + "…", printable(str(value)))
