"""Dry run of a study: the models that would be trained, and an estimate of the time, from a few steps of each network.

A step of training is timed once per network, on its first batch; that an objective costs more than CFM (pools of EFM,
transport plans) is not in it. Parts that are finished in the folder are not counted again.
"""

from pathlib import Path

from fmdiag.runs.dry_run import Estimate
from fmdiag.runs.probe import closed_form_rates, training_step
from fmdiag.runs.work import CURVE, QUERY, WALK
from fmdiag.studies.folder import StudyFolder
from fmdiag.studies.parts import PartStore

STATISTICS = 1.0    # of an evaluation: distances of features
OPENING = 10.0      # data, figures and page


def dry_run(plan, data, out, *, parts=None, change=False, device="cpu"):
    """Return the Estimate of a study in a folder, which is left as it is.

    Parameters
    ----------
    plan : Plan
    data : StudyData
    out, parts, change
        As in `fmdiag.studies.study.Study`.
    device : str or torch.device
        Where the networks would compute.

    Raises
    ------
    FmdiagError
        If the study could not be begun in that folder.
    """
    StudyFolder.check(out, plan.inputs(), change=change)
    rows, folder = data.training_set, Path(parts or Path(out) / "parts")
    store = PartStore(folder) if folder.is_dir() else None
    listed = plan.parts()
    missing = [part for part in listed if store is None or not store.finished(part)]
    found = Estimate(f"{len(listed)} parts of a study of {plan.kind} on {rows.name}, {rows.n} training examples of "
                     f"{rows.dim} coordinates; {len(missing)} to be made")
    point, found.product_rate = closed_form_rates(_Asked(rows, device))
    rates, largest = {}, 0
    for part in missing:
        line, n_bytes = _line(part, plan.measures, point / rows.n, rates, device)
        found.lines.append(line)
        largest = max(largest, n_bytes)
    found.lines = _merged(found.lines)
    found.seconds = OPENING + sum(line["seconds"] for line in found.lines)
    # Weights, gradients, two moments, the average, and the state that is saved.
    found.memory = {"training_examples": int(rows.n_stored * rows.dim * rows.rows.dtype.itemsize),
                    "weights": 6 * largest, "samples": 4 * plan.measures.n_samples * rows.dim}
    return found


class _Asked:
    """What the probe of û* asks of a run."""

    path, memory = None, None

    def __init__(self, rows, device):
        self.training_set, self.device = rows, device

    def generator(self):
        """Return None: any noise will do."""


def _line(part, measures, point, rates, device):
    """Return (line of one part, bytes of its weights); `point` is seconds of û* per training row."""
    n, inputs = part.inputs["data"]["n"], part.inputs
    queries = QUERY * measures.n_nearest * n * point
    if part.kind == "reference":
        seconds = queries + measures.n_closed_form * WALK * measures.n_steps * n * point + STATISTICS
        return {"name": "reference", "what": "training sets by themselves", "rows": 0, "operations": 0.0,
                "seconds": seconds}, 0
    key = repr((inputs["network"], inputs["batch_size"]))
    if key not in rates:
        rates[key] = training_step(inputs["network"], inputs["batch_size"], device)
    step, call, row, n_bytes = rates[key]
    looks, steps = len(inputs["evaluate"]), inputs["evaluate"][-1]
    drawn = measures.n_steps * measures.n_samples * (looks + 1)
    curve = measures.n_pairs * len(measures.times)
    seconds = (steps * step + drawn * (row + call / 256) + (looks + 1) * (queries + STATISTICS)
               + curve * (row + CURVE * n * point))
    return {"name": "model", "what": f"{steps} steps of {inputs['batch_size']}, {looks} evaluations", "n": n,
            "rows": steps * inputs["batch_size"] + drawn + curve, "operations": 0.0, "seconds": seconds}, n_bytes


def _merged(lines):
    """Return a line per size of training sets, and one for all references."""
    groups = {}
    for line in lines:
        groups.setdefault((line["name"], line.get("n"), line["what"]), []).append(line)
    return [{"name": f"{len(part)} x {name}", "what": f"n = {n}, {what}" if n else what,
             **{key: sum(line[key] for line in part) for key in ("rows", "operations", "seconds")}}
            for (name, n, what), part in groups.items()]
