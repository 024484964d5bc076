"""Options that all studies share."""

import click

from .completion import DataSet
from .options import ANONYMOUS
from .types import Numbers, Range

OPTIONS = [
    click.option("--dataset", type=DataSet(), metavar="NAME|PATH", default="digits", show_default=True,
                 help="Named set, folder of images, or file; it must have a test part."),
    click.option("--held-out", metavar="FRACTION|PATH", help="Held-out rows for sets that bring none."),
    click.option("--groups", metavar="COLUMN|PATTERN|folder:N", help="Rows that belong together, as for fmdiag train."),
    click.option("--size", type=click.IntRange(1), help="Image side that pictures are resized to."),
    click.option("--value-range", type=Range(), metavar="LOW,HIGH", help="Stored values for black and white."),
    click.option("--data-root", type=click.Path(file_okay=False), help="Folder of downloaded data sets."),
    click.option("--offline", is_flag=True, help="Never download."),
    click.option("--orientation", type=click.Choice(["upright", "stored"]), help="Turn pictures by EXIF, or not."),
    click.option("--skip-bad", is_flag=True, help="Skip pictures that cannot be read."),
    click.option("--sizes", metavar="N,N,...", help="Numbers of training examples; all is the whole set."),
    click.option("--losses", metavar="NAME,NAME,...", help="Objectives: cfm, otcfm, otcfm:assignment, efm:128, "
                 "efm:all, efm:128:replacement, noised:0.05. efm:M has M rows per pool; the authors' "
                 "n_samples_mean = k is M = k + batch size."),
    click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Models per size and loss."),
    click.option("--steps", type=click.IntRange(1), default=10_000, show_default=True, help="Training steps each."),
    click.option("--evaluations", type=click.IntRange(1), help="Times along training that samples are judged, "
                 "falling back from the end by --spacing.  [default: 1 for size, 6 for losses, 8 for time]"),
    click.option("--spacing", type=click.FloatRange(1, min_open=True), default=2.0, show_default=True,
                 help="Factor between evaluations."),
    click.option("--network", type=click.Choice(["auto", "mlp", "unet2d"]), default="auto", show_default=True,
                 help="As for fmdiag train."),
    click.option("--width", type=click.IntRange(1), help="As for fmdiag train."),
    click.option("--widths", type=Numbers("ints", low=1), metavar="W,W,...", help="Instead of --width, for size and "
                 "time: a model per size and width; with --channels all levels in proportion, the first being W."),
    click.option("--depth", type=click.IntRange(1), help="As for fmdiag train."),
    click.option("--channels", type=Numbers("ints", low=2), help="As for fmdiag train."),
    click.option("--no-attention", "attention", is_flag=True, flag_value=False, default=True, help="As for fmdiag "
                 "train."),
    click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Of the unet2d."),
    click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True, help="Rows per step."),
    click.option("--lr", type=click.FloatRange(0, min_open=True), default=2e-4, show_default=True,
                 help="Learning rate."),
    click.option("--warmup", type=click.IntRange(0), help="Steps of warm-up.  [default: steps / 20, at most 5000]"),
    click.option("--ema-decay", type=click.FloatRange(0, 1, max_open=True), default=0.9999, show_default=True,
                 help="Decay of the averaged weights, which are the ones measured."),
    click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True,
                 help="Of the network's passes."),
    click.option("--feature", default="auto", show_default=True, metavar="NAME", help="Space of the Fréchet distances: "
                 "classifier (see fmdiag classifier) where the set has one, else pixels."),
    click.option("--trust-code", is_flag=True, help="Run the code of a --feature that is a program (sscd)."),
    click.option("--n-samples", type=click.IntRange(2), default=2000, show_default=True, help="Samples judged."),
    click.option("--n-nearest", type=click.IntRange(1), default=500, show_default=True,
                 help="Of them, compared with the training examples."),
    click.option("--n-steps", type=click.IntRange(1), default=50, show_default=True, help="Euler steps per sample."),
    click.option("--n-pairs", type=click.IntRange(2), default=128, show_default=True, help="Pairs of error curves."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ...; under torchrun "
                 "auto gives each local rank its own."),
    click.option("--out", type=click.Path(file_okay=False), help="Study folder.  [default: "
                 "reports/study-KIND-DATASET]"),
    click.option("--parts", type=click.Path(file_okay=False), help="Folder of parts, which studies may share.  "
                 "[default: OUT/parts]"),
    click.option("--gather", is_flag=True, help="Train nothing: page and tables of the parts that are finished."),
    click.option("--change", is_flag=True, help="Go on in a study folder with other inputs; parts whose own inputs are "
                 "unchanged are kept."),
    click.option("--json", "as_json", is_flag=True, help="Print verdict, headline numbers and, under details, the "
                 "summary as JSON on stdout."),
    click.option("--verbose", is_flag=True, help="Print the whole summary, not the headline numbers alone."),
    ANONYMOUS,
    click.option("--dry-run", is_flag=True, help="Train and write nothing: print what would be trained, and an "
                 "estimate of its time and memory."),
]


def study_options(command):
    """Add the options of every study."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
