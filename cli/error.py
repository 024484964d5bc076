"""`fmdiag error`: ||u_theta - û*|| per time (Bertrand et al., figure 2, left)."""

import click

from .options import Numbers, checkpoint_argument, run_options


@click.command()
@checkpoint_argument()
@click.option("--n-pairs", type=click.IntRange(2), default=256, show_default=True, help="Pairs (x0, x1).")
@click.option("--times", type=Numbers(), help="Times in [0, 1), e.g. 0:0.98:50.  [default: 0, 0.02 ... 0.98, 0.99]")
@run_options
def command(checkpoint, n_pairs, times, **options):
    """Measure where along time a model leaves û*, beside the conditional variance and its CFM loss.

    \b
    Examples:
      fmdiag error ckpt.pt
      fmdiag error ckpt.pt --dataset my_images/ --n-pairs 512 --json
    """
    from .session import Session

    with Session("error", options, checkpoint) as session:
        session.part("error", run, n_pairs=n_pairs, times=times)


def run(session, *, n_pairs=256, times=None):
    """Measure the session's checkpoint on its training set and record the result."""
    import torch

    from fmdiag.diagnostics import error

    table = error.measure(
        session.checkpoint.field, session.training_set, times=times, n_pairs=n_pairs, path=session.path,
        memory=session.memory, device=session.device, group=session.group,
        progress=lambda times: session.progress(times, "error"),
        generator=torch.Generator().manual_seed(session.options["seed"]))
    _check_heads(session)
    parameters = {"n_pairs": n_pairs, "n_times": int(table["t"].nunique())}
    session.record("error", table, error.summarise(table), parameters)


def _check_heads(session):
    """Say how much an assumed number of attention heads matters, once the reading is settled; warn of a better one."""
    import warnings

    import torch

    from fmdiag.checkpoints import other_heads
    from fmdiag.diagnostics import heads
    from fmdiag.errors import FmdiagWarning

    if not (session.checkpoint.description.get("reading") or {}).get("settled", True):
        return  # under a wrong reading, losses say nothing about heads
    others = other_heads(session.load_checkpoint, session.checkpoint, heads.CANDIDATES)
    if not others:
        return
    found = heads.losses({"assumed": session.checkpoint.field, **others}, session.training_set, path=session.path,
                         generator=torch.Generator().manual_seed(session.options["seed"]))
    text, wrong = heads.sentence(found)
    session.facts["heads"] = text
    if wrong:
        session.checkpoint.description["warnings"].append(f"assumed-heads: {text}")
        warnings.warn(f"assumed-heads: {text}", FmdiagWarning, stacklevel=2)
