"""`fmdiag memorization`: are samples copies of training rows? Nearest rows, with both controls."""

import click

from .options import Range, checkpoint_argument, decoder_option, method_option, run_options


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
@click.option("--feature", default="pixels", show_default=True, help="Space of the distances.")
@decoder_option()
@run_options
def command(checkpoint, samples, sample_range, n_samples, n_steps, method, threshold, feature, **options):
    """Compare samples with the training set, beside held-out rows (the null) and samples of û* (all copies).

    \b
    Examples:
      fmdiag memorization ckpt.pt
      fmdiag memorization --samples generated/ --dataset fashion-mnist
      fmdiag memorization --samples x.npy --sample-range 0,1 --dataset images/ --held-out 0.1
    """
    if checkpoint is None and (samples is None or options["dataset"] is None):
        raise click.UsageError("give a CHECKPOINT, or --samples together with the --dataset that was trained on")
    from .session import Session

    with Session("memorization", options, checkpoint) as session:
        given = None if samples is None else load_samples(samples, sample_range, options)[:n_samples]
        run(session, samples=given, n_samples=n_samples or 1024, n_steps=n_steps, method=method, threshold=threshold,
            feature=feature)


def load_samples(source, sample_range, options):
    """Return the samples in a folder or file, in model range, shape (n, *shape)."""
    from pathlib import Path

    from fmdiag.datasets import load_dataset

    samples = load_dataset(Path(source), size=options["size"], skip_bad=options["skip_bad"],
                           value_range=sample_range)
    return samples[:]


def draw_samples(session, n_samples, n_steps, method):
    """Return samples of the session's checkpoint, shape (n, *shape); drawn once where two diagnostics judge them."""
    import torch

    from fmdiag.sampling import draw_noise, sample

    asked = n_samples, n_steps, method
    if asked not in session.drawn:
        generator = torch.Generator().manual_seed(session.options["seed"])
        noise = draw_noise(n_samples, session.training_set.shape, generator=generator)
        session.drawn[asked] = torch.cat(session.group.spread(
            noise, lambda mine: sample(session.checkpoint.field, mine, n_steps, method)))
    return session.drawn[asked]


def run(session, *, samples=None, n_samples=1024, n_steps=100, method="euler", threshold=1 / 3, feature="pixels"):
    """Judge `samples`, or draw them from the session's checkpoint, record the outcome; return samples and table."""
    import torch

    from fmdiag.diagnostics import memorization
    from fmdiag.diagnostics.sweep import roc, sweep
    from fmdiag.diagnostics.verdict import verdict

    training_set, seed = session.training_set, session.options["seed"]
    drawn = samples is None
    samples = draw_samples(session, n_samples, n_steps, method) if drawn else samples
    table = memorization.measure(
        samples, training_set, path=session.path, n_steps=n_steps, feature=feature, threshold=threshold,
        memory=session.options["memory"], device=session.device, group=session.group,
        progress=lambda sources: session.progress(sources, "memorization"),
        generator=torch.Generator().manual_seed(seed))
    summary = memorization.summarise(table)
    parameters = {"n_samples": len(samples), "samples": "drawn" if drawn else "given", "n_steps": n_steps,
                  "method": method if drawn else None, "threshold": threshold, "feature": feature}
    session.record("memorization", table, summary, parameters,
                   **memorization.gallery(samples, training_set, table, decoder=session.decoder))
    session.add_table("sweep", sweep(table))
    session.add_table("roc", roc(table))
    session.facts["verdict"] = verdict(summary)
    return samples, table
