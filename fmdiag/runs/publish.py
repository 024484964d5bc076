"""Publication of a run: its results as one folder of tables, arrays, figures, run.json and page, whole or absent."""

import shutil

import numpy as np

from fmdiag.errors import FmdiagError
from fmdiag.files.anonymous import anonymous_table
from fmdiag.files.documents import as_json
from fmdiag.files.places import without_places
from fmdiag.files.staged import StagedFolder
from fmdiag.registry import resolve
from fmdiag.results import SUMMARY_COLUMNS, save_table

RESULTS = "results.json"


def written(out, run, *, page, document, overwrite, ahead=None, ready=lambda folder: None):
    """Write the run folder `out`; `ready` is called with the folder under its temporary name when all is in it."""
    with StagedFolder(out, "run", overwrite=overwrite) as staged:
        try:
            with staged.writing("the run"):
                filled(staged.path, run, page=page, document=document, ahead=ahead)
        except FmdiagError as error:
            # The temporary folder is gone when the message is read.
            raise FmdiagError(str(error).replace(str(staged.path), str(out))) from error
        ready(staged.path)


def filled(folder, run, *, page, document, ahead=None):
    """Write everything that a run folder holds into `folder`, which exists; figures as far as they are not `ahead`."""
    for result in run.results.values():
        for name, table in result.all_tables().items():
            save_table(folder, name, _cautioned(table, run))
        for name, arrays in result.arrays.items():
            if arrays:
                (folder / "arrays").mkdir(exist_ok=True)
                np.savez_compressed(folder / "arrays" / f"{name}.npz", **arrays)
        for name, file in result.files.items():
            shutil.copyfile(file, folder / name)
    for name, file in run.files.items():
        shutil.copyfile(file, folder / name)
    save_table(folder, "summary", _cautioned(ordered(run.summary()), run))
    record = run.record()
    if document is not None:
        _json(folder / "audit.json", without_places(document, run.places()))
        record |= headline(document, record.get("verdict"))
    _json(folder / "run.json", without_places(record, run.places()))
    kept = {"key": run.key, "results": {name: entry(found) for name, found in run.results.items()}}
    _json(folder / RESULTS, without_places(kept, run.places()))
    # Figures and pages come later in the order of imports: they are found by name.
    resolve("fmdiag.figures:draw_all")(folder, **({"ahead": ahead} if ahead else {}))
    if page:
        resolve("fmdiag.report:write_report")(folder)


def entry(result):
    """Return what results.json says of a Result, beside its tables and arrays."""
    columns = {name: list(table) for name, table in result.all_tables().items()}
    return {"key": result.key, "parameters": result.parameters, "tables": list(result.tables), "columns": columns,
            "summary": {column: str(dtype) for column, dtype in result.summary.dtypes.items()},
            "arrays": list(result.arrays), "verdict": result.verdict and result.verdict.describe(),
            "cautions": result.cautions, "facts": result.facts,
            "asked": result.asked, "files": list(result.files)}


def headline(document, verdict=None):
    """Return what the page shows of an audit's document, beside the `verdict` on copies as plain values."""
    verdicts = document["verdicts"]
    details = [f"{one['question']} {one['answer'].capitalize()}. {one['text']}" for one in verdicts]
    verdict = {**(verdict or {}), "text": verdicts[0]["text"], "details": details}
    return {"verdict": verdict, "limits": document["limits"], "advice": document["advice"]}


def ordered(summary):
    """Return the summary with the columns that every version keeps first."""
    further = [column for column in summary.columns if column not in SUMMARY_COLUMNS]
    return summary[["diagnostic", "quantity", *further, *SUMMARY_COLUMNS[2:]]]


def _cautioned(table, run):
    """Return the table with a column of codes where something would mislead a reader of the results."""
    table = anonymous_table(table) if run.anonymous else table
    codes = "; ".join(dict.fromkeys(text.partition(":")[0] for text in run.cautions() if ": " in text[:40]))
    return table.assign(caution=codes) if codes else table


def _json(file, content):
    file.write_text(as_json(content, indent=1) + "\n", encoding="utf-8")
