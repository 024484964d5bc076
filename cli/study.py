"""`fmdiag study`: paper [1]'s experiments that need models trained for them, as resumable folders of parts."""

import click

from .pairing import command as pairing
from .study_options import study_options

COMMON = """A study is a folder of finished parts. Interrupted, even by kill -9, the same command goes on where it
stopped; several processes, or ranks under torchrun, may run it together."""


@click.group("study", epilog=COMMON)
def command():
    """Train a series of models, measure each, and draw what changes along the series.

    \b
    Examples:
      fmdiag study size --dataset fashion-mnist --sizes 10,100,1000,10000,all
      fmdiag study losses --dataset fashion-mnist --losses cfm,otcfm,efm:128
      fmdiag study pairing --crossing 32
    """


@command.command("size")
@study_options
def size(**options):
    """Grow the training set: when does the same network stop memorising? (Bertrand et al., figure 2)

    \b
    Examples:
      fmdiag study size --dataset fashion-mnist --sizes 10,100,1000,10000,all --seeds 3
      fmdiag study size --dataset digits --network mlp --sizes 10,100,all --steps 4000 --lr 1e-3
    """
    from .study_run import run_study

    run_study("size", **options)


@command.command("losses")
@study_options
def losses(**options):
    """Compare objectives at one size: does a less stochastic target help or hurt? (Bertrand et al., figure 4, app. C)

    \b
    Examples:
      fmdiag study losses --dataset fashion-mnist --losses cfm,otcfm,efm:128,efm:512
      fmdiag study losses --dataset digits --network mlp --losses cfm,efm:all --steps 4000
    """
    from .study_run import run_study

    run_study("losses", **options)


@command.command("time")
@study_options
def time(**options):
    """Follow training: when do samples become good (tau_gen), when copies (tau_mem)? (Bonnaire et al. 2025)

    \b
    Examples:
      fmdiag study time --dataset fashion-mnist --sizes 100,1000,10000 --evaluations 10
      fmdiag study time --dataset digits --network mlp --sizes 16,64,256 --steps 8000 --lr 1e-3
    """
    from .study_run import run_study

    run_study("time", **options)


command.add_command(pairing)
