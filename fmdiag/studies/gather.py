"""Tables over the finished parts of a study, with intervals over seeds and a verdict.

Units are models: an interval is Student's over seeds, each seed with a subset, initial weights and batches of its own.
"""

import importlib

import pandas as pd

from fmdiag.checkpoints.cautions import NOISED, OT
from fmdiag.errors import FmdiagError
from fmdiag.results import SUMMARY_COLUMNS
from fmdiag.studies import STUDIES

LOSS_POINTS = 80


def gather(plan, store):
    """Return (tables, arrays, found) of the finished parts.

    Parameters
    ----------
    plan : Plan
    store : PartStore

    Returns
    -------
    tables : dict of str to DataFrame
        ``study_KIND`` (a row per model and evaluation: n_train, width, objective, seed, step, frechet_train,
        frechet_test, d1, f_mem, n_nearest, caution), ``error_curves`` (per model and t), ``training_loss``,
        ``reference`` (per training set), ``study_KIND_table`` (what the page shows in full) and ``summary``.
    arrays : dict
        ``study_KIND``: the first seed's pictures, by model.
    found : dict
        verdict, cautions, counts (parts, finished), seconds, shown (text).

    Raises
    ------
    FmdiagError
        If no model is finished yet.
    """
    parts = plan.parts()
    store.warn_of_others(parts)
    finished = [cell for cell in plan.cells() if store.finished(cell[1])]
    references = [cell for cell in plan.references() if store.finished(cell[2])]
    if not finished:
        raise FmdiagError("no model of this study is finished yet: leave out --gather, or wait")
    module, name = importlib.import_module(STUDIES[plan.kind]), f"study_{plan.kind}"
    frames = {"quality": _models(finished, store, "quality"), "error": _models(finished, store, "error"),
              "training_loss": _models(finished, store, "loss", thin=LOSS_POINTS),
              "reference": _references(references, store)}
    summary = pd.DataFrame([{"diagnostic": name, **row} for row in module.summarise(frames)])
    table = module.table(summary, plan)
    tables = {name: _cautioned(frames["quality"]), "error_curves": _cautioned(frames["error"]),
              "training_loss": frames["training_loss"], f"{name}_table": _cautioned(table),
              "summary": _ordered(_cautioned(summary))}
    if len(frames["reference"]):
        tables["reference"] = frames["reference"]
    counts = {"parts": len(parts), "finished": sum(map(store.finished, parts)), "models": len(finished)}
    records = {part.key: store.record(part) for *_, part in [*finished, *references]}
    found = {"verdict": module.verdict(summary, frames, plan, counts), "counts": counts,
             "cautions": [*cautions(plan), *_mixed(records.values())],
             "seconds": round(sum(record["seconds"] for record in records.values()), 1), "shown": shown(table)}
    return tables, {name: _pictures(finished, store)}, found


def _models(cells, store, name, thin=None):
    """Return one table of all models, their keys first; with `thin`, means over about so many stretches of rows."""
    parts = []
    for keys, part in cells:
        table = store.table(part, name)
        if thin and len(table) > thin:
            table = table.groupby(pd.RangeIndex(len(table)) * thin // len(table)).mean()
        parts.append(pd.DataFrame(keys, index=table.index).join(table))
    return pd.concat(parts, ignore_index=True)


def _references(cells, store):
    parts = [store.table(part, "reference").assign(n_train=n, seed=seed) for n, seed, part in cells]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"n_train": []})


def _cautioned(table):
    """Return the table with a column of codes where an objective's minimiser is not û*."""
    if "objective" not in table:
        return table
    codes = table["objective"].map(lambda name: "; ".join(s.partition(":")[0] for s in objective_cautions(name)))
    return table.assign(caution=codes) if codes.any() else table


def objective_cautions(name):
    """Return the sentences that go with an objective's label."""
    return [sentence for sentence, applies in ((OT, str(name).startswith("ot")), (NOISED, "noised" in str(name)))
            if applies]


def cautions(plan):
    """Return the cautions of all objectives of a plan, each once, naming whom they are about."""
    labels = sorted({keys["objective"] for keys, _ in plan.cells()})
    return list(dict.fromkeys(sentence for name in labels for sentence in objective_cautions(name)))


def _mixed(records):
    """Return a caution where parts were made under different versions of packages."""
    found = sorted({", ".join(f"{name} {version}" for name, version in record["versions"].items())
                    for record in records})
    return [f"versions: parts were made under different packages ({'; '.join(found)}), which alone may move "
            "numbers"] if len(found) > 1 else []


def _ordered(summary):
    """Return the summary with the columns that every version keeps in their places."""
    further = [column for column in summary.columns if column not in SUMMARY_COLUMNS]
    return summary[["diagnostic", "quantity", *further, *SUMMARY_COLUMNS[2:]]]


def _pictures(cells, store):
    """Return the pictures of the first seed's widest models: their keys, samples and neighbors, a row per model."""
    widest = max(keys["width"] for keys, _ in cells)
    first = min(keys["seed"] for keys, _ in cells if keys["width"] == widest)
    chosen = [(keys, store.arrays(part, "pictures")) for keys, part in cells
              if (keys["seed"], keys["width"]) == (first, widest)]
    few = min(len(arrays["samples"]) for _, arrays in chosen)
    return {**{name: [keys[name] for keys, _ in chosen] for name in ("n_train", "objective")},
            **{name: [arrays[name][:few] for _, arrays in chosen] for name in ("samples", "neighbors")}}


def shown(table):
    """Return a table as text, rounded for display."""
    return table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")
