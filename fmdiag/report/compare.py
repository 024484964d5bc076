"""Comparison of run folders side by side: checkpoints along training, data-set sizes, losses.

A comparison is a run folder too: the runs' summaries under a column `run`, their differences from the first run,
figures with all runs in one panel, and a page.
"""

import itertools
from pathlib import Path

import pandas as pd

from fmdiag.errors import FmdiagError, printable
from fmdiag.figures import RunData
from fmdiag.report.differences import differences
from fmdiag.report.tables import cell
from fmdiag.stats import holm

# What a reader should know to differ: entries of run.json.
NOTED = {"data set fingerprints": lambda run: (run.get("dataset") or {}).get("fingerprint"),
         "seeds": lambda run: run.get("seed"),
         "training steps": lambda run: (run.get("checkpoint") or {}).get("steps"),
         "fmdiag versions": lambda run: run.get("fmdiag"),
         "devices": lambda run: run.get("device")}
SHARES = ("newcombe", "paired newcombe")
ERROR = 0.05    # of a false sentence among all that one comparison writes
PARAMETERS = ("n_steps", "method", "threshold", "feature", "n_pairs", "n_samples", "taus")


def read_runs(paths, labels=None):
    """Return {label: RunData} of finished runs that share a diagnostic.

    Parameters
    ----------
    paths : sequence of path
        Run folders, the first of which the others are compared with.
    labels : sequence of str, optional
        Names of the runs; default the folders' names, with their parents' where two are alike.

    Raises
    ------
    FmdiagError
        If there are fewer than two, one is given twice, is no run or is unfinished, labels do not fit, or no diagnostic
        was measured by all.
    """
    paths = [Path(path) for path in paths]
    if len(paths) < 2:
        raise FmdiagError(f"a comparison needs two or more runs, got {len(paths)}: give their folders")
    for path, times in ((path, [p.resolve() for p in paths].count(path.resolve())) for path in paths):
        if times > 1:
            raise FmdiagError(f"{path} is given {times} times: give each run once")
    labels = printable(_labels(paths) if labels is None else list(labels))
    if len(labels) != len(paths) or len(set(labels)) < len(labels) or not all(labels):
        raise FmdiagError(f"{len(paths)} runs need as many different labels, got {labels}")
    runs = {label: _finished(path) for label, path in zip(labels, paths, strict=True)}
    if not shared(runs):
        each = "; ".join(f"{run.path}: {', '.join(run.run['diagnostics']) or 'none'}" for run in runs.values())
        raise FmdiagError(f"no diagnostic was measured by all runs ({each}): compare runs of one command")
    return runs


def _labels(paths):
    names = [path.resolve().name for path in paths]
    return [name if names.count(name) == 1 else "/".join(path.resolve().parts[-2:])
            for name, path in zip(names, paths, strict=True)]


def _finished(path):
    if path.name.endswith(".partial") or (path.is_dir() and not (path / "run.json").is_file() and any(
            (path / part).exists() for part in ("tables", "state.pt", "parts"))):
        raise FmdiagError(f"{path}: the run is not finished (no run.json); let it end or resume it, then compare")
    run = RunData(path)
    if run.run.get("finished") is False or not isinstance(run.run.get("diagnostics"), dict):
        raise FmdiagError(f"{path}: the run is not finished; let it end or resume it, then compare")
    if run.run["diagnostics"] and run.table("summary") is None:
        raise FmdiagError(f"{path}: tables/summary.parquet is missing, so the run is damaged; make it again")
    return run


def shared(runs):
    """Return the diagnostics that all runs have in their summaries, in the first run's order."""
    first, *others = runs.values()
    return [name for name in first.run["diagnostics"]
            if len(first.summary(name)) and all(len(run.summary(name)) for run in others)]


def compared(runs):
    """Return (summary, differences) of the runs: all rows under a column run, and each later run minus the first.

    The differences of memorised fractions, which are judged, have a column p_holm: p corrected for all of them.
    """
    names = shared(runs)
    summary = pd.concat([run.summary(name).assign(run=label) for name in names for label, run in runs.items()],
                        ignore_index=True)
    (base, first), *others = runs.items()
    rows = [differences(first.summary(name), run.summary(name), (first.table(name), run.table(name)),
                        paired=paired(first, run)).assign(run=label)
            for name, (label, run) in itertools.product(names, others)]
    return summary.dropna(axis=1, how="all"), judged(pd.concat(rows, ignore_index=True).assign(against=base))


def judged(table):
    """Return differences with a column p_holm: p corrected for all memorised fractions compared, NaN of the others."""
    chosen = _judged(table)
    return table.assign(p_holm=pd.Series(holm(table.loc[chosen, "p"]), index=table.index[chosen], dtype=float))


def _judged(table):
    """Return which differences the headline judges: bool, shape (n,): the model's memorised fractions."""
    model = table["source"] == "model" if "source" in table else True
    return (table["quantity"] == "f_mem") & table["interval"].isin(SHARES) & model


def paired(first, other):
    """Return whether units of the same number have the same noise: the seeds are recorded and equal."""
    return first.run.get("seed") == other.run.get("seed") is not None


def warnings(runs):
    """Return sentences on what differs between the runs beside what they measured."""
    found = [_differing(what, {label: entry(run.run) for label, run in runs.items()})
             for what, entry in NOTED.items()]
    for name, parameter in itertools.product(shared(runs), PARAMETERS):
        values = {label: run.run["diagnostics"][name].get(parameter) for label, run in runs.items()}
        found.append(_differing(f"{name}: values of {parameter}", values))
    left = sorted({name for run in runs.values() for name in run.run["diagnostics"]} - set(shared(runs)))
    found.append(f"not measured by every run, so left out: {', '.join(left)}" if left else "")
    return [sentence for sentence in found if sentence]


def _differing(what, values):
    if len({str(value) for value in values.values()}) < 2:
        return ""
    return f"{what} differ: " + ", ".join(f"{label} {_short(value)}" for label, value in values.items())


def _short(value):
    text = "unknown" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "…"


def facts_of(runs):
    """Return a dict per run of what tells it from the others, for the page."""
    return [{"label": label, "folder": str(run.path), "command": run.run.get("command"),
             "data set": (run.run.get("dataset") or {}).get("name"), "n": (run.run.get("dataset") or {}).get("n"),
             "checkpoint": (run.run.get("checkpoint") or {}).get("file"),
             "training steps": (run.run.get("checkpoint") or {}).get("steps"), "seed": run.run.get("seed"),
             "verdict": _verdict(run.run.get("verdict"))} for label, run in runs.items()]


def _verdict(given):
    return given.get("text") if isinstance(given, dict) else given


def headline(table):
    """Return {"text", "details"}: the number of runs, and the memorised fraction's differences from the first."""
    base, runs, rows = table["against"].iloc[0], list(table["run"].unique()), table[_judged(table)]
    text = f"{len(runs) + 1} runs side by side; differences are from {base}."
    return {"text": text, "details": [_sentence(row, len(rows)) for row in rows.to_dict("records")]}


def _sentence(row, n_judged):
    shown = cell(100 * row["value"], 100 * row["low"], 100 * row["high"])
    chance = "more than chance explains" if row["p_holm"] <= ERROR else "no more than chance explains"
    corrected = f", corrected for {n_judged} comparisons (Holm)" if n_judged > 1 else ""
    space = f" in {row['feature']}" if isinstance(row.get("feature"), str) else ""
    return (f"The memorised fraction of {row['run']}{space} differs from that of {row['against']} by "
            f"{shown['text']} points {shown['interval']} ({row['interval']}): {chance} "
            f"(p = {row['p_holm']:.2g}{corrected}).")
