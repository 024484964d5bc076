"""`fmdiag memorization`: are samples copies of training rows? Nearest rows, with both controls."""

import click

from .options import Range, checkpoint_argument, decoder_option, feature_options, method_option, run_options
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
    """Return samples of the session's checkpoint, shape (n, *shape); drawn once where two diagnostics judge them."""
    import torch

    from fmdiag.sampling import draw_noise

    asked = n_samples, n_steps, method
    if asked not in session.drawn:
        generator = torch.Generator().manual_seed(session.options["seed"])
        noise = draw_noise(n_samples, session.training_set.shape, generator=generator)
        session.drawn[asked] = torch.cat(session.group.spread(
            noise, lambda mine: _drawn_in_batches(session, mine, n_steps, method)))
    return session.drawn[asked]


def _drawn_in_batches(session, noise, n_steps, method):
    """Return the samples that the model makes of noises; a finished batch outlives an interruption."""
    import torch

    from fmdiag.sampling import sample

    batches = session.progress(range(0, len(noise), BATCH), "samples")
    return torch.cat([
        session.kept("samples", {"first": k, "n": len(noise), "n_steps": n_steps, "method": method},
                     lambda k=k: sample(session.checkpoint.field, noise[k : k + BATCH], n_steps, method))
        for k in batches])


def run(session, *, samples=None, n_samples=1024, n_steps=100, method="euler", threshold=1 / 3, chosen=DEFAULT):
    """Judge `samples`, or draw them from the session's checkpoint, record the outcome; return samples and table."""
    import torch

    from fmdiag.diagnostics import gallery, memorization
    from fmdiag.diagnostics.null_size import check_held_out
    from fmdiag.diagnostics.sweep import roc, sweep
    from fmdiag.diagnostics.verdict import verdict

    training_set, seed = session.training_set, session.options["seed"]
    check_held_out(training_set)
    features, plan = spaces(session, chosen)
    drawn = samples is None
    samples = draw_samples(session, n_samples, n_steps, method) if drawn else samples
    table = memorization.measure(
        samples, training_set, path=session.path, n_steps=n_steps, feature=features, threshold=threshold,
        plan=plan, memory=session.options["memory"], device=session.device, group=session.group,
        progress=lambda sources: session.progress(sources, "memorization"),
        generator=torch.Generator().manual_seed(seed))
    summary = memorization.summarise(table)
    parameters = {"n_samples": len(samples), "samples": "drawn" if drawn else "given", "n_steps": n_steps,
                  "method": method if drawn else None, "threshold": threshold, **described(features, chosen)}
    session.record("memorization", table, summary, parameters,
                   **memorization.gallery(samples, training_set, table, decoder=session.decoder))
    session.add_table("sweep", sweep(table))
    session.add_table("roc", roc(table))
    points = {"model": samples, "heldout": training_set.unseen}
    session.add_arrays("gallery", gallery.pictures(table, points, training_set, decoder=session.decoder))
    overlap = training_set.overlap
    reason = table.attrs.get("not_judged") or (overlap and overlap.not_judged())
    session.facts |= {"verdict": verdict(summary, not_judged=reason), **({"not_judged": reason} if reason else {})}
    _warn_of_a_small_null(table)
    return samples, table


def _warn_of_a_small_null(table):
    """Say so where few held-out rows make the null, and with it the verdict, weak."""
    import warnings

    from fmdiag.diagnostics import null_size
    from fmdiag.errors import FmdiagWarning

    counts = table.groupby("source")["sample"].nunique()
    said = null_size.warning(counts.get("heldout", 0), counts["model"])
    if said is not None:
        warnings.warn(said, FmdiagWarning, stacklevel=2)
