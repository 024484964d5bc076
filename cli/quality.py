"""`fmdiag quality`: Fréchet distances, KID, precision and recall of samples, beside those of a perfect sampler."""

import click

from .memorization import draw_samples, load_samples
from .options import Range, checkpoint_argument, method_option, run_options, scheduler_times_option, space_options
from .spaces import DEFAULT, described, spaces, taken

PRINCIPAL = {**DEFAULT, "features": ("pca",)}


@click.command()
@checkpoint_argument(required=False)
@click.option("--samples", type=click.Path(), help="Folder of pictures or file of arrays to judge instead of drawing "
              "samples from CHECKPOINT.")
@click.option("--sample-range", type=Range(), metavar="LOW,HIGH",
              help="Values in --samples that stand for black and white, e.g. 0,1.  [default: 8-bit pictures, or "
              "arrays in model range]")
@click.option("--n-samples", type=click.IntRange(7), help="Samples drawn, or taken from the start of --samples.  "
              "[default: 1024, or all]")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Steps from t = 0 to 1.")
@method_option()
@scheduler_times_option()
@click.option("--metric", "metrics", multiple=True, default=("frechet", "kid", "prdc"), show_default=True,
              help="Metric; may be given several times; others: mifid, fld, ct, authpct, carlini, dcr, "
              "memorised_fraction.")
@click.option("--most", type=click.IntRange(7), default=10_000, show_default=True, help="Rows used of each set.")
@space_options("pca")
@run_options
def command(checkpoint, samples, sample_range, n_samples, n_steps, method, metrics, most, **options):
    """Compare samples with the training set and with held-out rows, at what a perfect sampler would score.

    \b
    Examples:
      fmdiag quality ckpt.pt
      fmdiag quality --samples generated/ --dataset fashion-mnist --feature pca --feature pixels
    """
    if checkpoint is None and (samples is None or options["dataset"] is None):
        raise click.UsageError("give a CHECKPOINT, or --samples together with the --dataset that was trained on")
    from .session import Session

    chosen = taken(options)
    with Session("quality", options, checkpoint) as session:
        given = None if samples is None else load_samples(session, samples, sample_range)[:n_samples]
        session.part("quality", run, samples=given, n_samples=n_samples or 1024, n_steps=n_steps,
                     method=method, chosen=chosen, metrics=metrics, most=most)


def applies(session, n_samples):
    """Return whether there are more samples, training rows and held-out rows than principal components."""
    from fmdiag.features.pca import N_COMPONENTS

    held_out = session.training_set.unseen
    return min(n_samples, session.training_set.n, *([] if held_out is None else [held_out.n])) > N_COMPONENTS


def run(session, *, samples=None, n_samples=1024, n_steps=100, method="euler", chosen=PRINCIPAL,
        metrics=("frechet", "kid", "prdc"), most=10_000):
    """Judge `samples`, or draw them from the session's checkpoint, and record the result."""
    import torch

    from fmdiag.diagnostics import quality
    from fmdiag.errors import check_choice
    from fmdiag.metrics import METRICS

    for name in metrics:
        check_choice("metric", name, METRICS)
    drawn, seed = samples is None, session.options["seed"]
    features, _ = spaces(session, chosen)
    samples = draw_samples(session, n_samples, n_steps, method) if drawn else samples
    table = quality.measure(samples, session.training_set, features=features, metrics=metrics, most=most,
                            device=session.device, progress=lambda names: session.progress(names, "quality"),
                            generator=torch.Generator().manual_seed(seed))
    if not drawn:
        session.caution_of(table)
    parameters = {"n_samples": len(samples), "samples": "drawn" if drawn else "given", "n_steps": n_steps,
                  "method": method if drawn else None, "features": described(features, chosen)["features"],
                  "metrics": list(metrics), "most": most}
    session.record("quality", table, quality.summarise(table), parameters)
