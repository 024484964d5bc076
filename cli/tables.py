"""A summary table as short text for a terminal: quantities side by side, a line per time."""

import pandas as pd

AXES = ("t", "tau")
MOST_TIMES = 11
FIXED = ("diagnostic", "quantity", "value", "low", "high", "level", "n", "interval")


def short_table(summary):
    """Return the summary as text: per diagnostic, at most 11 evenly spaced times, each value with its interval."""
    blocks = []
    for name, rows in summary.groupby("diagnostic", sort=False):
        rows = rows.dropna(axis=1, how="all")
        axis = next((axis for axis in AXES if axis in rows), None)
        curves = rows.iloc[:0] if axis is None else rows[rows[axis].notna()]
        single = rows.drop(curves.index)
        parts = [_curves(curves, axis)] if len(curves) else []
        parts += [_lines(single.dropna(axis=1, how="all"))] if len(single) else []
        level = f"{summary['level'].iloc[0]:.0%}"
        blocks.append(f"{name}: mean [{level} interval]\n" + "\n\n".join(parts))
    return "\n\n".join(blocks)


def _curves(rows, axis):
    times = sorted(rows[axis].unique())
    step = max(1, -(-(len(times) - 1) // (MOST_TIMES - 1)))
    rows = rows[rows[axis].isin({*times[::step], times[-1]})]
    keys = [key for key in rows if key not in FIXED and key != axis and rows[key].nunique() > 1]
    cells = rows.assign(cell=[_cell(row) for row in rows.itertuples()])
    wide = cells.pivot_table(index=[*keys, axis], columns="quantity", values="cell", aggfunc="first", sort=False)
    return wide.sort_index()[list(dict.fromkeys(rows["quantity"]))].reset_index().to_string(index=False)


def _lines(rows):
    keys = [key for key in rows if key not in FIXED and rows[key].nunique() > 1]
    cells = pd.DataFrame({"quantity": rows["quantity"], **{key: rows[key] for key in keys},
                          "value": [_cell(row) for row in rows.itertuples()], "n": rows["n"],
                          "interval": rows["interval"]})
    return cells.to_string(index=False, na_rep="")


def _cell(row):
    low, high = getattr(row, "low", None), getattr(row, "high", None)
    if low is None or pd.isna(low):
        return f"{row.value:.3g}"
    return f"{row.value:.3g} [{low:.3g}, {high:.3g}]"
