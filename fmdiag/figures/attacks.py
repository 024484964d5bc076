"""Figure of the published membership attacks: AUC per time of each, beside the better blind baseline."""

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.style import BAND_ALPHA, NEUTRAL, curve_style, legend_above, new_figure

NOISED = {"naive": "T naive", "mc": "T mc", "mc-calibrated": "T mc by size", "reference": "less than reference"}
CLEAN = {"pia": "PIA", "pian": "PIAN", "secmi": "SecMI", "sima": "SimA"}
BLIND = {"blind-size": "blind: size", "blind-classifier": "blind: classifier"}


def attacks(table, names, ax):
    """Draw the AUC per t of the attacks in `names`; `table`: summary rows of quantity attack_auc."""
    for index, (name, label) in enumerate(names.items()):
        rows = table[table["attack"] == name]
        if len(rows):
            draw_curve(ax, rows, "t", label=label, style=curve_style(index, len(rows)))
    blind = table[table["attack"].isin(list(BLIND))]
    if len(blind):
        best = blind.loc[blind["value"].idxmax()]
        ax.axhline(best["value"], color="black", linewidth=1.1, linestyle=":", label=BLIND[best["attack"]])
        ax.axhspan(best["low"], best["high"], color="black", alpha=BAND_ALPHA / 2, linewidth=0)
    ax.axhline(0.5, color=NEUTRAL, linewidth=0.9, linestyle="--")
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="AUC of the attack", xlim=(0, 1), ylim=(-0.03, 1.03))
    return ax


def attacks_figure(run):
    """Return the AUC of every attack per time, or None without a summary of it."""
    rows = run.summary("membership", "attack_auc")
    if rows.empty:
        return None
    figure, axes = new_figure(3.2, ncols=2, sharey=True)
    for ax, names in zip(axes[0], (NOISED, CLEAN), strict=True):
        attacks(rows, names, ax).label_outer()
    legend_above(axes[0, 0], [axes[0, 1]])
    return figure
