"""Figure of probability flow distances: a point with its interval per comparison, a panel per feature.

The same drawing serves a model against û* (hybrid) and two models (agreement). Zhang et al. 2025.
"""

from fmdiag.figures.style import COLORS, NEUTRAL, new_figure, own_axes

LABELS = {"closed_form": "model and û*", "equal_train": "model and û* of m training ex.",
          "equal_heldout": "model and û* of m held-out ex.", "resampled": "û* and û* of other examples",
          "other_noise": "other noise", "models": "both models", "closed_form_a": "first model and û*",
          "closed_form_b": "second model and û*"}
MAIN = ("closed_form", "models")


def points(table, ax=None):
    """Draw the probability flow distances of one feature; `table`: summary rows pfd with a column maps."""
    ax = own_axes(ax)
    for place, row in enumerate(table.itertuples()):
        color = COLORS[0] if row.maps in MAIN else NEUTRAL
        ax.errorbar([row.value], [place], xerr=[[max(row.value - row.low, 0)], [max(row.high - row.value, 0)]],
                    color=color, marker="o" if row.maps in MAIN else "s", linestyle="none", capsize=2.5)
    ax.set(xlabel="probability flow distance", ylabel="maps compared", ylim=(len(table) - 0.5, -0.5))
    ax.set(yticks=range(len(table)), yticklabels=[LABELS.get(name, name) for name in table["maps"]])
    ax.set_xlim(left=0)
    return ax


def hybrid_figure(run):
    """Return the distances of the model from û*, or None where the summary has none."""
    return _figure(run.summary("hybrid", "pfd"))


def agreement_figure(run):
    """Return the distances between two models, or None where the summary has none."""
    return _figure(run.summary("agreement", "pfd"))


def _figure(rows):
    if rows.empty:
        return None
    parts = list(rows.groupby("feature", sort=False))
    figure, axes = new_figure(0.24 * len(parts[0][1]) * len(parts) + 0.55 * len(parts) + 0.2, nrows=len(parts))
    for (feature, part), ax in zip(parts, axes[:, 0], strict=True):
        points(part, ax)
        ax.set_title(f"feature: {feature}" if len(parts) > 1 else "")
        ax.set_xlabel(f"probability flow distance ({feature})")
    return figure
