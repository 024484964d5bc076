"""Widths of a study's networks, as its tables show them."""


def widest(table):
    """Return the rows of the widest network, and those that are of none: what a study of one network shows."""
    return table[table["width"].isna() | (table["width"] == table["width"].max())] if "width" in table else table


def widths_of(table):
    """Return the widths that a table's rows are of, ascending; none for a table without such a column."""
    return sorted(table["width"].dropna().unique()) if "width" in table else []
