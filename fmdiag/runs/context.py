"""Context that a run gives its diagnostics: samples drawn once, feature spaces loaded once, work and progress."""

from dataclasses import asdict
from typing import Any

import torch

from fmdiag.runs import inputs
from fmdiag.runs.key import key_of
from fmdiag.runs.progress import TrainingProgress, shown
from fmdiag.runs.samples import BATCH, caution_of_lost, draw
from fmdiag.runs.spaces import load_spaces


class GivenContext:
    """What `fmdiag.diagnostics.context.Context` promises, of a run's inputs and output folder."""

    seed: int
    group: Any
    network_device: Any
    given: Any
    output: Any
    caution_of_samples: str | None
    field: object
    _drawn: dict
    _spaces: dict

    @property
    def speaks(self):
        """Whether this process is the one that writes, draws and prints: rank 0."""
        return self.group.rank == 0

    def generator(self):
        """Return a new torch.Generator of the run's seed."""
        return torch.Generator().manual_seed(self.seed)

    def progress(self, iterable, description, total=None):
        """Return `iterable`, its progress shown on stderr or in the notebook."""
        return shown(iterable, description, total) if self.speaks else iter(iterable)

    def samples(self, n_samples=1024, n_steps=100, method="euler", *, lost_ones="said"):
        """Return samples of the model, shape (n, *shape), in model range; drawn once for all diagnostics.

        Those that diverged are NaN, which a caution of the Result says unless `lost_ones` is ``"left"``.
        """
        asked = n_samples, n_steps, method
        if asked not in self._drawn:
            self._drawn[asked] = self._of_more(*asked) or draw(self, *asked)
        samples, lost = self._drawn[asked]
        if lost_ones == "said":
            self.caution_of_samples = caution_of_lost(lost, n_steps, method, self.field)
        return samples

    def _of_more(self, n_samples, *solver):
        """Return the first of more samples that were drawn in the same batches, so the same to the bit; else None."""
        more = [drawn for (n, *other), drawn in self._drawn.items() if other == list(solver) and n > n_samples]
        whole = n_samples % BATCH == 0 and self.group.size == 1
        return tuple(part[:n_samples] for part in more[0]) if more and whole else None

    def kept(self, name, parameters, compute):
        """Return the tensor that `compute` makes, computed once whatever interrupts the run; with ranks, each time."""
        if self.group.size > 1:
            return compute()
        key = key_of(self, "samples", {"of": name, **parameters})
        return torch.from_numpy(self.output.array(name, key, lambda: compute().cpu().numpy()))

    def reloaded(self, **changes):
        """Return the checkpoint read once more with other choices."""
        return inputs.load(self.given, self.network_device, **changes)

    def work(self, name, parameters):
        """Return a folder for what takes long, the same for the same parameters until the run is saved."""
        return self.output.work(f"work-{name}-{key_of(self, name, asdict(parameters))}")

    def training_progress(self):
        """Return a context that yields ``progress(step, loss, steps)`` for a training loop."""
        return TrainingProgress()

    def reading(self, *names):
        """Return the options of these names by which the data set was read, as far as they were given."""
        return self.given.chosen(names)

    def spaces(self, parameters):
        """Return (features, SearchPlan) that parameters with the fields of `Spaces` ask for."""
        known = repr(parameters)
        if known not in self._spaces:
            self._spaces[known] = load_spaces(self, parameters)
        return self._spaces[known]
