"""Context of a measurement: what the `run` of a diagnostic is given, as a protocol; `fmdiag.Run` is one."""

from typing import Any, Protocol


class Context(Protocol):
    """What a diagnostic may ask for.

    Attributes
    ----------
    training_set : TrainingSet
        The examples that the model was trained on, with their held-out examples.
    field : callable or None
        Velocity field v(x, t), t = 0 noise, t = 1 data, under the contract of `fmdiag.fields.contract`: asked without
        gradients, with arguments and answers of its own.
    network : callable or None
        What the user handed over, or the checkpoint's own field: for gradients.
    checkpoint : Checkpoint or None
        Where the field comes from.
    path : GaussianPath or None
        Probability path that the field was trained on; None for the straight one.
    seed : int
        Of everything random.
    device : torch.device
        Where û* and networks compute.
    memory : int or None
        Bytes that û* may use.
    group : Group
        The ranks that share the work; `speaks` on the one that writes.
    decoder : callable or None
        Turns latents into pictures.
    """

    training_set: Any
    field: Any
    network: Any
    checkpoint: Any
    path: Any
    seed: int
    device: Any
    memory: int | None
    group: Any
    decoder: Any

    @property
    def speaks(self) -> bool:
        """Whether this process writes and prints."""
        ...

    def generator(self):
        """Return a new torch.Generator of the run's seed."""

    def progress(self, iterable, description, total=None):
        """Return `iterable`, its progress shown where somebody looks."""

    def samples(self, n_samples, n_steps, method, *, lost_ones="said"):
        """Return samples of the field, shape (n, *shape), NaN where they diverged; drawn once for all diagnostics."""

    def kept(self, name, parameters, compute):
        """Return the tensor that `compute` makes, computed once whatever interrupts the run."""

    def reloaded(self, **changes):
        """Return the checkpoint read once more with other choices."""

    def work(self, name, parameters):
        """Return a folder for what takes long, the same for the same parameters until the run is saved."""

    def training_progress(self):
        """Return a context that yields ``progress(step, loss, steps)`` for a training loop."""

    def reading(self, *names):
        """Return the options of these names by which the data set was read, as far as they were given."""

    def spaces(self, parameters):
        """Return (features, SearchPlan) that a `Spaces` dataclass of parameters asks for."""


def surroundings(context):
    """Return the keywords path, memory, device and group that every `measure` of a field takes."""
    return {name: getattr(context, name) for name in ("path", "memory", "device", "group")}


def shown(context, description):
    """Return the keyword progress, which shows a loop under a description."""
    return {"progress": lambda iterable: context.progress(iterable, description)}
