"""Looks at the checkpoints of a folder, one after another, each kept as soon as it is made.

The first checkpoint that can be opened decides the data; one of other data is skipped. A checkpoint that has been
deleted since keeps its look. Looks are numbered in the order in which they were made, which decides their level.
"""

import warnings

import pandas as pd
import torch

from fmdiag.checkpoints.weights import NotFinite
from fmdiag.devices import choose_device
from fmdiag.errors import FmdiagError, FmdiagWarning, causes, check_choice, printable
from fmdiag.files.places import shown_path, without_places
from fmdiag.monitoring.distance import named, with_distance
from fmdiag.monitoring.folder import check_folder, content_of, step_in_name, step_of
from fmdiag.monitoring.kept import Kept, Unusable
from fmdiag.monitoring.measures import MEASURES, Setting, look
from fmdiag.monitoring.onset import NAME, tests_of
from fmdiag.monitoring.series import not_measured, result_of
from fmdiag.ranks.torchrun import join
from fmdiag.runs import Run
from fmdiag.runs.inputs import CHOICES, OTHER, READING
from fmdiag.stats import exchanges_needed


def checked(folder, measures, options, *, follow, until, idle):
    """Return the folder of a watch as a path.

    Raises
    ------
    FmdiagError
        If it is none, a measure or an option is unknown, or what ends a watch that follows is given without that.
    """
    if not follow and (until is not None or idle is not None):
        raise FmdiagError("until and idle end a watch that follows: give --follow too, or leave them out")
    for name in options:
        check_choice("option of a watch", name, ("n", *READING, *CHOICES, *OTHER))
    for name in measures or ():
        check_choice("measure", name, MEASURES)
    return check_folder(folder)


class Looked:
    """The looks at one folder's checkpoints, and where they are kept.

    Parameters
    ----------
    folder : Path
    out : path or None
    asked : dict
        train, held_out, n_pairs, n_samples, measures, seed, memory; see `fmdiag.watch`.
    options : dict
        How data and checkpoints are read.
    device, command, places
        As of `fmdiag.watch`.
    """

    def __init__(self, folder, out, asked, options, *, device, command, places):
        self.folder, self.out, self.asked, self.options = folder, out, asked, options
        self.device, self.command, self.places = device, command, places
        self.group, _ = join(choose_device(device, torch.float32))
        self.setting = self.inputs = self.kept = self.record = None
        self.skipped, self.failed, self.cautions, self.last_step = {}, {}, {}, -1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.kept is not None:
            self.kept.close()

    @property
    def speaks(self):
        """Whether this process keeps the looks and writes: rank 0."""
        return self.group.rank == 0

    def take(self, path, arrivals):
        """Look at a checkpoint unless it was looked at; return the new table, or None.

        One that cannot be measured is named in a warning and skipped; one that changed while it was read comes again.
        """
        try:
            content = self.group.gather(_content(path) if self.speaks else None)[0]
            if content is None or self._known(content):
                return None
            run = self.opened(path)
            if self.group.gather(_content(path) if self.speaks else None)[0] != content:
                arrivals.again(path)
                return None
            # Of the first it is known only now which looks are there.
            return None if self._known(content) else self._looked(path, content, run)
        except Unusable:
            raise
        except FmdiagError as error:
            if self.speaks:
                self.skip(path, error)
            return None

    def _known(self, content):
        return self.group.gather(self.kept is not None and self.kept.has(content))[0]

    def opened(self, path):
        """Return the Run of a checkpoint, on the data of the first one; the first opens the folder of the watch."""
        given = {"seed": self.asked["seed"], "device": self.device, "memory": self.asked["memory"], "cache": False}
        if self.setting is None:
            run = Run(path, train=self.asked["train"], held_out=self.asked["held_out"], **given, **self.options)
            self._begin(run)
        else:
            reading = {name: value for name, value in self.options.items() if name not in ("n", *READING)}
            run = Run(path, train=self.setting.training_set, **given, **reading)
            self._check(run)
        self.cautions |= {text.partition(":")[0]: text for text in run.cautions()}
        return run

    def _check(self, run):
        """Refuse a checkpoint of other data than the first one's."""
        rows, description, file = self.setting.training_set, run.checkpoint.description, run.checkpoint.file
        recorded, shape = description.get("dataset") or {}, description["network"].get("shape")
        apart = "watch it in a folder of its own"
        if shape is not None and list(shape) != list(rows.shape):
            raise FmdiagError(f"{file} takes samples of shape {tuple(shape)}, the examples of this watch ({rows.name}) "
                              f"have shape {tuple(rows.shape)}: {apart}")
        other = recorded.get("fingerprint", rows.fingerprint) != rows.fingerprint
        if other and not self.options.get("allow_mismatch"):
            raise FmdiagError(f"{file} was trained on other data ({recorded.get('name')}, n = {recorded.get('n')}) "
                              f"than this watch is about ({rows.name}, n = {rows.n}): {apart}")

    def _begin(self, run):
        rows, asked = run.training_set, self.asked
        plain = Setting(rows, measures=asked["measures"], path=run.path, memory=run.memory, device=run.device,
                        group=run.group, seed=asked["seed"])
        self.inputs = {
            "kind": NAME, "data": {"fingerprint": rows.fingerprint, "name": rows.describe()["name"],
                                   "n_stored": rows.n_stored},
            "held_out": None if rows.unseen is None else rows.unseen.fingerprint, "n_pairs": asked["n_pairs"],
            "n_samples": asked["n_samples"], "measures": list(plain.measures), "seed": asked["seed"],
            "read": {name: str(value) for name, value in sorted(self.options.items()) if value not in (None, False)}}
        self.inputs = without_places(self.inputs, self.places)
        if self.speaks:
            self.kept = Kept(self.out, self.inputs)
            self.last_step = max((one["step"] for one in self.kept.records()), default=-1)
        self.setting = with_distance(plain, asked["n_samples"])
        self.tests, self.record = tests_of(plain), run.record()

    def _looked(self, path, content, run):
        step, origin = step_of(path, run.checkpoint.description, trust_code=bool(self.options.get("trust_code")))
        if step is None:
            raise FmdiagError(f"{path} says of no step which it is, in itself or in its name: give it a name with the "
                              "step, such as step-500.pt")
        facts = self.kept.records() if self.speaks else []
        number, same = self.group.gather((len(facts) + 1, [one["name"] for one in facts if one["step"] == step]))[0]
        if same:
            raise FmdiagError(f"{path} is of step {step}, as {same[0]} is, which was measured: watch the other one in "
                              "a folder of its own")
        exchanges = exchanges_needed(number, n_tests=max(1, len(self.tests)))
        table = look(run.field, self.setting, step=step, n=self.asked["n_pairs"], exchanges=exchanges)
        table = named(table, self.asked["n_samples"])
        if self.speaks:
            seconds = round(float(table.drop_duplicates("measure")["seconds"].sum()), 2)
            self.kept.add(content, table, look=number, step=step, step_from=origin, name=printable(path.name),
                          seconds=seconds)
        self.last_step = max(self.last_step, step)
        self.skipped.pop(path, None)
        return table

    def skip(self, path, error):
        """Name a checkpoint that cannot be measured, and why; that of weights that are not finite has a row."""
        step, name = step_in_name(path), printable(path.name)
        reason = printable(without_places(str(error), self.places))
        self.skipped[path] = {"checkpoint": name, "step": step, "reason": reason}
        if step is not None and any(isinstance(cause, NotFinite) for cause in causes(error)):
            self.failed[path] = not_measured(step, reason).assign(checkpoint=name, step_from="name", look=0)
        warnings.warn(f"skipped: {reason}", FmdiagWarning, stacklevel=2)

    def result(self):
        """Return the Result of the looks so far, written where there is a folder; None on ranks other than the first.

        Raises
        ------
        FmdiagError
            If no checkpoint was measured.
        """
        if not self.speaks:
            return None
        records = self.kept.records() if self.kept is not None else []
        if not records:
            raise FmdiagError(self.nothing())
        failed = [self.failed[path] for path in self.skipped if path in self.failed]
        skipped = pd.DataFrame(list(self.skipped.values()), columns=["checkpoint", "step", "reason"])
        parameters = {"folder": shown_path(self.folder), "looks": len(records), "n_pairs": self.asked["n_pairs"],
                      "n_samples": self.asked["n_samples"], "measures": self.inputs["measures"], "tests": self.tests,
                      "step_from": sorted({one["step_from"] for one in records})}
        found = result_of(pd.concat([self.kept.looks(), *failed], ignore_index=True), skipped, tests=self.tests,
                          parameters=parameters)
        described = {**parameters, "tables": ["skipped"] if len(skipped) else [], "command": self.command}
        record = {**self.record, "name": NAME, "command": self.command, "checkpoint": None, "watch": self.inputs,
                  "diagnostics": {NAME: described}, "cautions": list(self.cautions.values()),
                  "verdict": found.verdict.describe(), **found.facts,
                  "seconds": round(sum(one["seconds"] for one in records), 1)}
        return self.kept.write(found, record, self.places)

    def nothing(self):
        """Return why there is no look."""
        first = next(iter(self.skipped.values()), None)
        if first is None:
            return (f"{self.folder} holds no checkpoint: give the folder that a training run writes them to, or "
                    "--follow to wait for them")
        return f"{self.folder}: no checkpoint of {len(self.skipped)} can be measured; the first: {first['reason']}"


def _content(path):
    """Return the hash of a checkpoint, None where it is gone."""
    try:
        return content_of(path)
    except (OSError, FmdiagError):
        return None
