"""Study of a plan in its folder: any number of processes make its parts, gathered into tables, figures and a page."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmdiag.devices import choose_device
from fmdiag.files.places import without_places
from fmdiag.ranks.torchrun import own_device
from fmdiag.registry import resolve
from fmdiag.runs.versions import versions
from fmdiag.studies.folder import StudyFolder
from fmdiag.studies.gather import gather
from fmdiag.studies.parts import PartStore
from fmdiag.studies.run import run_parts


@dataclass(frozen=True)
class Gathered:
    """What the finished parts of a study say so far.

    Parameters
    ----------
    folder : Path
        The study folder, in which it is written.
    tables : dict of str to DataFrame
        As `fmdiag.studies.gather.gather` describes them; ``summary`` among them.
    counts : dict
        parts, finished, models.
    verdict : dict
        text and details, the sentences of the study's kind.
    text : str
        The table that the page shows in full, rounded for display.
    """

    folder: Path
    tables: dict[str, Any]
    counts: dict[str, int]
    verdict: dict[str, Any]
    text: str


class Study:
    """A series of models in a folder.

    Parameters
    ----------
    plan : Plan
        As `fmdiag.studies.settings.make_plan` makes it.
    data : StudyData
    out : path
        Folder of the study: one of the same plan, to go on with, an empty one, or one to be made.
    parts : path, optional
        Folder of parts, which studies may share; default ``out/parts``.
    change : bool
        Whether a study of the same kind may go on with other inputs.
    command : str
        Command line for the record, empty where there is none.
    places : iterable of str
        Paths that the user gave, which the record shows by their names alone.

    Raises
    ------
    FmdiagError
        If the folder holds another study or something else, or cannot be written.
    """

    def __init__(self, plan, data, out, *, parts=None, change=False, command="", places=()):
        self.plan, self.data, self.command, self.places = plan, data, command, places
        inputs = plan.inputs()
        named = {**inputs, "data": without_places(inputs["data"], places)}
        self.folder = StudyFolder(out, named, change=change)
        self.store = PartStore(parts or self.folder.path / "parts")

    def run(self, *, device="auto", progress=None, report=None):
        """Make every part that is not finished, together with whichever processes work in the folder.

        Parameters
        ----------
        device : str
            Under torchrun ``auto`` gives each local rank a GPU of its own.
        progress, report : callable, optional
            As `fmdiag.studies.run.run_parts` calls them.
        """
        run_parts(self.plan.parts(), self.data, self.store, device=own_device(choose_device(device)),
                  progress=progress, report=report)

    def gather(self):
        """Write tables, record, figures and page of the finished parts, and return them as Gathered.

        Raises
        ------
        FmdiagError
            If no model is finished yet.
        """
        tables, arrays, found = gather(self.plan, self.store)
        self.folder.write(tables, arrays, without_places(self._record(found), self.places), _draw)
        return Gathered(self.folder.path, tables, found["counts"], found["verdict"], found["shown"])

    def _record(self, found):
        from fmdiag import __version__

        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        inputs, data, name = self.plan.inputs(), self.data, f"study {self.plan.kind}"
        parameters = {key: value for key, value in inputs.items() if key not in ("data", "kind", "feature")}
        diagnostic = {**parameters, **found["counts"], "command": self.command}
        return {"fmdiag": __version__, "command": self.command, "name": name,
                "diagnostics": {name.replace(" ", "_"): diagnostic},
                "dataset": data.training_set.describe(), "checkpoint": None, "study": inputs,
                "pools": self.plan.pools(),
                "feature": data.feature.describe() if hasattr(data.feature, "describe") else {
                    "name": data.feature.name},
                "cautions": found["cautions"], "verdict": found["verdict"], **found["counts"],
                "seconds": found["seconds"], "versions": versions(), "started": self.folder.started() or now,
                "gathered": now}


def _draw(staged):
    # Figures and pages come later in the order of imports: they are found by name.
    resolve("fmdiag.figures:draw_all")(staged)
    resolve("fmdiag.report:write_report")(staged)
