"""Interactive part of the page: numbers and pictures that a reader moves, sorts and opens, as plain data.

Nothing here is needed to read the page: figures and tables show the same without a script.
"""

import json

import numpy as np

from fmdiag.figures.run_data import RunData
from fmdiag.figures.style import SOURCES
from fmdiag.report.sprites import sprite

HERE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
MOST_NOISES = 12
# A sample of û* that is no further from its row than this is shown by the row's picture.
ON_ITS_ROW = 0.01


def exploring(run: RunData):
    """Return {name: data} of what can be explored in a run: hybrid, gallery, provenance, and the labels of sources."""
    parts = {"hybrid": hybrid(run), "gallery": gallery(run), "provenance": provenance(run)}
    return {"sources": SOURCES} | {name: part for name, part in parts.items() if part is not None}


def as_script(data):
    """Return JSON that is safe inside a script element: no character of it can end the element or begin another."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    for character, escape in HERE.items():
        text = text.replace(character, escape)
    return text


def hybrid(run):
    """Return the strips: pictures or points per tau and noise with their distances, or None without them."""
    arrays, table = run.arrays("hybrid"), run.table("hybrid")
    if arrays is None or table is None or not {"tau", "sample", "distance", "feature"} <= set(table):
        return None
    taus, shown = arrays["taus"], arrays.get("images", arrays.get("points"))[:, :MOST_NOISES]
    data = {"taus": taus, "features": {name: _per_tau(part, taus, shown.shape[1])
                                       for name, part in table.groupby("feature", sort=False)},
            "means": _means(run)}
    nearest = arrays["nearest"][:, :MOST_NOISES]
    if "images" in arrays:
        sheet, numbers = sprite(np.concatenate([shown.reshape(-1, *shown.shape[2:]),
                                                nearest.reshape(-1, *shown.shape[2:])]))
        numbers = numbers.reshape(2, *shown.shape[:2])
        return data | {"sheet": sheet, "samples": numbers[0], "nearest": numbers[1]}
    return data | {"points": _short(shown), "near_points": _short(nearest)} if shown.shape[-1] == 2 else None


def _per_tau(table, taus, n):
    """Return lists of lists, a line per tau: the first n samples' distances, nearest rows and flags."""
    lines = [table[np.isclose(table["tau"], tau)].sort_values("sample").head(n) for tau in taus]
    columns = [name for name in ("distance", "ratio", "nearest", "memorized") if name in table]
    return {name: [_short(line[name].to_numpy()) for line in lines] for name in columns}


def _means(run):
    rows, keys = run.summary("hybrid", "distance", "memorized"), ["quantity", "feature", "tau", "value", "low", "high"]
    if not set(keys) <= set(rows):
        return []
    return [dict(zip(keys, _short(row), strict=True)) for row in rows[keys].itertuples(index=False)]


def gallery(run):
    """Return the pictured samples with their numbers per feature space, or None without pictures of them."""
    table = run.table("memorization")
    arrays = run.arrays("gallery") or _older(run.arrays("memorization"))
    if table is None or arrays is None:
        return None
    sheet, pictures = sprite(arrays["images"])
    row_sheet, row_pictures = sprite(arrays["row_images"])
    place = dict(zip(arrays["rows"].tolist(), row_pictures.tolist(), strict=True))
    copies = dict(zip(arrays["rows"].tolist(), arrays["copies"].tolist(), strict=True))
    features = {name: _measured(part, arrays, place, copies) for name, part in table.groupby("feature", sort=False)}
    names = list(dict.fromkeys(arrays["source"].tolist()))
    return {"sheet": sheet, "row_sheet": row_sheet, "names": names, "features": features,
            "source": [names.index(source) for source in arrays["source"].tolist()], "sample": arrays["sample"],
            "picture": [int(pictures[k]) if k >= 0 else -1 for k in arrays["picture"]],
            "totals": table.drop_duplicates(["source", "sample"])["source"].value_counts().to_dict()}


def _older(arrays):
    """Return the arrays of a run made before there was a gallery of its own: the model's samples of least ratio."""
    if arrays is None or not {"samples", "neighbors", "sample", "nearest"} <= set(arrays):
        return None
    rows, first = np.unique(arrays["nearest"], return_index=True)
    n = len(arrays["sample"])
    return {"source": np.full(n, "model"), "sample": arrays["sample"], "picture": np.arange(n),
            "images": arrays["samples"], "rows": rows, "copies": np.ones(len(rows), int),
            "row_images": arrays["neighbors"][first]}


def _measured(table, arrays, place, copies):
    """Return columns over the pictured samples in one feature space; null where that space lacks a sample."""
    found = table.set_index(["source", "sample"])
    found = found[~found.index.duplicated()].reindex(
        list(zip(arrays["source"].tolist(), arrays["sample"].tolist(), strict=True)))
    nearest = [-1 if row != row else int(row) for row in found["nearest"]]
    memorised = table[table["memorized"] & (table["source"] == "model")]["nearest"].value_counts()
    return {"nearest": nearest, "row_picture": [place.get(row, -1) for row in nearest],
            "copies": [copies.get(row, 1) for row in nearest],
            "shared": [int(memorised.get(row, 0)) for row in nearest],
            "memorized": [bool(flag) if flag == flag else False for flag in found["memorized"]],
            **{name: _short(found[name].to_numpy(float)) for name in ("d1", "d2", "ratio")}}


def provenance(run):
    """Return weights of training rows along trajectories with the rows' pictures, or None without the table."""
    table, arrays = run.table("provenance"), run.arrays("provenance") or {}
    if table is None or not {"source", "sample", "t", "row", "weight"} <= set(table):
        return None
    data = {"times": _short(np.sort(table["t"].unique())), "trajectories": [
        {"sample": int(sample), "source": source, **_weights(part)}
        for (sample, source), part in table.groupby(["sample", "source"], sort=False)]}
    pictured = [name for name in ("model", "closed_form") if f"{name}_images" in arrays]
    if "row_images" in arrays:
        images = [arrays["row_images"], *(arrays[f"{name}_images"] for name in pictured)]
        sheet, numbers = sprite(np.concatenate(images))
        parts = np.split(numbers, np.cumsum([len(part) for part in images])[:-1])
        data |= {"sheet": sheet, "rows": dict(zip(map(str, arrays["rows"].tolist()), parts[0], strict=True)),
                 "ends": {name: dict(zip(map(str, arrays["samples"].tolist()), part, strict=True))
                          for name, part in zip(pictured, parts[1:], strict=True)}}
    return data


def _weights(table):
    wide = table.pivot_table(index="row", columns="t", values="weight", aggfunc="sum", fill_value=0.0)
    wide = wide.loc[wide.max(axis=1).sort_values(ascending=False, kind="stable").index]
    wide = wide.loc[[*(row for row in wide.index if row >= 0), *(row for row in wide.index if row < 0)]]
    return {"rows": [int(row) for row in wide.index], "weights": _short(wide.to_numpy())}


def _short(values):
    """Return (nested) lists of numbers with five digits; NaN becomes null. What is no number stays as it is."""
    if isinstance(values, np.ndarray | list | tuple):
        return [_short(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]
    if isinstance(values, float):
        return float(f"{values:.5g}") if np.isfinite(values) else None
    return values


def _plain(value):
    return _short(value) if isinstance(value, np.ndarray) else value.item()
