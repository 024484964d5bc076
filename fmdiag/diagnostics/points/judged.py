"""Samples that a diagnostic judges: those of the user, read from a file or given as an array, or the model's own."""

from fmdiag.datasets.samples import load_samples

N_SAMPLES = 1024


def judged_samples(context, parameters):
    """Return (samples in model range, shape (n, *shape), and what run.json records of them).

    Parameters
    ----------
    context : Context
        Draws samples where none are given.
    parameters : Judged
        samples, sample_range, n_samples, n_steps, method.
    """
    given = parameters.samples
    if given is None:
        samples = context.samples(parameters.n_samples or N_SAMPLES, parameters.n_steps, parameters.method)
    else:
        reading = {"size": None, "skip_bad": False, **context.reading("size", "skip_bad")}
        samples = load_samples(given, context.training_set, value_range=parameters.sample_range, **reading)
        samples = samples[: parameters.n_samples]
    return samples, {"n_samples": len(samples), "samples": "drawn" if given is None else "given",
                     "n_steps": parameters.n_steps, "method": parameters.method if given is None else None}

