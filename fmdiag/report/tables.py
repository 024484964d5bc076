"""Tables of the page: the summary to read and sort, and the first rows of every raw table.

Rounding happens here and for display only: the files in tables/ hold everything unrounded.
"""

import math

import numpy as np

from fmdiag.results.words import in_words

NAMING = ("definition",)   # shown also where all rows agree: a number without it means nothing
AXES = ("t", "tau", "threshold", "step", "seconds")
FIXED = ("diagnostic", "quantity", "value", "low", "high", "level", "n", "interval", "note")
NOT_SHOWN = ("first", "other", "p", "p_holm")   # of differences: in the file, and where they are judged in the text
MOST_ROWS, MOST_COLUMNS, HEAD_ROWS = 60, 8, 12


def summary_tables(summary, *, extra=()):
    """Return the tables of one diagnostic's summary rows: curves, a line per time, then single numbers.

    Parameters
    ----------
    summary : DataFrame
        Summary rows of one diagnostic, maybe none.
    extra : sequence of str
        Columns that are shown although all rows have the same value.

    Returns
    -------
    list of dict
        Each with caption, columns and rows; a cell is {"text", "interval", "value"}, value a number to sort by or None.
    """
    if summary.empty:
        return []
    axis = next((axis for axis in AXES if axis in summary and summary[axis].nunique() > 2), None)
    curves = summary.iloc[:0] if axis is None else summary[summary[axis].notna()]
    single = summary.drop(curves.index)
    level = f"{summary['level'].dropna().iloc[0]:.0%}".replace("%", " %") if summary["level"].notna().any() else ""
    return [*_curves(curves, axis, level, extra),
            *_singles(single.dropna(axis=1, how="all"), level, extra)]


def head_table(table, name, n_rows=HEAD_ROWS):
    """Return the first rows of a raw table, or None where there is no table."""
    if table is None or table.empty:
        return None
    head = table.iloc[:n_rows].dropna(axis=1, how="all")
    rows = [[cell(value) for value in row] for row in head.itertuples(index=False)]
    part = "First rows" if len(head) < len(table) else "All rows"
    return {"caption": f"{part} of tables/{name}.csv ({len(table)} rows)", "rows": rows,
            "columns": [str(column) for column in head.columns]}


def difference_tables(table, name):
    """Return the tables of a comparison's differences of one diagnostic: as its summary, a line per run and time."""
    rows = None if table is None else table[table["diagnostic"] == name].drop(columns=list(NOT_SHOWN), errors="ignore")
    if rows is None or rows.empty:
        return []
    found = summary_tables(rows.drop(columns="against"), extra=("run",))
    kinds = ", ".join(rows["interval"].unique())
    return [part | {"caption": f"Differences from {rows['against'].iloc[0]} ({kinds}). {part['caption']}"}
            for part in found]


def runs_table(runs):
    """Return the table of a comparison's runs, or None for a run of its own."""
    if not runs:
        return None
    return {"caption": "The runs, in the order given", "columns": list(runs[0]),
            "rows": [[cell(run.get(name)) for name in runs[0]] for run in runs]}


def cell(value, low=math.nan, high=math.nan):
    """Return {"text", "interval", "value"} of a value, its interval given where it has one."""
    if isinstance(value, bool | np.bool_):
        return {"text": "yes" if value else "no", "interval": "", "value": int(value)}
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return {"text": "", "interval": "", "value": None}
    if not isinstance(value, int | float | np.number):
        return {"text": str(value), "interval": "", "value": None}
    if not (math.isfinite(low) and math.isfinite(high)):
        return {"text": shown(value), "interval": "", "value": float(value)}
    decimals = _decimals(value, low, high)
    text, low, high = (_fixed(number, decimals) for number in (value, low, high))
    return {"text": text, "interval": f"[{low}, {high}]", "value": float(value)}


def shown(value):
    """Return a number with four digits, whole numbers in full."""
    whole = isinstance(value, int | np.integer) or (math.isfinite(value) and value == int(value) and abs(value) < 1e9)
    return str(int(value)) if whole else f"{value:.4g}"


def _decimals(value, low, high):
    """Return how many decimals the interval's width leaves meaningful."""
    width = high - low
    return 1 - math.floor(math.log10(width)) if width > 0 else 3 - math.floor(math.log10(abs(value) or 1))


def _fixed(number, decimals):
    if not 0 <= decimals <= 6:
        return f"{number:.3g}"
    text = f"{number:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _curves(rows, axis, level, extra):
    """Yield tables with a line per time, a column per quantity; several where one would be too wide."""
    if rows.empty:
        return
    places = np.sort(rows[axis].unique())
    kept = places[np.unique(np.linspace(0, len(places) - 1, min(MOST_ROWS, len(places))).astype(int))]
    keys = [axis, *_keys(rows, axis, extra)]
    while len(kept) > 11 and rows[rows[axis].isin(kept)].drop_duplicates(keys).shape[0] > 4 * MOST_ROWS:
        kept = kept[::2]
    thin = "" if len(kept) == len(places) else f", {len(kept)} of {len(places)} values of {axis}"
    rows = rows[rows[axis].isin(kept)].drop_duplicates([*keys, "quantity"])
    quantities = list(rows["quantity"].unique())
    for start in range(0, len(quantities), MOST_COLUMNS):
        part = quantities[start:start + MOST_COLUMNS]
        lines = [[*(cell(value) for value in key), *_line(group, part)]
                 for key, group in rows[rows["quantity"].isin(part)].groupby(keys, sort=True, dropna=False)]
        yield {"caption": f"Means and shares with their {level} intervals{thin}", "columns": [*keys, *map(words, part)],
               "rows": lines}


def _line(group, quantities):
    numbers = dict(zip(group["quantity"], group[["value", "low", "high"]].to_numpy(float), strict=True))
    return [cell(*numbers.get(name, [None])) for name in quantities]


def _singles(rows, level, extra):
    if rows.empty:
        return
    keys = _keys(rows, None, extra)
    lines = [[cell(words(row["quantity"])), *(cell(row[key]) for key in keys),
              cell(row["note"]) if isinstance(row.get("note"), str) else
              cell(*(float(row.get(key, math.nan)) for key in ("value", "low", "high"))),
              cell(row["n"]), cell(row["interval"])] for _, row in rows.head(4 * MOST_ROWS).iterrows()]
    yield {"caption": f"Single numbers with their {level} intervals", "rows": lines,
           "columns": ["quantity", *keys, "value", "n", "interval"]}


def _keys(rows, axis, extra):
    """Return the columns that tell rows of one quantity apart."""
    return [key for key in rows if key not in FIXED and key != axis
            and (rows[key].nunique() > 1 or (key in (*extra, *NAMING) and rows[key].notna().any()))]


def words(name):
    """Return a column's or quantity's name in words."""
    return in_words(str(name))
