"""Record of a run: what run.json says of its inputs, versions, parameters and cautions."""

import time

from fmdiag.files.places import shown_path
from fmdiag.runs.command import remade
from fmdiag.runs.versions import versions


def record_of(run):
    """Return the record, a dict of plain values."""
    from fmdiag import __version__

    checkpoint = None
    if run.checkpoint is not None:
        checkpoint = {"file": shown_path(run.checkpoint.file), "sha256": run.checkpoint.sha256,
                      **run.checkpoint.description}
    facts = {name: value for result in run.results.values() for name, value in result.facts.items()}
    verdict = next((result.verdict for result in run.results.values() if result.verdict), None)
    known = (checkpoint or {}).get("warnings") or ()
    cautions = [text for text in run.cautions() if text not in known]
    overlap = vars(run.training_set).get("overlap")  # looked for, as every use of held-out examples does
    held_out = {} if overlap is None else {"held_out": overlap.describe()}
    if overlap is not None and run.training_set.groups is not None:
        held_out["held_out"]["n_groups"] = run.training_set.held_out.n_groups
    verdict = {"verdict": verdict.describe()} if verdict else {}
    return {"fmdiag": __version__, "command": run.command, "name": run.name,
            "diagnostics": {name: _described(run, name, result) for name, result in run.results.items()},
            "dataset": run.training_set.describe(), "checkpoint": checkpoint, "seed": run.seed,
            "device": str(run.network_device), "ranks": run.group.size, "memory": run.given_memory or run.memory,
            "trust_code": bool(run.given.options.get("trust_code")),
            "dtype": "float32, û* in float64", "versions": versions(),
            "started": run.started.isoformat(timespec="seconds"), "seconds": round(time.monotonic() - run.clock, 1),
            "cautions": cautions, **held_out, **verdict, **run.facts, **facts}


def _described(run, name, result):
    tables = {"tables": list(result.tables)} if result.tables else {}
    return {**result.parameters, **tables, "command": remade(run, name, result)}
