"""fmdiag train: train a flow matching model whose checkpoint every other command reads."""

import click

from .options import ANONYMOUS, SEED, data_options
from .types import Numbers, PoolSize

EXAMPLES = """\b
Examples:
  fmdiag train --dataset digits --out reports/digits
  fmdiag train --dataset fashion-mnist --loss cfm --network unet2d --width 64 --steps 50000 --out reports/fashion
  fmdiag train --dataset fashion-mnist --loss efm --pool-size 512 --out reports/efm
  torchrun --nproc-per-node 2 -m -- fmdiag.cli.main train --dataset digits --out reports/two
  fmdiag train --dataset digits --n 16 --network mlp --steps 10000 --out reports/memorised
  fmdiag train --dataset digits --n 16 --network mlp --monitor 1000 --out reports/watched
  fmdiag train --resume --out reports/fashion              after an interruption, or with a larger --steps
"""


@click.command("train", epilog=EXAMPLES)
@data_options
@ANONYMOUS
@click.option("--loss", metavar="NAME", help="cfm, otcfm, efm (empirical flow matching), noised.  [default: cfm]")
@click.option("--coupling", metavar="NAME", help="How a batch's noise and rows are paired: independent, plan (drawn "
              "from the optimal transport plan), assignment.  [default: plan for otcfm, else independent]")
@click.option("--pool-size", metavar="M", type=PoolSize(), help="Rows per pool of efm, the sample's "
              "own counted; all is û*. The authors' n_samples_mean = k at batch b is M = b + k, because their pools "
              "hold the batch too: their 128 at batch 128 is 256 here.  [default: 128]")
@click.option("--replacement/--no-replacement", default=None, help="Whether efm draws its pools with replacement.  "
              "[default: no]")
@click.option("--sigma", type=float, help="Noise added to x_t by the loss noised.  [default: 0.05]")
@click.option("--noise", type=click.Choice(["constant", "bridge"]), help="Its course: sigma, or "
              "sigma sqrt(t (1 - t)).  [default: constant]")
@click.option("--network", "kind", type=click.Choice(["auto", "mlp", "unet2d"]),
              help="Residual MLP, or diffusers' UNet2DModel.  [default: auto: unet2d for images, mlp for vectors]")
@click.option("--width", type=click.IntRange(1), help="Hidden units of the mlp [512], or channels of the unet2d's "
              "first level [by image size: 32 to 128].")
@click.option("--depth", type=click.IntRange(1), help="Residual blocks of the mlp [4], or per level of the unet2d [2].")
@click.option("--channels", type=Numbers("ints", low=2), help="Channels of each level of the unet2d, in place "
              "of --width.")
@click.option("--no-attention", "attention", flag_value=False, type=bool, default=None,
              help="A unet2d without attention.")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="Dropout of the unet2d.  [default: 0]")
@click.option("--steps", type=click.IntRange(1), help="Training steps in all.  [default: 10000]")
@click.option("--batch-size", type=click.IntRange(1), help="Rows per step.  [default: 128]")
@click.option("--lr", type=float, help="Learning rate of Adam.  [default: 2e-4]")
@click.option("--warmup", type=click.IntRange(0), help="Steps of linear warm-up.  [default: steps / 20, at most 5000]")
@click.option("--clip", type=float, help="Largest norm of the gradient.  [default: 1]")
@click.option("--ema-decay", type=float, help="Decay of the averaged weights; it rises to this value, so that short "
              "runs average their last tenth.  [default: 0.9999]")
@click.option("--path", "path_name", type=click.Choice(["linear", "cosine", "vp"]),
              help="Probability path.  [default: linear]")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]),
              help="auto uses bf16 autocast where it is measured to be faster here.  [default: auto]")
@click.option("--seed", type=SEED, help="Fixes initial weights and every step.  [default: 0]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...")
@click.option("--save-seconds", type=click.FloatRange(0), default=30.0, show_default=True,
              help="Least time between two saves.")
@click.option("--monitor", type=click.IntRange(1), is_flag=False, flag_value=2000, metavar="[N]", help="Look at the "
              "averaged network every N steps: error against û*, gap, copies, membership, in tables/monitor and "
              "figures/monitor.png.  [N: 2000]")
@click.option("--monitor-budget", type=click.FloatRange(0, 100), default=3.0, show_default=True, metavar="PERCENT",
              help="Most of the training's time that looks may take; 0: every look is made, with 64 samples.")
@click.option("--out", type=click.Path(file_okay=False), help="Run folder.  [default: reports/train-DATASET]")
@click.option("--resume", is_flag=True, help="Continue the run in --out, bit for bit as if it had not stopped.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
def command(**options):
    """Train a velocity field on a data set.

    Under torchrun several processes train one model, each on its share of every batch.

    Writes checkpoint.pt, which every fmdiag command reads, and state.pt, from which --resume continues, every half
    minute; tables/loss and run.json beside them.
    """
    from .training_run import run_training

    run_training(**options)
