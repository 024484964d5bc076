"""Cautions of a run: what its results are to be read with."""

import warnings

from fmdiag.errors import FmdiagWarning
from fmdiag.runs.foreign import measured


def measured_with_cautions(run, card, parameters):
    """Return the Result of a card, whose cautions hold every warning and what was left out; warnings are shown too."""
    run.caution_of_samples = None
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always", FmdiagWarning)
        result = measured(card, run, parameters)
    for warning in raised:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    texts = [str(w.message) for w in raised if issubclass(w.category, FmdiagWarning)]
    lost = [table.attrs["diverged"] for table in result.all_tables().values() if "diverged" in table.attrs]
    found = [run.caution_of_samples or next((f"diverged: {text}" for text in lost), None)]
    result.cautions = list(dict.fromkeys([*result.cautions, *filter(None, found), *texts]))
    return result


def cautions_of(run):
    """Return the cautions of a run's checkpoint, of its data, and of what was measured, each once."""
    checkpoint = (run.checkpoint.description.get("warnings") or ()) if run.checkpoint is not None else ()
    found = [text for result in run.results.values() for text in result.cautions]
    found = [text for text in found if f"diverged: {text}" not in found]
    return list(dict.fromkeys([*checkpoint, *run.training_set.cautions, *found]))
