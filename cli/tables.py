"""A summary table as short text for a terminal."""

MOST_ROWS = 40


def short_table(summary):
    """Return the summary with rounded values, thinned evenly to at most 40 rows."""
    keys = [c for c in summary.columns if c not in ("value", "low", "high", "level", "n", "interval", "diagnostic")]
    shown = summary[["diagnostic", *keys, "value", "low", "high", "n"]].dropna(axis=1, how="all")
    if len(shown) > MOST_ROWS:
        step = -(-len(shown) // MOST_ROWS)
        shown = shown.iloc[::step]
    text = shown.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")
    missing = len(summary) - len(shown)
    return text + (f"\n({missing} more rows in tables/summary.csv)" if missing else "")
