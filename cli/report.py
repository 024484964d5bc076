"""`fmdiag report`: every diagnostic that applies to a checkpoint, as one page."""

import click

from .grouped import GroupedCommand, option
from .measuring import opened
from .options import CONVENTION, DATA, DECODER, MISMATCHES, RUN, added


@click.command(cls=GroupedCommand)
@click.argument("checkpoint", required=False, type=click.Path())
@option("Options", "--n-pairs", type=click.IntRange(2), default=256, show_default=True, help="Pairs (x0, x1) per time.")
@option("Options", "--n-samples", type=click.IntRange(2), default=1024, show_default=True, help="Samples judged as "
        "copies.")
@option("Options", "--n-noises", type=click.IntRange(2), default=256, show_default=True, help="Initial noises of the "
        "hybrid model.")
@option("Options", "--n-gradients", type=click.IntRange(2), default=32, show_default=True, help="Pairs of the gradient "
        "variance.")
@option("Options", "--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Solver steps, Euler.")
def command(checkpoint, n_pairs, n_samples, n_noises, n_gradients, n_steps, **options):
    """Measure alignment, error, hybrid, memorization, quality and gradient variance; write one page, index.html.

    Without CHECKPOINT, the bundled model of the digits is measured.

    \b
    Examples:
      fmdiag report
      fmdiag report ckpt.pt --out reports/mine
    """
    from fmdiag.checkpoints import bundled_checkpoint

    with opened("report", checkpoint or bundled_checkpoint(), options) as run:
        run.report(n_pairs=n_pairs, n_samples=n_samples, n_noises=n_noises, n_gradients=n_gradients, n_steps=n_steps)


added([*DATA, *MISMATCHES, *RUN, DECODER, *CONVENTION], command)
