"""What a checkpoint of any family becomes: a velocity field in fmdiag's convention, and what is known about it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from fmdiag.checkpoints import cautions
from fmdiag.checkpoints.averages import compare_weights
from fmdiag.checkpoints.readings import check_reading
from fmdiag.checkpoints.recorded import check_recorded, load_recorded
from fmdiag.datasets import is_fraction
from fmdiag.datasets.condition import of_class, unguided
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.paths import GaussianPath


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint, read.

    Parameters
    ----------
    field : callable
        Velocity field v(x, t), t = 0 noise, t = 1 data.
    description : dict
        Plain values: family, weights (``"ema"`` or ``"raw"``), network, parameters (their number), path, dataset (or
        None where the file does not say), steps, loss, seed, and what else the family records.
    path : GaussianPath
        Probability path that it was trained on.
    file : Path
        Where it was read from.
    sha256 : str
        Hash of the file.
    raw : callable, optional
        ``raw()`` loads the same checkpoint with its raw weights; None where it has none beside these.
    """

    field: Callable
    description: dict
    path: GaussianPath
    file: Path
    sha256: str = field(repr=False)
    raw: Callable | None = field(default=None, repr=False, compare=False)

    def training_set(self, dataset=None, *, data_root=None, allow_mismatch=False, accept_reading=False, **options):
        """Return the training set that the checkpoint names, verified; a foreign network's reading is tested on it.

        Parameters
        ----------
        dataset : str or path, optional
            Name, folder or file to read instead of the recorded source, e.g. after the data have moved.
        data_root : path, optional
            Where named data sets lie.
        allow_mismatch : bool
            Accept rows other than those trained on, as long as their shape fits.
        accept_reading : bool
            Warn, instead of refusing, where the network as it is read fits these rows worse than the zero field in some
            quarter of time: see `fmdiag.checkpoints.readings`.
        **options
            Override how the rows are read: `split`, `size`, `hflip`, `n`, `held_out`, ..., as in `load_dataset`.

        Returns
        -------
        TrainingSet
            With the flips and the subset that the checkpoint was trained on, unless overridden.

        Raises
        ------
        FmdiagError
            If no data set is recorded or given, the recorded one lies outside the working folder and the data root or
            would have to be fetched, its shape or fingerprint is not the checkpoint's, or the reading
            fits worse than the zero field.
        """
        recorded = self.description.get("dataset") or {}
        source = dataset if dataset is not None else recorded.get("source")
        if source is None:
            raise FmdiagError(f"{self.file} does not say what it was trained on: give --dataset NAME or PATH")
        check_recorded(recorded, self.file, {"source": dataset, **options}, data_root)
        if dataset is None and options.get("held_out") is None:
            options["offline"] = True
        training_set = self._load(recorded, source, data_root, options)
        self._check(training_set, recorded, source, allow_mismatch, options)
        training_set = self.of_class(training_set)
        check_reading(self, unguided(training_set), accept=accept_reading)
        compare_weights(self, training_set)
        return self._with_caution(training_set, recorded, options.get("held_out"))

    def _load(self, recorded, source, data_root, options):
        try:
            return load_recorded(recorded, source, data_root=data_root, **options)
        except FmdiagError as error:
            if source != recorded.get("source") or str(self.file) in str(error):
                raise
            raise FmdiagError(f"{self.file} names {source} as its data: {error}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise FmdiagError(f"{self.file} records its data set in no way that can be read ({error}): give --dataset, "
                              "and the options that it needs") from error

    def _with_caution(self, training_set, recorded, held_out):
        """Return the rows with a remark where a share is held out of which nothing says that it was not trained on."""
        if not is_fraction(held_out) or training_set.fingerprint == recorded.get("fingerprint"):
            return training_set
        caution = (f"--held-out {held_out} takes rows out of {training_set.name} now, and {self.file} does not record "
                   "that it was trained without them: if it was trained on all rows, these are training examples too, "
                   "and copies are not found; give rows that it was not trained on (--held-out PATH)")
        warnings.warn(caution, FmdiagWarning, stacklevel=3)
        return replace(training_set, remarks=(*training_set.remarks, caution))

    def of_class(self, training_set):
        """Return the rows of the class that the model is asked for, guided alike; all where labels are unknown."""
        label = self.description.get("class_label")
        if label is None or label == self._null_label() or training_set.labels is None:
            return training_set
        known, guidance = training_set.condition, self.description.get("guidance") or 1.0
        if known is None:
            return of_class(training_set, label, guidance=guidance)
        if (known.label, known.guidance) != (label, guidance):
            raise FmdiagError(f"{self.file} is asked for class {label} with guidance {guidance:g}, and "
                              f"{training_set.name} is of class {known.label} with guidance {known.guidance:g}: give "
                              "the rows of all classes, or the same --class-label and --guidance")
        return training_set

    def say_of_latents(self, training_set):
        """Let the caution about latents that were sampled anew say whether the data are their moments."""
        said, known = self.description.get("warnings") or [], (cautions.LATENTS, cautions.SAMPLED)
        told = known[training_set.spread is not None]
        said[:] = [told if text in known else text for text in said]

    def _null_label(self):
        return getattr(getattr(self.field, "foreign", None), "null_label", None)

    def _check(self, training_set, recorded, source, allow_mismatch, options):
        shape = self.description["network"].get("shape", list(training_set.shape))
        if list(training_set.shape) != list(shape):
            trained = f" (trained on {recorded['name']})" if recorded.get("name") else ""
            raise FmdiagError(f"{self.file} takes samples of shape {tuple(shape)}{trained}, "
                              f"{source} has rows of shape {training_set.shape}: {_advice(training_set.shape, shape)}")
        expected = recorded.get("fingerprint")
        if expected is None or allow_mismatch or training_set.fingerprint == expected:
            return
        held_out, groups = options.get("held_out"), options.get("groups")
        if groups is not None and is_fraction(recorded.get("held_out")) and groups != recorded.get("groups", "none"):
            raise FmdiagError(f"--groups {groups} holds out other rows of {source} than {self.file} was trained "
                              f"without: leave it out, or train again with --groups {groups}")
        if is_fraction(held_out) and str(held_out) != str(recorded.get("held_out")):
            before = f"with --held-out {recorded['held_out']}" if recorded.get("held_out") else "on all of them"
            raise FmdiagError(f"--held-out {held_out} takes rows away from {source}, but {self.file} was trained "
                              f"{before}: give rows that it was not trained on (--held-out PATH), or train again with "
                              f"--held-out {held_out}")
        raise FmdiagError(
            f"{self.file} was trained on {recorded.get('name')} (n = {recorded.get('n')}, fingerprint "
            f"{expected[:12]}), {source} is another set (n = {training_set.n}, fingerprint "
            f"{training_set.fingerprint[:12]}): give the data it was trained on as --dataset, or --allow-mismatch to "
            "compare with these rows all the same")


def _advice(found, wanted):
    """Return what may be done about rows of another shape."""
    if list(found) == [2 * wanted[0], *wanted[1:]]:
        return ("twice the channels, as moments of latents have: say which they are (--moments mean-logvar or "
                "mean-std, and the factor of latents, as in mean-logvar:0.18215)")
    return "give its own --dataset, or --size"
