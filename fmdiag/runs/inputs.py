"""Inputs of a run: checkpoint or field, training set, held-out examples and decoder, opened and checked together."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fmdiag.checkpoints import is_latent, load_checkpoint, load_decoder
from fmdiag.checkpoints.checkpoint import Checkpoint
from fmdiag.datasets import TrainingSet, load_dataset
from fmdiag.datasets.decoded import lists_of_skipped
from fmdiag.datasets.grouped_sets import regrouped
from fmdiag.diagnostics.points.pictures import note
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.fields import GivenSampler, is_sampler
from fmdiag.files.places import shown_path
from fmdiag.paths import as_path
from fmdiag.ranks.torchrun import one_first

# Options that `load_dataset` takes under the same name, and those of `load_checkpoint`.
READING = ("split", "size", "hflip", "held_out", "data_root", "skip_bad", "value_range", "offline", "verify",
           "orientation", "groups", "moments")
CHOICES = ("family", "weights", "weights_key", "prefix", "parameterisation", "time_direction", "time_scale",
           "path_name", "class_label", "guidance", "coupling", "heads", "model", "condition",
           "trust_code")
MISMATCHES = ("allow_mismatch", "accept_reading")
OTHER = (*MISMATCHES, "times_of_scheduler")


@dataclass(frozen=True)
class Given:
    """What the user gave, as it was given."""

    checkpoint: object
    field: object
    train: object
    held_out: object
    path: object
    decoder: object
    options: dict

    def __post_init__(self):
        """Refuse unknown options and what excludes each other."""
        for name in self.options:
            check_choice("option of a run", name, ("n", *READING, *CHOICES, *OTHER))
        if self.checkpoint is not None and self.field is not None:
            raise FmdiagError("give a checkpoint or field=, not both" if not is_sampler(self.field) else
                              "give a checkpoint or sampler=, not both")
        # What the reader of the training set splits off or reads beside it; arrays are put beside it afterwards.
        if isinstance(self.held_out, str | Path | float) and not isinstance(self.train, TrainingSet):
            self.options["held_out"] = str(self.held_out)
        if self.checkpoint is None and self.train is None:
            raise FmdiagError("a run needs a training set: give train=, or a checkpoint that names its own")

    def chosen(self, names):
        """Return the options of these names that were given."""
        return {name: value for name in names if (value := self.options.get(name)) is not None}


def given(checkpoint, field, sampler, *others):
    """Return the Given of a run, a sampler in the place of the field.

    Raises
    ------
    FmdiagError
        If more than one of the first three was given, or what is given excludes each other or is of the wrong kind.
    """
    if field is not None and sampler is not None:
        raise FmdiagError("give field= or sampler=, not both")
    return Given(checkpoint, field if sampler is None else GivenSampler(sampler), *others)


@dataclass(frozen=True)
class Opened:
    """What a run works on; `files` are those that belong into its folder, by their names there."""

    checkpoint: object
    field: object
    path: object
    training_set: TrainingSet
    decoder: object
    facts: dict
    files: dict


def opened(given, device, group):
    """Return the Opened inputs; one process per machine goes first, so that a download is made once."""
    with one_first(group), lists_of_skipped() as skipped:
        checkpoint = _checkpoint(given, device)
        training_set = _with_held_out(_training_set(given, checkpoint), given.held_out, given)
        if checkpoint is not None:
            checkpoint.say_of_latents(training_set)
        decoder, facts = _decoder(given, checkpoint, training_set, device)
    field = checkpoint.field if checkpoint else given.field
    if isinstance(field, torch.nn.Module):
        field = field.to(device)
    if isinstance(field, GivenSampler):
        field = _sampler(field, training_set, device)
    files = {f"skipped{f'-{k}' if k else ''}.csv": file for k, (_, file) in enumerate(skipped.values())}
    if files:
        counts = zip(skipped, skipped.values(), files, strict=True)
        facts["skipped"] = [{"source": shown_path(name), "n": n, "listed_in": file} for name, (n, _), file in counts]
    path = checkpoint.path if checkpoint else None if given.path is None else as_path(given.path)
    return Opened(checkpoint, field, path, training_set, decoder, facts, files)


def _sampler(sampler, training_set, device):
    """Return a given sampler on the device, asked for the class that the training set is of."""
    if isinstance(sampler.module, torch.nn.Module):
        sampler.module.to(device)
    known = training_set.condition
    return sampler if known is None else sampler.of_class(known.label)


def _checkpoint(given, device):
    if given.checkpoint is None or isinstance(given.checkpoint, Checkpoint):
        return given.checkpoint
    return load(given, device)


def load(given, device, **changes):
    """Return the checkpoint that was given, read with some choices changed."""
    file = given.checkpoint.file if isinstance(given.checkpoint, Checkpoint) else given.checkpoint
    return load_checkpoint(file, device=device, **given.chosen(CHOICES) | changes)


def _training_set(given, checkpoint) -> TrainingSet:
    if isinstance(given.train, TrainingSet):
        groups = given.options.get("groups")
        training_set = given.train if groups is None else regrouped(given.train, groups)
        return training_set if checkpoint is None else checkpoint.of_class(training_set)
    reading = given.chosen(("n", *READING))
    if checkpoint is None:
        return load_dataset(given.train, **reading)
    return checkpoint.training_set(given.train, **recorded_reading(given.options), **given.chosen(MISMATCHES))


def recorded_reading(options):
    """Return how examples are to be read where the user says so: what was not given is as the checkpoint records it."""
    # Only hflip is given where it is False.
    reading = {name: options[name] for name in ("n", *READING)
               if options.get(name) is not None and (options[name] is not False or name == "hflip")}
    if reading.get("split") == "train":
        reading.pop("split")
    return reading


def _with_held_out(training_set: TrainingSet, held_out, given) -> TrainingSet:
    if held_out is None or "held_out" in given.options or held_out is training_set.held_out:
        return training_set
    if held_out is False:
        return replace(training_set, held_out_source=None)
    if isinstance(held_out, float):
        raise FmdiagError(f"held_out={held_out}: a fraction is taken where the data are read: give it with train= as a "
                          "name, path or array")
    rows = held_out if isinstance(held_out, TrainingSet) else _held_out_rows(held_out, given)
    if tuple(rows.shape) != tuple(training_set.shape):
        raise FmdiagError(f"held-out examples have shape {tuple(rows.shape)}, training examples "
                          f"{tuple(training_set.shape)}: give both in one shape")
    return replace(training_set, held_out_source=lambda: rows)


def _held_out_rows(held_out, given):
    groups = given.options.get("groups")
    both = isinstance(groups, tuple) and len(groups) == 2
    return load_dataset(held_out, **given.chosen(("size", "moments")),
                        groups=groups[1] if both else groups if isinstance(groups, str) else None)


def _decoder(given, checkpoint, training_set, device):
    decoder, facts = None, {}
    if given.decoder is not None:
        decoder = load_decoder(given.decoder, device=device, **given.chosen(("trust_code",)))
        decoder(training_set[[0]])
        facts["decoder"] = decoder.description
    remark = note(training_set, latents=is_latent(checkpoint), decoder=decoder)
    return decoder, facts | ({} if remark is None else {"pictures": remark})

