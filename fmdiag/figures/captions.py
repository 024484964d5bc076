"""Captions of figures: units, n, the data set and the kind of interval, as text beside each."""

from fmdiag.figures import comparison, memorization, study_losses
from fmdiag.figures.cards import figure_cards, owner
from fmdiag.figures.style import SOURCES
from fmdiag.studies.widths import widths_of

# Figures whose panels are pictures.
PICTURED = ("hybrid_strips", "memorization_gallery", "theories_samples")
# Columns of a summary by which its curves differ.
CURVES = ("source", "feature", "states", "score", "attack", "field", "kind", "theory", "coupling", "target", "points")


def captions(run, names):
    """Return {figure name: {"caption": ..., "alt": ...}} for the named figures of a run.

    Parameters
    ----------
    run : RunData
        The run that the figures were drawn from.
    names : iterable of str
        Figures; one without a text of its own is captioned with its name and the data set.
    """
    return {name: _caption(run, name) for name in names}


def _caption(run, name):
    points = "points" in (run.arrays(name.split("_")[0]) or {})
    if name.endswith("_comparison"):
        return _comparison_caption(run, name)
    text, alt = _texts(name, points)
    facts = {"data": "Data: " + run.dataset_facts() + _sides(run, name),
             "interval": run.interval_facts(*_intervals(name)),
             "pairs": run.units(name.split("_")[0], "pair"), "noises": run.units("hybrid", "sample"),
             "width": _width(run, owner(name)),
             "seeds": run.units("_".join(name.split("_")[:2]), "seed"),
             "feature": _features(run, name.split("_")[0]), "sources": _sources(run),
             "threshold": _threshold(run), "pools": study_losses.pool_sizes(run)}
    return {"caption": text.format(**facts) + _pictures(run, name) + _cautions(run),
            "alt": f"{alt} {_ends(run, name)}".strip()}


def _texts(name, points):
    """Return caption and alternative text of a figure, those for points where it shows points."""
    known = figure_cards().get(name)
    if known is None or not known.caption:
        return name.replace("_", " ").capitalize() + ". {data}.", name.replace("_", " ")
    if points and known.points_caption:
        return known.points_caption, known.points_alt
    return known.caption, known.alt


def _intervals(name):
    """Return the diagnostic of a figure and the quantities whose intervals it draws."""
    known = figure_cards().get(name)
    return (owner(name), *known.intervals) if known is not None and known.intervals is not None else ("none",)


def _pictures(run, name):
    """Return what the pictures of a figure show, where they are of latents."""
    described = run.run.get("pictures")
    return f" Pictures: {described}." if described and name in PICTURED else ""


def _comparison_caption(run, name):
    diagnostic = name.removesuffix("_comparison")
    rows = run.summary(diagnostic)
    runs = list(rows["run"].unique())
    facts = {"diagnostic": diagnostic.replace("_", " ").capitalize(), "n": len(runs), "runs": ", ".join(runs),
             "interval": run.interval_facts(diagnostic)}
    return {"caption": comparison.CAPTION.format(**facts),
            "alt": f"{facts['diagnostic']} of the runs {facts['runs']}, a panel per quantity."}


def _cautions(run):
    """Return what about the checkpoint would mislead a reader of the figure."""
    sentences = [*((run.run.get("checkpoint") or {}).get("warnings") or []), *(run.run.get("cautions") or [])]
    return "".join(f" Caution: {sentence}." for sentence in sentences)


def _features(run, diagnostic):
    table = run.table(diagnostic)
    names = [] if table is None or "feature" not in table else table["feature"].dropna().unique()
    return "feature: " + ", ".join(names) if len(names) else "pixels"


def _sources(run):
    table = run.table("memorization")
    counts = {} if table is None else table.groupby("source")["sample"].nunique().to_dict()
    return "Samples: " + ", ".join(f"{counts[s]} {label}" for s, label in SOURCES.items() if s in counts)


def _sides(run, name):
    """Return to which image sides the alignment was subsampled, where there are several."""
    table = run.table("alignment") if name.startswith("alignment") else None
    sides = [] if table is None or "image_size" not in table else sorted(table["image_size"].dropna().unique())
    return f", spatially subsampled to {', '.join(f'{side:.0f}' for side in sides)} px" if len(sides) > 1 else ""


def _width(run, study):
    """Return which network a figure of one width shows, where the study has several."""
    widths = widths_of(run.summary(study))
    return f" The network of width {widths[-1]:.0f}, the widest." if len(widths) > 1 else ""


def _threshold(run):
    bound = memorization.threshold(run.table("memorization"))
    return "1/3" if bound == memorization.THRESHOLD else f"{bound:g}"


def _first_curve(rows):
    """Return the summary rows of the curve that the first one belongs to."""
    named = rows[[column for column in CURVES if column in rows]].fillna("").astype(str)
    return rows[(named == named.iloc[0]).all(axis=1)]


def _ends(run, name):
    """Return the first and last value of the first curve in words, for readers who do not see it."""
    rows = run.summary(*_intervals(name)[:2])
    for x in ("t", "tau"):
        if x in rows and rows[x].notna().any():
            rows = _first_curve(rows[rows[x].notna()]).sort_values(x)
            first, last = rows.iloc[0], rows.iloc[-1]
            return f"From {first['value']:.3g} at {x} = {first[x]:.2f} to {last['value']:.3g} at {x} = {last[x]:.2f}."
    if "multiplicity" in rows and rows["multiplicity"].notna().any():
        return " ".join(f"{f'planted {r.multiplicity:.0f}×' if r.multiplicity else 'held out'}: {r.value:.3g} "
                        f"({r.low:.3g} to {r.high:.3g})." for r in rows.itertuples())
    if "source" in rows and rows["source"].notna().any():
        return " ".join(f"{SOURCES.get(r.source, r.source)}: {r.value:.3g} ({r.low:.3g} to {r.high:.3g})."
                        for r in rows.drop_duplicates("source").itertuples())
    return ""
