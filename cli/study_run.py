"""What `fmdiag study` does: plan, make the parts that are missing together with other processes, gather, report."""

import contextlib
import datetime
import json
import os
import signal
import time
from pathlib import Path

import click

from . import ranks
from .echo import echo, echo_json

PLAIN_LINE_SECONDS = 30


def run_study(kind, options):
    """Make or continue the study that the options describe, and print what it found."""
    import torch

    from fmdiag.files.destination import slug
    from fmdiag.studies.folder import StudyFolder
    from fmdiag.studies.parts import PartStore
    from fmdiag.studies.run import run_parts

    from .study_options import load_data, make_plan

    torch.set_flush_denormal(True)
    device = own_device(options["device"])
    data = load_data(options)
    plan = make_plan(kind, data, options)
    default = f"reports/study-{kind}-{slug(Path(data.training_set.name).stem)}"
    out = Path(default if options["out"] is None else options["out"])
    folder = StudyFolder(out, plan.inputs(), change=options["change"])
    store = PartStore(options["parts"] or out / "parts")
    if not options["gather"]:
        with _interruptible(out):
            run_parts(plan.parts(), data, store, device=device, progress=Progress(plan), report=_report_part)
    if ranks.world()[0] == 0:
        _gather(plan, data, store, folder, options)


def own_device(name):
    """Return this process's device: under torchrun ``auto`` gives each local rank a GPU of its own."""
    import torch

    from .session_inputs import choose_device

    device = choose_device(name)
    if device.type == "cuda" and device.index is None and ranks.world()[1] > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    return device


def _gather(plan, data, store, folder, options):
    from fmdiag.files.places import without_places
    from fmdiag.studies.gather import gather

    from .session_outputs import given_places

    tables, arrays, found = gather(plan, store)
    record = _record(plan, data, store, folder, found)
    folder.write(tables, arrays, without_places(record, given_places()), _draw)
    if options["as_json"]:
        rows = json.loads(tables["summary"].to_json(orient="records"))
        echo_json({"study": str(folder.path), **found["counts"], "verdict": found["verdict"], "summary": rows})
        return
    echo(found["shown"])
    for sentence in (found["verdict"]["text"], *found["verdict"]["details"]):
        echo(sentence)
    echo(f"{found['counts']['finished']} of {found['counts']['parts']} parts finished; wrote {folder.path}/",
               err=True)


def _record(plan, data, store, folder, found):
    from fmdiag import __version__

    from .session_outputs import typed_command, versions

    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    name = f"study_{plan.kind}"
    parameters = {key: value for key, value in plan.inputs().items() if key not in ("data", "kind", "feature")}
    return {"fmdiag": __version__, "command": typed_command(), "name": f"study {plan.kind}",
            "diagnostics": {name: {**parameters, **found["counts"], "command": typed_command()}},
            "dataset": data.training_set.describe(), "checkpoint": None, "study": plan.inputs(),
            "pools": plan.pools(),
            "feature": data.feature.describe() if hasattr(data.feature, "describe") else {"name": data.feature.name},
            "cautions": found["cautions"], "verdict": found["verdict"], **found["counts"],
            "seconds": found["seconds"], "versions": versions(), "started": folder.started() or now, "gathered": now}


def _draw(staged):
    from fmdiag.figures import draw_all
    from fmdiag.report import write_report

    draw_all(staged)
    write_report(staged)


@contextlib.contextmanager
def _interruptible(out):
    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        echo(f"interrupted; finished parts in {out} are kept: run the same command to go on", err=True)
        raise click.exceptions.Exit(128 + number) from None


def _report_part(part, finished, total):
    echo(f"{finished}/{total} parts finished ({_named(part)})", err=True)


class Progress:
    """Shows on stderr, a line every half minute, which model trains and how far it is."""

    def __init__(self, plan):
        self.shown = time.monotonic()

    def __call__(self, part, step, loss, steps):
        """Show that `step` of `steps` steps of a part's model are taken."""
        if time.monotonic() - self.shown > PLAIN_LINE_SECONDS:
            echo(f"{_named(part)}: step {step}/{part.inputs['evaluate'][-1]}  loss {loss:.4g}", err=True)
            self.shown = time.monotonic()


def _named(part):
    from fmdiag.training import label

    data = part.inputs["data"]
    what = label(part.inputs["objective"]) if part.kind == "training" else "reference"
    return f"{what}, n = {data['n']}, seed {part.inputs['seed']}"
