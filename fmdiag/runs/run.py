"""Run: a model and its training set, measured by any number of diagnostics, kept in a folder, resumed, shown as a page.

run = fmdiag.Run("ckpt.pt", out="reports/mine")            # or fmdiag.Run(field=net, train=train): nothing is written
run.memorization(n_samples=1024).plot()
run.report()                                               # index.html; the same lines again go on from there
"""

import datetime
import os
import time
import warnings
import weakref
from dataclasses import asdict

import pandas as pd
import torch

from fmdiag.devices import choose_device, closed_form_device
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.diagnostics.parameters import COMMON, valid
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import as_field, is_sampler
from fmdiag.files.places import ANYWHERE, is_elsewhere
from fmdiag.memory import for_arrays
from fmdiag.posterior.rows import shared_memory
from fmdiag.ranks.torchrun import join, leave
from fmdiag.runs import composed, inputs
from fmdiag.runs.cautions import cautions_of, measured_with_cautions
from fmdiag.runs.command import plain_values
from fmdiag.runs.context import GivenContext
from fmdiag.runs.key import key_of
from fmdiag.runs.lacking import lacking
from fmdiag.runs.methods import Methods
from fmdiag.runs.output import Nowhere, Output, first_free


class Run(Methods, GivenContext):
    """A model, its training set and what was measured of them; also a context manager.

    Parameters
    ----------
    checkpoint : path or Checkpoint, optional
        What `fmdiag.load_checkpoint` reads.
    field, sampler : callable or torch.nn.Module, optional
        Instead of a checkpoint: velocity field v(x, t), t = 0 noise, t = 1 data, or ``sample(x0, labels=None) -> x``.
    train : TrainingSet, array, name or path, optional
        Training set; default the one that the checkpoint names.
    held_out : TrainingSet, array, path, fraction or False, optional
        Held-out examples; default those of the training set.
    path : GaussianPath, optional
        Probability path of `field`; default the straight one.
    out : path, optional
        Run folder. Finished diagnostics are kept beside it until `save`, `report`, `audit` or the end of the ``with``
        block writes it whole; the same run made again goes on from what is finished. A callable is given the training
        set and yields folders, of which the first free one is taken. Default: nothing is written.
    overwrite : bool
        Whether an earlier run in `out`, of other inputs, may be replaced.
    new : bool
        Whether a run folder that is there is refused, even one of the same inputs.
    seed : int
        Of everything random.
    device : str or torch.device
        ``"auto"``: CUDA where there is one, else Apple's GPU for the network, with û* on the CPU.
    memory : int, optional
        Bytes that every process may use, its libraries among them; by default arrays take a quarter of what is free,
        at least 1 GiB.
    decoder : path, optional
        Decoder of latents, for pictures only.
    cache : bool
        Whether feature vectors are kept between runs.
    anonymous : bool
        Whether what is written names files without their folders, and neither user nor host.
    name, command : str
        Name of the run and the command line that made it, for its record.
    **options
        How the data set is read (as `fmdiag.load_dataset`) and the checkpoint (as `fmdiag.load_checkpoint`).

    Raises
    ------
    FmdiagError
        If an input is missing, wrong or does not fit, or another process writes to `out`.

    Examples
    --------
    >>> import fmdiag
    >>> train = fmdiag.load_dataset("digits", n=100)
    >>> run = fmdiag.Run(field=fmdiag.ClosedFormField(train), train=train)
    >>> float(run.error(n_pairs=8, times=[0.5]).table.squared_error.max()) < 1e-10
    True
    """

    def __init__(self, checkpoint=None, *, field=None, sampler=None, train=None, held_out=None, path=None, out=None,
                 overwrite=False, new=False, seed=0, device="auto", memory=None, decoder=None, cache=True, name="run",
                 command="", anonymous=False, **options):
        self.anonymous = anonymous
        self.name, self.cache, self.command = name, cache, command
        self.seed, memory = valid("seed", seed or 0, COMMON["seed"]), valid("memory", memory, COMMON["memory"])
        self.started, self.clock = datetime.datetime.now(datetime.UTC), time.monotonic()
        self.group, self.network_device = join(choose_device(device, torch.float32))
        self.device = closed_form_device(self.network_device)
        self.given_memory, self.memory = memory, shared_memory(for_arrays(memory), self.device, self.group)
        writes = out is not None and self.speaks
        # First of all, where its name is known: another process there, or another run, is known before any work.
        self.output = Output(out, overwrite=overwrite, new=new) if writes and not callable(out) else Nowhere()
        self.results, self._drawn, self._spaces, self.model_facts, self.page = {}, {}, {}, None, None
        self.feature_caches = {}   # whether on disk -> FeatureCache, one for all diagnostics
        try:
            self.given = inputs.given(checkpoint, field, sampler, train, held_out, path, decoder, options)
            self._take(inputs.opened(self.given, self.network_device, self.group))
            if writes and callable(out):
                self.output = first_free(out(self.training_set), overwrite=overwrite)
            self.output.begin(self)
        except BaseException as error:
            self.output.abandon(error)
            raise
        self._finalizer = weakref.finalize(self, self.output.close)

    def _take(self, found):
        self.checkpoint, self.network, self.path, self.files = found.checkpoint, found.field, found.path, found.files
        self.field = None if found.field is None else as_field(found.field)
        self.training_set, self.decoder, self.facts = found.training_set, found.decoder, found.facts

    def lacks(self, card):
        """Return what the run has not got that a diagnostic needs, as a phrase; None where it applies."""
        return lacking(self, card)

    def measure(self, diagnostic, **parameters):
        """Measure a diagnostic, or take its Result from this run or from an earlier one that was interrupted.

        Parameters
        ----------
        diagnostic : str or Diagnostic
            Name, or card.
        **parameters
            Of the diagnostic's card.

        Returns
        -------
        Result

        Raises
        ------
        FmdiagError
            If the diagnostic is unknown, needs what the run has not got, or a parameter is wrong.
        """
        card = DIAGNOSTICS[diagnostic] if isinstance(diagnostic, str) else diagnostic
        chosen = card.made(parameters)
        if (lacked := self.lacks(card)) is not None:
            raise FmdiagError(f"{card.name} needs {lacked}")
        key = key_of(self, card.name, asdict(chosen))
        if (result := self._found(card, key)) is None:
            result = measured_with_cautions(self, card, chosen)
            result.key, result.asked = key, plain_values(asdict(chosen))
            result = self.output.keep(key, result)
        else:
            for text in result.cautions:  # as when it was measured
                warnings.warn(text, FmdiagWarning, stacklevel=2)
        self.results[card.name], self.page = result, None
        result.run = self.output.finished(card.name, key, self.record())
        return result

    def _found(self, card, key):
        """Return a finished Result, the same on all ranks; None where it is to be measured."""
        found = self.output.find(card.name, key) if self.speaks else None
        known = self.group.same(torch.tensor([int(found is not None)])).item()
        return self.group.gather(found)[0] if known and self.group.size > 1 else found

    def report(self, **parameters):
        """Measure everything that applies, write the page and, with held-out examples, audit.json; return the Page.

        Parameters
        ----------
        **parameters
            n_pairs, n_samples, n_noises, n_gradients, n_steps, n_images, without: as of `fmdiag report`.
        """
        with self.output.drawing_ahead():
            return self.save(page=True, document=composed.report(self, **parameters))

    def audit(self, **parameters):
        """Measure the memorisation audit, write its page and audit.json; return the Page with the audit as `document`.

        Parameters
        ----------
        **parameters
            As of `fmdiag audit`.
        """
        with self.output.drawing_ahead():
            return self.save(page=True, document=composed.audit(self, **parameters))

    def save(self, page=False, document=None):
        """Write the run folder whole or replace it: tables, figures, run.json and, with `page`, index.html."""
        self.page = self.output.publish(self, page=page, document=document) if self.speaks else None
        return self.page

    def leave(self):
        """Part from the other ranks, once all have done their share."""
        leave(self.group)

    @property
    def key(self):
        """Hash of the run's inputs, whatever is measured on them."""
        return key_of(self, "run", {})

    def places(self):
        """Return what was given and names a place outside the working folder, or in it by an absolute path.

        Of an anonymous run no place is named: ANYWHERE.
        """
        if self.anonymous:
            return ANYWHERE
        given = (self.given.checkpoint, self.given.train, self.given.held_out, self.given.decoder,
                 *self.given.options.values())
        return [str(place) for place in given if isinstance(place, str | os.PathLike) and is_elsewhere(str(place))]

    def cautions(self):
        """Return what the results are to be read with: of the checkpoint, of the data, and what was found."""
        return cautions_of(self)

    def summary(self):
        """Return the summary rows of everything that was measured, in one table."""
        return pd.concat([result.summary for result in self.results.values()], ignore_index=True)

    def record(self):
        """Return what run.json says: inputs by their content, versions, seed, parameters."""
        from fmdiag.runs.record import record_of

        return record_of(self)

    def close(self):
        """Let go of the output folder; finished diagnostics that were not saved stay beside it."""
        self._finalizer()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        """Save what was measured, unless the block failed."""
        try:
            if kind is None and self.results and self.page is None:
                self.save()
            elif error is not None:
                self.output.abandon(error)
        finally:
            self.close()

    def __repr__(self):
        kind = "no model" if self.field is None else "a sampler" if is_sampler(self.field) else "a field"
        model = f"Run of {self.checkpoint.file.name if self.checkpoint else kind} on {self.training_set.name}"
        return f"<{model} (n = {self.training_set.n}): {', '.join(self.results)}>"
