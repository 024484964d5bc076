"""`fmdiag agreement`: do two models turn the same noise into the same sample? (Kadkhodaie et al. 2024)."""

import click

from fmdiag.files.places import shown_path

from .options import checkpoint_argument, decoder_option, method_option, run_options


@click.command()
@checkpoint_argument()
@click.argument("other", type=click.Path())
@click.option("--other-dataset", metavar="NAME|PATH", help="Training set of the second checkpoint.  [default: its own]")
@click.option("--n-samples", type=click.IntRange(2), default=256, show_default=True, help="Noises, the same for both.")
@click.option("--n-steps", type=click.IntRange(1), default=100, show_default=True, help="Steps from t = 0 to 1.")
@method_option()
@decoder_option()
@run_options
def command(checkpoint, other, other_dataset, n_samples, n_steps, method, **options):
    """Compare the samples of CHECKPOINT and OTHER from the same noises with each other and with their training rows.

    For models trained on disjoint halves of one set, or on the same set with different architectures. Options about the
    reading of a checkpoint and of a data set hold for the first; the second is read as its file says.

    \b
    Examples:
      fmdiag agreement a.pt b.pt
      fmdiag agreement a.pt b.pt --n-samples 1000 --json
    """
    from .session import Session

    with Session("agreement", options, checkpoint) as session:
        run(session, other, other_dataset, n_samples=n_samples, n_steps=n_steps, method=method)


def run(session, other, other_dataset, *, n_samples, n_steps, method):
    """Measure both checkpoints and record table, pictures and verdict."""
    import torch

    from fmdiag.checkpoints import load_checkpoint
    from fmdiag.diagnostics import agreement

    from .session_outputs import typed_command

    second = load_checkpoint(other, device=session.device, trust_code=session.options["trust_code"])
    rows = second.training_set(other_dataset, data_root=session.options["data_root"],
                               allow_mismatch=session.options["allow_mismatch"],
                               accept_reading=session.options["accept_reading"])
    sets, fields = (session.training_set, rows), (session.checkpoint.field, second.field)
    samples = agreement.draw(fields, sets, n_samples=n_samples, n_steps=n_steps, method=method, group=session.group,
                             generator=torch.Generator().manual_seed(session.options["seed"]))
    for text in second.description.get("warnings") or ():
        session.caution(f"{text} ({shown_path(other)})")
    table = agreement.compare(samples, sets, device=session.device)
    session.caution_of(table)
    summary = agreement.summarise(table)
    parameters = {"other": shown_path(other), "other_sha256": second.sha256, "other_dataset": rows.describe(),
                  "n_samples": n_samples, "n_steps": n_steps, "method": method, "feature": "pixels"}
    session.record("agreement", table, summary, parameters,
                   **agreement.pictures(samples, table, sets, decoder=session.decoder))
    if session.speaks:
        session.parameters["agreement"]["command"] = typed_command()
        session.facts["verdict"] = agreement.verdict(summary)
