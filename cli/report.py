"""`fmdiag report`: every diagnostic that applies to a checkpoint, as one page."""

import click

from .options import checkpoint_argument, decoder_option, run_options, scheduler_times_option


@click.command()
@checkpoint_argument(required=False)
@click.option("--n-pairs", type=click.IntRange(2), default=256, show_default=True, help="Pairs (x0, x1) per time.")
@click.option("--n-samples", type=click.IntRange(2), default=1024, show_default=True, help="Samples judged as copies.")
@click.option("--n-noises", type=click.IntRange(2), default=256, show_default=True, help="Noises of the hybrid model.")
@click.option("--n-gradients", type=click.IntRange(2), default=32, show_default=True, help="Pairs of the gradient "
              "variance.")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Solver steps, Euler.")
@scheduler_times_option()
@decoder_option()
@run_options
def command(checkpoint, n_pairs, n_samples, n_noises, n_gradients, n_steps, **options):
    """Measure alignment, error, hybrid, memorization, quality and gradient variance; write one page, index.html.

    Without CHECKPOINT, the bundled model of the digits is measured.

    \b
    Examples:
      fmdiag report
      fmdiag report ckpt.pt --out reports/mine
    """
    from fmdiag.checkpoints import bundled_checkpoint
    from fmdiag.diagnostics.null_size import check_held_out

    from . import alignment, error, gradient_variance, hybrid, memorization, quality
    from .session import Session

    renamed = {"hybrid": {"n_samples": "n_noises"}, "gradient-variance": {"n_samples": "n_gradients"}}
    with Session("report", options, checkpoint or bundled_checkpoint(), renamed) as session:
        check_held_out(session.training_set)
        session.part("alignment", alignment.run, n_pairs=n_pairs)
        session.part("error", error.run, n_pairs=n_pairs)
        session.part("hybrid", hybrid.run, n_samples=n_noises, n_steps=n_steps)
        session.part("memorization", memorization.run, n_samples=n_samples, n_steps=n_steps)
        if quality.applies(session, n_samples):
            session.part("quality", quality.run, n_samples=n_samples, n_steps=n_steps)
        if gradient_variance.applies(session):
            session.part("gradient-variance", gradient_variance.run, n_samples=n_gradients)
        session.page = True
