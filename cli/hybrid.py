"""`fmdiag hybrid`: û* until tau, then the model (Bertrand et al., figure 3)."""

import click

from .options import Numbers, checkpoint_argument, decoder_option, feature_options, method_option, run_options
from .spaces import DEFAULT, described, spaces, taken


@click.command()
@checkpoint_argument()
@click.option("--tau", "taus", type=Numbers(), multiple=True, help="Time of the change, or LOW:HIGH:COUNT; several "
              "may be given.  [default: 0:1:11]")
@click.option("--n-samples", type=click.IntRange(2), default=256, show_default=True, help="Noises, the same per tau.")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Steps from t = 0 to 1.")
@method_option()
@decoder_option()
@feature_options
@run_options
def command(checkpoint, taus, n_samples, n_steps, method, **options):
    """Follow û* until tau and the model afterwards: when is it too late to generalise?

    \b
    Examples:
      fmdiag hybrid --tau 0.3 ckpt.pt
      fmdiag hybrid --tau 0:1:11 --n-samples 64 ckpt.pt
      fmdiag hybrid --feature pixels --feature pca --pca-components 16 ckpt.pt
    """
    from .session import Session

    chosen = taken(options)
    taus = sorted({tau for grid in taus for tau in grid}) or None
    with Session("hybrid", options, checkpoint) as session:
        session.part("hybrid", run, taus=taus, n_samples=n_samples, n_steps=n_steps, method=method, chosen=chosen)


def run(session, *, taus=None, n_samples=256, n_steps=100, method="euler", chosen=DEFAULT):
    """Measure the session's checkpoint on its training set and record the result with its strips."""
    import torch

    from fmdiag.diagnostics import hybrid

    features, plan = spaces(session, chosen)
    samples = hybrid.sample_hybrids(
        session.checkpoint.field, session.training_set, taus=taus, n_samples=n_samples, n_steps=n_steps, method=method,
        path=session.path, memory=session.memory, device=session.device, group=session.group,
        progress=lambda taus: session.progress(taus, "hybrid"),
        keep=lambda name, compute: session.kept("hybrid samples", {"of": name, "taus": taus, "n_samples": n_samples,
                                                "n_steps": n_steps, "method": method}, compute),
        generator=torch.Generator().manual_seed(session.options["seed"]))
    table = hybrid.tabulate(samples, session.training_set, feature=features, plan=plan, device=session.device,
                            group=session.group)
    session.caution_of(table)
    parameters = {"taus": list(samples), "n_samples": n_samples, "n_steps": n_steps, "method": method,
                  **described(features, chosen)}
    session.record("hybrid", table, hybrid.summarise(table), parameters,
                   **hybrid.pictures(samples, table, session.training_set, decoder=session.decoder))
