"""Samples of a run's model: a seed per sample, in batches that an interruption does not lose."""

import torch

from fmdiag.diagnostics.points.measurable import diverged
from fmdiag.errors import FmdiagError
from fmdiag.sampling import carry_noise, draw_noise, lost_sentence, solver_text

BATCH = 256  # samples drawn together


def draw(run, n_samples, n_steps, method):
    """Return (samples, lost): NaN where the trajectory diverged, and when it did, NaN where it did not; ranks share."""
    shape = run.training_set.shape
    noise = draw_noise(n_samples, shape, generator=run.generator())
    found = torch.cat(run.group.spread(noise, lambda mine: _in_batches(run, mine, n_steps, method)))
    samples, lost = found[:, :-1].reshape(-1, *shape), found[:, -1]
    far = diverged(samples, run.training_set)
    samples[far] = torch.nan
    return samples, torch.where(far & lost.isnan(), 1.0, lost)


def caution_of_lost(lost, n_steps, method, field=None):
    """Return what to say of trajectories that diverged, None where none did.

    Raises
    ------
    FmdiagError
        If all of them did.
    """
    remark, solver = lost_sentence(lost), solver_text(method, n_steps, field)
    if remark is not None and bool(lost.isfinite().all()):
        raise FmdiagError(f"{remark} ({solver}): nothing is left to measure; check the checkpoint's weights and "
                          "convention (fmdiag checkpoint FILE), or give more --n-steps")
    return remark and (f"diverged: {remark} ({solver}): not finite, or far outside the data; left out of what is "
                       "measured")


def _in_batches(run, noise, n_steps, method):
    """Return the samples of noises, flat, each followed by the time at which it diverged or NaN."""
    times = _times(run, n_steps)

    def batch(first):
        samples, lost = carry_noise(run.field, noise[first : first + BATCH], n_steps, method, times=times)
        return torch.cat([samples.flatten(1).cpu(), lost[:, None].to("cpu", samples.dtype)], dim=1)

    asked = {"n": len(noise), "n_steps": n_steps, "method": method}
    return torch.cat([run.kept("samples", {"first": k, **asked}, lambda k=k: batch(k))
                      for k in run.progress(range(0, len(noise), BATCH), "samples")])


def _times(run, n_steps):
    """Return the times of samples where the scheduler's own are asked for; else None."""
    if not run.given.options.get("times_of_scheduler"):
        return None
    times = getattr(getattr(run.field, "foreign", None), "times", None)
    if times is None:
        name = run.checkpoint.file if run.checkpoint else "this field"
        raise FmdiagError(f"--times-of-scheduler: {name} has no scheduler beside its network: leave it out")
    return times(n_steps)
