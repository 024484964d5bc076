"""`fmdiag provenance`: which training rows do samples come from? Posterior weights along trajectories, basins."""

import click

from .memorization import draw_samples
from .options import checkpoint_argument, decoder_option, method_option, run_options


@click.command()
@checkpoint_argument()
@click.option("--sample", "sample_numbers", type=click.IntRange(0), multiple=True, help="Number of a sample to "
              "follow, as `fmdiag memorization` counts them with the same seed; several may be given.  [default: 0 to "
              "7]")
@click.option("--top-rows", type=click.IntRange(1, 12), default=6, show_default=True, help="Training rows named per "
              "trajectory.")
@click.option("--n-noises", type=click.IntRange(2), default=1024, show_default=True, help="Noises whose basins are "
              "compared.")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Steps from t = 0 to 1.")
@method_option()
@decoder_option()
@run_options
def command(checkpoint, sample_numbers, top_rows, n_noises, n_steps, method, **options):
    """Follow the posterior over training rows along samples' trajectories, and compare basins with those of û*.

    Writes tables/provenance (weights along trajectories), basins (the row that each noise leads to), masses (per
    training row) and copied (training images ranked by how often they are copied, with their duplicates).

    \b
    Examples:
      fmdiag provenance ckpt.pt
      fmdiag provenance ckpt.pt --sample 17 --sample 4
    """
    from .session import Session

    with Session("provenance", options, checkpoint) as session:
        session.part("provenance", run, samples=sample_numbers, top_rows=top_rows, n_noises=n_noises, n_steps=n_steps,
                     method=method)


def run(session, *, samples=(), top_rows=6, n_noises=1024, n_steps=100, method="euler", drawn=None, pairs=None):
    """Measure the session's checkpoint and record weights, basins, their masses and the copied rows.

    `drawn` and `pairs`, the model's samples from this seed and their memorization table, spare drawing them again.
    """
    import pandas as pd
    import torch

    from fmdiag.diagnostics import basins, copied, memorization, provenance
    from fmdiag.fields import ClosedFormField
    from fmdiag.sampling import closed_form_samples, draw_noise

    def generator():
        return torch.Generator().manual_seed(session.options["seed"])

    common = {"n_steps": n_steps, "method": method, "path": session.path, "memory": session.memory,
              "device": session.device, "group": session.group}
    field, rows, samples = session.checkpoint.field, session.training_set, list(samples or range(8))
    table = provenance.measure(field, rows, samples=samples, n_rows=top_rows, generator=generator(), **common)
    n_noises = max(n_noises, max(samples) + 1) if drawn is None else len(drawn)
    noise = draw_noise(n_noises, rows.shape, generator=generator())
    if drawn is None:
        drawn = draw_samples(session, n_noises, n_steps, method)
    reached = basins.measure(field, rows, samples=drawn, generator=generator(), **common)
    u_star = ClosedFormField(rows, session.path, memory=session.memory, device=session.device)
    ends = {"model": drawn[samples], "closed_form": closed_form_samples(u_star, noise[samples], n_steps)}
    if pairs is None:
        pairs = memorization.measure(drawn, rows, closed_form=False, device=session.device, group=session.group,
                                     generator=generator())
    session.caution_of(table)
    summary = pd.concat([basins.summarise(reached), provenance.summarise(table)], ignore_index=True)
    ranking = copied.measure(pairs, rows)
    parameters = {"samples": samples, "top_rows": top_rows, "n_noises": len(noise), "n_steps": n_steps,
                  "method": method}
    session.record("provenance", table, summary, parameters,
                   **provenance.pictures(table, ends, rows, decoder=session.decoder),
                   **copied.pictures(ranking, rows, decoder=session.decoder))
    for name, part in {"basins": reached, "masses": basins.masses(reached), "copied": ranking}.items():
        session.add_table(name, part)
