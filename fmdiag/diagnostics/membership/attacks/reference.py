"""Reference model of a membership test: the same kind of model, trained without the images; what it must share.

Its loss says how hard an image is for any model of the data, so that the difference to it says what training on the
image has changed. It must be of the same data set, shape of examples and path, and not trained on the same examples.
"""

from dataclasses import dataclass

import numpy as np

from fmdiag.checkpoints import load_checkpoint
from fmdiag.checkpoints.checkpoint import Checkpoint
from fmdiag.datasets.overlap import content_keys, way_to_store
from fmdiag.errors import FmdiagError
from fmdiag.paths import as_path

OTHER = "give a model of the same kind that was trained on other examples of the same data set"


@dataclass(frozen=True)
class Reference:
    """A reference checkpoint, checked against the model, what it is recorded as, and what is said of it."""

    checkpoint: Checkpoint
    facts: dict
    cautions: list

    @property
    def field(self):
        """Velocity field v(x, t)."""
        return self.checkpoint.field

    def shared(self, members, rows, context):
        """Return the caution on images that the reference was trained on too, as a list of one sentence or none."""
        name, m = self.checkpoint.file.name, len(members.train_rows)
        try:
            known = self.checkpoint.training_set(**context.reading("data_root", "accept_reading"))
        except FmdiagError:
            return [f"what the reference {name} was trained on cannot be read: it may know the images"]
        counts = [_among(images, known) for images in (rows.chosen(np.asarray(members.train_rows)),
                                                       rows.held_out.chosen(np.asarray(members.held_out_rows)))]
        return [f"the reference {name} was itself trained on {counts[0]} of the {m} training images and {counts[1]} of "
                f"the {m} held-out images: of these the difference to it says less"] if any(counts) else []


def load_reference(context, file):
    """Return the Reference of a checkpoint file.

    Raises
    ------
    FmdiagError
        If it cannot be read, or its data set, shape, path or examples do not let it be a reference.
    """
    found = load_checkpoint(file, device=context.device, **context.reading("trust_code"))
    model = context.checkpoint.description.get("dataset") if context.checkpoint else None
    recorded, rows = found.description.get("dataset") or {}, context.training_set
    shape = found.description["network"].get("shape")
    for what, theirs, ours in (("data set", recorded.get("name"), (model or {}).get("name") or rows.name),
                               ("shape of examples", shape and tuple(shape), tuple(rows.shape)),
                               ("path", found.path.describe(), as_path(context.path).describe())):
        if theirs is not None and theirs != ours:
            raise FmdiagError(f"--reference {found.file}: its {what} is {theirs}, that of the model is {ours}: {OTHER}")
    if recorded.get("fingerprint") == rows.fingerprint:
        raise FmdiagError(f"--reference {found.file} was trained on the same examples: {OTHER}")
    return Reference(found, {"reference": str(file), "reference_sha256": found.sha256},
                     [f"{text} ({found.file.name})" for text in found.description.get("warnings") or ()])


def _among(images, known):
    """Return how many of the stored images are among the rows of another set, by content."""
    same = way_to_store(known) == way_to_store(images)
    return int(np.isin(content_keys(images, same, False), content_keys(known, same, False)).sum())
