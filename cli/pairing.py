"""`fmdiag pairing`: does a model return the partners that it was trained on? (Reu et al., arXiv 2510.18118)."""

import click

from .gaussian_options import Floats
from .options import convention_options, run_options

COMMON = """Training is kept in OUT.training/ until the run is complete: interrupted, even by kill -9, the same command
goes on where it stopped, bit for bit."""


@click.command(epilog=COMMON)
@click.option("--pairs", type=click.Path(),
              help="File .npz with arrays x0 and x1 (your own reflow pairs, in model range) "
              "to train on as they are.")
@click.option("--from", "source", metavar="CKPT", help="Train on noises paired with this checkpoint's own samples "
              "(1-ReFlow).")
@click.option("--crossing", type=click.IntRange(1), metavar="DIM", help="The half turn x1 = 5 - x0 in DIM dimensions, "
              "whose lines all cross at t = 1/2.")
@click.option("--n-pairs", type=click.IntRange(2), help="Pairs.  [default: 1000, or as many as there are]")
@click.option("--sigmas", type=Floats(0), default=(0.0, 0.05), show_default="0,0.05",
              help="Noises on the path, a model each.")
@click.option("--noise", type=click.Choice(["constant", "bridge"]), default="constant", show_default=True,
              help="sigma at every time, or sigma sqrt(t (1 - t)) with its corrected target.")
@click.option("--network", "kind", type=click.Choice(["auto", "mlp", "unet2d"]), default="mlp", show_default=True,
              help="As for fmdiag train.")
@click.option("--width", type=click.IntRange(1), help="As for fmdiag train.")
@click.option("--depth", type=click.IntRange(1), help="As for fmdiag train.")
@click.option("--steps", type=click.IntRange(1), default=4000, show_default=True, help="Training steps each.")
@click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True, help="Pairs per step.")
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True,
              help="Learning rate after "
              "warm-up; it falls to 0.")
@click.option("--save-seconds", type=click.FloatRange(0), default=30.0, show_default=True,
              help="Least time between two "
              "saves.")
@click.option("--n-steps", type=click.IntRange(1), default=51, show_default=True,
              help="Euler steps; an odd number never "
              "starts one where lines of a half turn meet.")
@click.option("--closed-form/--no-closed-form", default=True, show_default=True,
              help="Integrate the exact minimiser over "
              "the pairs too.")
@convention_options
@click.option("--allow-mismatch", is_flag=True, help="Accept rows other than those the checkpoint was trained on.")
@run_options
def command(**options):
    """Train on fixed, permuted pairs with and without noise on the path, and integrate the training noises.

    \b
    Examples:
      fmdiag pairing --dataset mixture-3
      fmdiag pairing --dataset fashion-mnist --n-pairs 500 --network unet2d --width 32
      fmdiag pairing --crossing 2
      fmdiag pairing --pairs pairs.npz
      fmdiag pairing --from ckpt.pt --n-pairs 5000
    """
    given = [name for name in ("pairs", "source", "crossing") if options[name] is not None]
    if len(given) > 1 or (given and given[0] != "source" and options["dataset"] is not None):
        raise click.UsageError("give one of --dataset, --pairs, --from and --crossing")
    from .pairing_run import run_pairing

    run_pairing(options)
