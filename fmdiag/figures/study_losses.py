"""Figure of a study of losses: the quality of samples along training, by objective. Paper [1], figure 4.

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching", arXiv 2506.03719, figure 4.
"""

from fmdiag.figures.curves import draw_curve
from fmdiag.figures.study_size import samples_figure
from fmdiag.figures.style import curve_style, legend_above, log_steps, new_figure, own_axes


def pool_sizes(run):
    """Return the sentence that tells M from the authors' n_samples_mean, for the caption."""
    batch = (run.run.get("study") or {}).get("batch_size")
    shift = "their batch size" if batch is None else f"{batch}, the batch"
    return ("M counts all rows of a pool; the authors' pools hold the batch too, so that their n_samples_mean is M "
            f"less {shift}")


def named(objective, pools):
    """Return an objective's name with the authors' count of its pool, e.g. "efm M = 256 (authors' 128)"."""
    name, samples = objective.replace("M=", "M = "), (pools.get(objective) or {}).get("authors_n_samples_mean")
    return name if samples is None else f"{name} (authors' {samples})"


def by_objective(table, quantity, x, ax=None, *, pools=None):
    """Draw a quantity against `x`, a curve with its band per objective; `table`: summary rows, `pools`: as recorded."""
    ax = own_axes(ax)
    rows = table[(table["quantity"] == quantity) & table[x].notna()]
    for index, (name, group) in enumerate(rows.groupby("objective", sort=True)):
        draw_curve(ax, group, x, label=named(name, pools or {}), style=curve_style(index, len(group)))
    return ax


def study_losses_figure(run):
    """Return both panels of figure 4, or None where the run is no study of losses."""
    rows = run.summary("study_losses")
    if not len(rows):
        return None
    figure, axes = new_figure(3.2, width=7.2, ncols=2, sharey=True)
    for ax, (quantity, text) in zip(axes[0], (("frechet_train", "to training examples"),
                                              ("frechet_test", "to held-out examples")), strict=True):
        by_objective(rows, quantity, "step", ax, pools=run.run.get("pools"))
        log_steps(ax, rows["step"].dropna())
        ax.set(yscale="log", title=text)
    axes[0, 0].set_ylabel("Fréchet distance")
    legend_above(axes[0, 0], ncols=3)
    return figure


def difference_figure(run):
    """Return the paired differences to CFM, or None where there are none."""
    rows = run.summary("study_losses", "frechet_test_minus_cfm")
    if not len(rows):
        return None
    ax = by_objective(rows, "frechet_test_minus_cfm", "step", pools=run.run.get("pools"))
    ax.axhline(0, color="#555555", linewidth=0.8)
    log_steps(ax, rows["step"])
    ax.set(ylabel="test Fréchet distance\nminus that of cfm")
    # In early training distances are large: a scale that is linear near 0 shows both ends.
    ax.set_yscale("symlog", linthresh=max(1.0, float(rows["value"].abs().min())))
    return legend_above(ax, ncols=2).figure


def error_figure(run):
    """Return the error curves per objective, or None where the run is no study of losses."""
    rows = run.summary("study_losses", "squared_error")
    if not len(rows):
        return None
    ax = by_objective(rows, "squared_error", "t", pools=run.run.get("pools"))
    ax.set(xlabel="time t (0 noise, 1 data)", ylabel="squared error\nper coordinate", xlim=(0, 1))
    ax.set_ylim(0, 1.15 * rows.loc[rows["t"] <= 0.9, "value"].max())
    return legend_above(ax, ncols=2).figure


def losses_samples_figure(run):
    """Return each objective's first samples, or None without them."""
    return samples_figure(run, "study_losses", "objective")
