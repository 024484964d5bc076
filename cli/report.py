"""`fmdiag report`: every diagnostic that applies to a checkpoint, as one page."""

import click

from .grouped import GroupedCommand, option
from .measuring import opened
from .options import CONVENTION, DATA, DECODER, MISMATCHES, RUN, added


@click.command(cls=GroupedCommand)
@click.argument("checkpoint", required=False, type=click.Path())
@option("Options", "--example", metavar="NAME", help="A bundled model instead of CHECKPOINT: digits, fashion-mnist "
        "(generalises), fashion-mnist-n100 (copies); the last two need the Fashion-MNIST data.  [default: digits]")
@option("Options", "--n-pairs", type=click.IntRange(2), default=256, show_default=True, help="Pairs (x0, x1) per time.")
@option("Options", "--n-samples", type=click.IntRange(2), default=1024, show_default=True, help="Samples judged as "
        "copies.")
@option("Options", "--n-noises", type=click.IntRange(2), default=128, show_default=True, help="Initial noises of the "
        "hybrid model.")
@option("Options", "--n-gradients", type=click.IntRange(2), default=32, show_default=True, help="Pairs of the gradient "
        "variance.")
@option("Options", "--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Solver steps, Euler.")
@option("Options", "--n-images", type=click.IntRange(2), default=128, show_default=True, help="Images of each kind in "
        "the membership test.")
@option("Options", "--without", multiple=True, metavar="NAME", help="Part to leave out, several may be given: a "
        "diagnostic, or attacks.")
def command(checkpoint, example, **options):
    """Measure what applies to a checkpoint, the memorisation audit included; write one page, index.html.

    The audit needs held-out examples; it is written as audit.json too, as by `fmdiag audit`, which takes more images
    and samples that are given. Without CHECKPOINT, the bundled model of the digits is measured, or that of --example.

    \b
    Examples:
      fmdiag report
      fmdiag report --example fashion-mnist-n100
      fmdiag report ckpt.pt --out reports/mine
      fmdiag report ckpt.pt --without gradient-variance --without membership
    """
    from fmdiag.checkpoints import bundled_checkpoint

    if checkpoint is not None and example is not None:
        raise click.UsageError("give a CHECKPOINT or --example, not both")
    own = {name: options.pop(name) for name in OWN}
    with opened("report", checkpoint or bundled_checkpoint(example or "digits"), options) as run:
        run.report(**own)


OWN = ("n_pairs", "n_samples", "n_noises", "n_gradients", "n_steps", "n_images", "without")
added([*DATA, *MISMATCHES, *RUN, DECODER, *CONVENTION], command)
