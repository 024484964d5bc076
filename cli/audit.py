"""`fmdiag audit`: the whole memorisation audit of a checkpoint or of samples, as one page and one JSON document."""

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
from .spaces import taken


@click.command()
@checkpoint_argument(required=False)
@click.option("--samples", type=click.Path(), help="Folder of pictures or file of arrays to judge; without CHECKPOINT "
              "the parts that need a velocity field are left out.")
@click.option("--sample-range", type=Range(), metavar="LOW,HIGH", help="Values in --samples that stand for black and "
              "white, e.g. 0,1.  [default: 8-bit pictures, or arrays in model range]")
@click.option("--canaries", type=click.Path(file_okay=False), help="Folder that `fmdiag canaries` wrote and the model "
              "was trained on.")
@click.option("--n-samples", type=click.IntRange(8), help="Samples drawn, or taken from the start of --samples.  "
              "[default: 1024, or all]")
@click.option("--n-images", type=click.IntRange(2), default=256, show_default=True, help="Images of each kind in the "
              "membership test.")
@click.option("--n-noises", type=click.IntRange(1), default=8, show_default=True, help="Noises per image there.")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Steps from t = 0 to 1.")
@method_option()
@scheduler_times_option()
@decoder_option()
@feature_options
@run_options
def command(checkpoint, samples, sample_range, canaries, n_samples, n_images, n_noises, n_steps, method, **options):
    """Audit a model for memorisation: copies among samples, metrics, membership, provenance, canaries.

    Writes audit.json (schema fmdiag-audit/1: verdicts, controls, tests with corrected p-values, definitions, intervals,
    provenance, and what the evidence does not show; --json prints it), tables, figures and index.html. It needs
    held-out rows: two at least, 72 for a null that is known to 5 %.

    \b
    Examples:
      fmdiag audit ckpt.pt
      fmdiag audit ckpt.pt --canaries planted/ --json
      fmdiag audit --samples generated/ --dataset fashion-mnist
    """
    if checkpoint is None and (samples is None or options["dataset"] is None):
        raise click.UsageError("give a CHECKPOINT, or --samples together with the --dataset that was trained on")
    from fmdiag.diagnostics.audit import compose

    from .memorization import load_samples
    from .session import Session

    chosen = taken(options)
    renamed = {"provenance": {"n_noises": "n_samples"}}
    with Session("audit", options, checkpoint, renamed) as session:
        session.page, session.compose = True, compose
        given = None if samples is None else load_samples(session, samples, sample_range)[:n_samples]
        run(session, samples=given, canaries=canaries, n_samples=n_samples or 1024, n_images=n_images,
            n_noises=n_noises, n_steps=n_steps, method=method, chosen=chosen)


def run(session, *, samples, canaries, n_samples, n_images, n_noises, n_steps, method, chosen):
    """Run every part that applies; what each found is composed when the session ends."""
    from functools import partial

    from fmdiag.datasets.canaries import load_canaries
    from fmdiag.diagnostics.null_size import check_held_out
    from fmdiag.results import load_table

    from . import canaries as canaries_part
    from . import membership, memorization, metrics_part, provenance

    # Before anything long: without a null there is no audit, and canaries of another training set are refused.
    check_held_out(session.training_set, required=True)
    planted = None if canaries is None else load_canaries(canaries, session.training_set)
    solver = {"n_steps": n_steps, "method": method}
    session.part("memorization", memorization.run, samples=samples, n_samples=n_samples, chosen=chosen, **solver)
    drawn = memorization.draw_samples(session, n_samples, **solver) if samples is None else samples
    # As it was written, whether now or before an interruption.
    pairs = load_table(session.folder.path, "memorization")
    session.part("metrics", metrics_part.run, samples=drawn, chosen=chosen)
    if planted is not None:
        session.part("canaries", partial(canaries_part.run, planted=planted), samples=drawn, folder=canaries)
    if session.checkpoint is not None:
        session.part("membership", membership.run, n_images=n_images, n_noises=n_noises, **solver)
        if samples is None:
            session.options["sample_numbers"] = closest = _closest(pairs)
            session.part("provenance", provenance.run, samples=closest, drawn=drawn, pairs=pairs, **solver)
        else:
            session.part("provenance", provenance.run, n_noises=n_samples, **solver)


def _closest(pairs, n=8):
    """Return the numbers of the samples of least d1/d2."""
    model = pairs[(pairs["source"] == "model") & (pairs["feature"] == pairs["feature"].iloc[0])]
    return model.sort_values(["ratio", "sample"], kind="stable")["sample"].head(n).astype(int).tolist()
