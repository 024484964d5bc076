"""`fmdiag memorization`: are samples copies of training rows? Nearest rows, with both controls."""

import click

from .options import (
    Range,
    checkpoint_argument,
    decoder_option,
    feature_options,
    method_option,
    run_options,
    scheduler_times_option,
)
from .spaces import DEFAULT, described, spaces, taken

BATCH = 256  # samples drawn together


@click.command()
@checkpoint_argument(required=False)
@click.option("--samples", type=click.Path(), help="Folder of pictures or file of arrays to judge instead of drawing "
              "samples from CHECKPOINT.")
@click.option("--sample-range", type=Range(), metavar="LOW,HIGH",
              help="Values in --samples that stand for black and white, e.g. 0,1.  [default: 8-bit pictures, or "
              "arrays in model range]")
@click.option("--n-samples", type=click.IntRange(1), help="Samples drawn, or taken from the start of --samples.  "
              "[default: 1024, or all]")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Steps from t = 0 to 1.")
@method_option()
@click.option("--threshold", type=click.FloatRange(0, 1, min_open=True), default=1 / 3, show_default="1/3",
              help="A sample counts as memorised if d1/d2 is below it.")
@scheduler_times_option()
@decoder_option()
@feature_options
@run_options
def command(checkpoint, samples, sample_range, n_samples, n_steps, method, threshold, **options):
    """Compare samples with the training set, beside held-out rows (the null) and samples of û* (all copies).

    \b
    Examples:
      fmdiag memorization ckpt.pt
      fmdiag memorization --samples generated/ --dataset fashion-mnist
      fmdiag memorization --samples x.npy --sample-range 0,1 --dataset images/ --held-out 0.1
      fmdiag memorization ckpt.pt --feature pixels --feature dinov2 --feature-weights dinov2=dinov2-base/
    """
    if checkpoint is None and (samples is None or options["dataset"] is None):
        raise click.UsageError("give a CHECKPOINT, or --samples together with the --dataset that was trained on")
    from .session import Session

    chosen = taken(options)
    with Session("memorization", options, checkpoint) as session:
        given = None if samples is None else load_samples(session, samples, sample_range)[:n_samples]
        session.part("memorization", run, samples=given, n_samples=n_samples or 1024, n_steps=n_steps,
                     method=method, threshold=threshold, chosen=chosen)


def load_samples(session, source, sample_range):
    """Return the samples in a folder or file, in model range, shape (n, *shape)."""
    from fmdiag.datasets.samples import load_samples

    return load_samples(source, session.training_set, value_range=sample_range, size=session.options["size"],
                        skip_bad=session.options["skip_bad"])


def draw_samples(session, n_samples, n_steps, method):
    """Return samples of the session's checkpoint, shape (n, *shape); drawn once where two diagnostics judge them.

    Those that diverged are NaN, and named in a caution.
    """
    from fmdiag.errors import FmdiagError
    from fmdiag.sampling import lost_sentence, solver_text

    asked = n_samples, n_steps, method
    if asked not in session.drawn:
        session.drawn[asked] = _drawn(session, *asked)
    samples, lost = session.drawn[asked]
    said = lost_sentence(lost)
    if said is not None and bool(lost.isfinite().all()):
        raise FmdiagError(f"{said} ({solver_text(method, n_steps)}): nothing is left to measure; check the "
                          "checkpoint's weights and convention (fmdiag checkpoint FILE), or give more --n-steps")
    if said is not None:
        session.caution(f"diverged: {said} ({solver_text(method, n_steps)}): not finite, or far outside the data; left "
                        "out of what is measured")
    return samples


def _drawn(session, n_samples, n_steps, method):
    """Return (samples, lost): NaN where the trajectory diverged, and when it did, NaN where it did not."""
    import torch

    from fmdiag.diagnostics.measurable import diverged
    from fmdiag.sampling import draw_noise

    shape = session.training_set.shape
    noise = draw_noise(n_samples, shape, generator=torch.Generator().manual_seed(session.options["seed"]))
    found = torch.cat(session.group.spread(noise, lambda mine: _drawn_in_batches(session, mine, n_steps, method)))
    samples, lost = found[:, :-1].reshape(-1, *shape), found[:, -1]
    far = diverged(samples, session.training_set)
    samples[far] = torch.nan
    return samples, torch.where(far & lost.isnan(), 1.0, lost)


def _drawn_in_batches(session, noise, n_steps, method):
    """Return the samples that the model makes of noises, flat, each followed by the time at which it diverged or NaN.

    A finished batch outlives an interruption.
    """
    import torch

    from fmdiag.sampling import carry_noise

    from .session_inputs import sampling_times

    times = sampling_times(session, n_steps)

    def batch(k):
        samples, lost = carry_noise(session.checkpoint.field, noise[k : k + BATCH], n_steps, method, times=times)
        return torch.cat([samples.flatten(1).cpu(), lost[:, None].to("cpu", samples.dtype)], dim=1)

    batches = session.progress(range(0, len(noise), BATCH), "samples")
    return torch.cat([session.kept("samples", {"first": k, "n": len(noise), "n_steps": n_steps, "method": method,
                                               "lost": True}, lambda k=k: batch(k)) for k in batches])


def run(session, *, samples=None, n_samples=1024, n_steps=100, method="euler", threshold=1 / 3, chosen=DEFAULT):
    """Judge `samples`, or draw them from the session's checkpoint, record the outcome; return samples and table."""
    import pandas as pd
    import torch

    from fmdiag.diagnostics import gallery, memorization, steps
    from fmdiag.diagnostics.null_size import check_held_out
    from fmdiag.diagnostics.sweep import roc, sweep
    from fmdiag.diagnostics.verdict import verdict
    from fmdiag.sampling import solver_text

    training_set, seed = session.training_set, session.options["seed"]
    check_held_out(training_set)
    features, plan = spaces(session, chosen)
    drawn = samples is None
    samples = draw_samples(session, n_samples, n_steps, method) if drawn else samples
    table = memorization.measure(
        samples, training_set, path=session.path, n_steps=n_steps, feature=features, threshold=threshold,
        plan=plan, memory=session.memory, device=session.device, group=session.group,
        progress=lambda sources: session.progress(sources, "memorization"),
        generator=torch.Generator().manual_seed(seed))
    if not drawn:
        session.caution_of(table)
    summary = memorization.summarise(table)
    solver = solver_text(method, n_steps) if drawn else None
    if drawn and session.options.get("times_of_scheduler"):
        solver += " at the scheduler's times"
    steps_table = _with_other_steps(session, table, n_samples, n_steps, method, features, plan) if drawn else None
    if steps_table is not None:
        of_steps = steps.summarise(steps_table)
        summary = pd.concat([summary, of_steps], ignore_index=True)
        session.facts["steps"], caution = steps.sentences(of_steps, method, n_steps)
        if caution is not None:
            session.caution(caution)
    parameters = {"n_samples": len(samples), "samples": "drawn" if drawn else "given", "n_steps": n_steps,
                  "method": method if drawn else None, "solver": solver, "threshold": threshold,
                  **described(features, chosen)}
    session.record("memorization", table, summary, parameters,
                   **memorization.gallery(samples, training_set, table, decoder=session.decoder))
    session.add_table("sweep", sweep(table))
    session.add_table("roc", roc(table))
    if steps_table is not None:
        session.add_table("steps", steps_table)
    points = {"model": samples, "heldout": training_set.unseen}
    session.add_arrays("gallery", gallery.pictures(table, points, training_set, decoder=session.decoder))
    overlap = training_set.overlap
    reason = table.attrs.get("not_judged") or (overlap and overlap.not_judged())
    session.facts |= {"verdict": verdict(summary, solver=solver, not_judged=reason),
                      **({"not_judged": reason} if reason else {})}
    _warn_of_a_small_null(table)
    return samples, table


def _with_other_steps(session, table, n_samples, n_steps, method, features, plan):
    """Return which of the first samples are copies with half the steps as well; None where a method chooses its own."""
    from fmdiag.diagnostics import steps
    from fmdiag.sampling import ADAPTIVE

    if method in ADAPTIVE:
        return None
    again, _ = _drawn(session, steps.number_checked(n_samples), steps.other_steps(n_steps), method)
    return steps.measure(table, again, session.training_set, features=features, plan=plan, device=session.device,
                         group=session.group)


def _warn_of_a_small_null(table):
    """Say so where few held-out rows make the null, and with it the verdict, weak."""
    import warnings

    from fmdiag.diagnostics import null_size
    from fmdiag.errors import FmdiagWarning

    counts = table.groupby("source")["sample"].nunique()
    said = null_size.warning(counts.get("heldout", 0), counts["model"])
    if said is not None:
        warnings.warn(said, FmdiagWarning, stacklevel=2)
