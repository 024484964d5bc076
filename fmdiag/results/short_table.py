"""Summary table as text of at most 100 columns: quantities side by side, a line per time or source."""

import math

import pandas as pd

AXES = ("t", "tau")
MOST_TIMES = 11
WIDTH = 100
ROUNDING = 1e-12           # below it a value and its interval are 0
MOST_CELLS = 400           # of quantities per time; beyond them the first one is shown
NAMING = ("definition",)   # shown also where all rows agree: a number without it means nothing
FIXED = ("diagnostic", "quantity", "value", "low", "high", "level", "n", "interval", "note")


def short_table(summary):
    """Return the summary as text: per diagnostic, at most 11 evenly spaced times, each value with its interval."""
    return "\n\n".join(_block(name, rows.dropna(axis=1, how="all"))
                       for name, rows in summary.groupby("diagnostic", sort=False))


def _block(name, rows):
    axis = next((axis for axis in AXES if axis in rows), None)
    curves = rows.iloc[:0] if axis is None else rows[rows[axis].notna()]
    single = rows.drop(curves.index)
    curves, chosen = _chosen(curves)
    shown, rest = _first(_thinned(curves, axis))
    parts = [*_wide(shown.dropna(axis=1, how="all"), axis), *rest,
             *(text for part in (chosen, single) for text in _wide(part.dropna(axis=1, how="all"), None))]
    counts = rows["n"].unique()
    n = f", n = {counts[0]}" if len(counts) == 1 else ""
    return f"{name}: value [{rows['level'].iloc[0]:.0%} interval]{n}\n" + "\n\n".join([*parts, *_notes(rows)])


def _chosen(rows):
    """Return (rows, those at the time that one half of the data chose), without the curves that it chose from."""
    if "half" not in rows:
        return rows, rows.iloc[:0]
    return rows[rows["half"].isna() & rows["attack"].isna()], rows[rows["half"].notna()]


def _notes(rows):
    """Return the lines that say why quantities have no value, as one text, or nothing."""
    noted = rows[rows["note"].notna()] if "note" in rows else rows.iloc[:0]
    lines = [row["quantity"] + (f" (dim {row['dim']:g})" if "dim" in row else "") + f": {row['note']}"
             for row in noted.to_dict("records")]
    return ["\n".join(lines)] if lines else []


def _thinned(rows, axis):
    if rows.empty:
        return rows
    times = sorted(rows[axis].unique())
    step = max(1, -(-(len(times) - 1) // (MOST_TIMES - 1)))
    return rows[rows[axis].isin({*times[::step], times[-1]})]


def _first(rows):
    """Return (rows, []), or those of the first quantity and a line on the others where there are too many."""
    names = list(rows["quantity"].unique()) if len(rows) > MOST_CELLS else []
    if len(names) < 2:
        return rows, []
    return rows[rows["quantity"] == names[0]], [f"and {', '.join(names[1:])}: in the table summary"]


def _wide(rows, axis):
    """Yield the texts of tables no wider than WIDTH: a line per time or other key, a column per quantity."""
    if rows.empty:
        return
    keys = [key for key in rows if key not in FIXED and key != axis
            and (key in NAMING or rows[key].nunique() > 1)]
    keys += [axis] if axis else []
    if rows["n"].nunique() > 1:
        keys.append("n")
    # Where a quantity has two kinds of interval, the first is shown; the table in the run folder has both.
    rows = rows.drop_duplicates([*keys, "quantity"]).assign(cell=_cells)
    if not keys:
        yield rows[["quantity", "cell"]].to_string(index=False, header=False)
        return
    wide = rows.pivot(index=keys, columns="quantity", values="cell")[list(rows["quantity"].unique())]
    if not axis:
        lines = rows[keys].itertuples(index=False, name=None) if len(keys) > 1 else rows[keys[0]]
        wide = wide.loc[list(dict.fromkeys(lines))]
    yield from _in_width(wide.fillna("").reset_index(), keys)


def _in_width(wide, keys):
    lengths = {column: max(len(str(column)), *wide[column].astype(str).str.len()) + 1 for column in wide}
    start = sum(lengths[key] for key in keys)
    shown, used = [], start
    for column in wide.columns.drop(keys):
        if shown and used + lengths[column] > WIDTH:
            yield _text(wide, keys, shown)
            shown, used = [], start
        shown, used = [*shown, column], used + lengths[column]
    yield _text(wide, keys, shown)


def _text(wide, keys, shown):
    filled = wide[(wide[shown] != "").any(axis=1)]
    return filled[[*keys, *shown]].to_string(index=False)


def _cells(rows):
    low, high = (rows[name] if name in rows else [math.nan] * len(rows) for name in ("low", "high"))
    return [number_text(*numbers) for numbers in zip(rows["value"], low, high, strict=True)]


def number_text(value, low, high):
    """Return `value [low, high]` at the digits that the interval's width leaves meaningful."""
    if pd.isna(value):
        return "none"
    if pd.isna(low) or pd.isna(high):
        return f"{value:.4g}"
    if max(abs(value), abs(low), abs(high)) < ROUNDING:
        return "0 [0, 0]"
    width = high - low
    digits = 1 - math.floor(math.log10(width)) if width > 0 else 3 - math.floor(math.log10(abs(value) or 1))
    decimals = max(0, digits)
    if decimals > 6:
        return f"{value:.3g} [{low:.3g}, {high:.3g}]"
    return "{} [{}, {}]".format(*(_number(number, decimals) for number in (value, low, high)))


def _number(number, decimals):
    # Without trailing zeros, so that exact 0 and 1 are seen as such; never "-0".
    text = f"{number:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
