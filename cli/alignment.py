"""`fmdiag alignment`: û* against x1 - x0 over time and dimension (Bertrand et al., figures 1a and 1c)."""

import click

from .options import Numbers, checkpoint_argument, run_options


@click.command()
@checkpoint_argument(required=False)
@click.option("--sizes", metavar="SIDE,SIDE,...",
              help="Image sides to subsample to (every k-th pixel, as in figure 1c).")
@click.option("--n-pairs", type=click.IntRange(2), default=256, show_default=True, help="Pairs (x0, x1).")
@click.option("--times", type=Numbers(), help="Times, e.g. 0.01:0.99:100.  [default: 0.02, 0.04 ... 0.98 "
              "and the six of figure 1a]")
@run_options
def command(checkpoint, sizes, n_pairs, times, **options):
    """Measure the cosine between û* and x1 - x0; no checkpoint needed.

    With CHECKPOINT, its training set and its probability path are measured; its weights play no part.

    \b
    Examples:
      fmdiag alignment --dataset imagenette
      fmdiag alignment --dataset fashion-mnist --times 0.01:0.99:100
      fmdiag alignment --dataset photo-tiles --size 128 --sizes 8,16,32,64,128
    """
    from .session import Session

    sides = read_sides(sizes)
    with Session("alignment", options, checkpoint) as session:
        session.part("alignment", run, n_pairs=n_pairs, times=times, sides=sides)


def run(session, *, n_pairs=256, times=None, sides=None):
    """Measure on the session's training set, at every image side asked for, and record the result."""
    import pandas as pd
    import torch

    from fmdiag.datasets import subsample
    from fmdiag.diagnostics import alignment

    tables = []
    for side in sides or [None]:
        data = session.training_set if side is None else subsample(session.training_set, side)
        label = "alignment" if side is None else f"alignment at {side} px"
        tables.append(alignment.measure(
            data, times=times, n_pairs=n_pairs, path=session.path, memory=session.memory,
            device=session.device, group=session.group,
            progress=lambda times, label=label: session.progress(times, label),
            generator=torch.Generator().manual_seed(session.options["seed"])))
    table = pd.concat(tables, ignore_index=True)
    parameters = {"n_pairs": n_pairs, "n_times": int(table["t"].nunique()), "sides": sides}
    session.record("alignment", table, alignment.summarise(table), parameters)


def read_sides(text):
    """Return the sides as a list of int, or None where none was given."""
    if text is None:
        return None
    try:
        sides = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r}: give whole numbers such as 8,16,32", param_hint="--sizes") from None
    if min(sides) < 1:
        raise click.BadParameter(f"{text!r}: an image side must be at least 1", param_hint="--sizes")
    return sorted(set(sides))
