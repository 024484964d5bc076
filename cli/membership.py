"""`fmdiag membership`: does the velocity field know its training images? Against held-out ones, per time."""

import click

from .options import Numbers, checkpoint_argument, method_option, run_options


@click.command()
@checkpoint_argument()
@click.option("--n-images", type=click.IntRange(2), default=256, show_default=True, help="Images of each kind: "
              "training, held-out.")
@click.option("--n-noises", type=click.IntRange(1), default=8, show_default=True, help="Noises per image and time.")
@click.option("--times", type=Numbers(), help="Times in [0, 1).  [default: 0.05, 0.1, 0.2 ... 0.9, 0.95]")
@click.option("--n-paths", type=click.IntRange(2), default=256, show_default=True, help="Samples whose path's kinetic "
              "energy is measured.")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Steps of these paths.")
@method_option()
@run_options
def command(checkpoint, n_images, n_noises, times, n_paths, n_steps, method, **options):
    """Test whether the velocity field fits its training images better than held-out ones of the same law.

    Losses and distances to û* per time with membership-inference ROC and AUC, excess alignment with the training set's
    û* over a held-out set's, and kinetic energy of the samples' paths.

    \b
    Examples:
      fmdiag membership ckpt.pt
      fmdiag membership ckpt.pt --held-out test_images/ --n-images 512
    """
    from .session import Session

    with Session("membership", options, checkpoint) as session:
        session.part("membership", run, n_images=n_images, n_noises=n_noises, times=times, n_paths=n_paths,
                     n_steps=n_steps, method=method)


def run(session, *, n_images=256, n_noises=8, times=None, n_paths=256, n_steps=100, method="euler"):
    """Measure the session's checkpoint; tables membership, excess and energy, summarised together."""
    import pandas as pd
    import torch

    from fmdiag.diagnostics import energy, excess, membership

    common = {"path": session.path, "memory": session.memory, "device": session.device,
              "group": session.group}
    shown = {"progress": lambda times: session.progress(times, "membership"), "times": times, "n_images": n_images}

    def generator():
        return torch.Generator().manual_seed(session.options["seed"])

    field, rows = session.checkpoint.field, session.training_set
    table = membership.measure(field, rows, n_noises=n_noises, generator=generator(), **shown, **common)
    further = {"excess": excess.measure(field, rows, n_noises=n_noises, generator=generator(), **shown, **common),
               "energy": energy.measure(field, rows, n_samples=n_paths, n_steps=n_steps, method=method,
                                        generator=generator(), **common)}
    session.caution_of(further["energy"])
    parameters = {"n_images": int(table["pair"].nunique()), "n_noises": n_noises, "n_times": int(table["t"].nunique()),
                  "n_paths": n_paths, "n_steps": n_steps, "method": method}
    summary = pd.concat([membership.summarise(table), excess.summarise(further["excess"]),
                         energy.summarise(further["energy"])], ignore_index=True)
    session.record("membership", table, summary, parameters, **membership.curves(table))
    for name, part in further.items():
        session.add_table(name, part)
