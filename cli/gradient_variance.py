"""`fmdiag gradient-variance`: trace of the per-sample gradient covariance over time (Reu et al., arXiv 2510.18118)."""

import click

from .gaussian_options import gaussian_options
from .options import Numbers, checkpoint_argument, run_options


@click.command()
@checkpoint_argument(required=False)
@click.option("--n-samples", type=click.IntRange(2), default=64, show_default=True, help="Pairs (x0, x1).")
@click.option("--times", type=Numbers(), help="Times in (0, 1).  [default: 0.02, 0.1, 0.2 ... 0.9, 0.98]")
@click.option("--pairing", type=click.Choice(["independent", "ot", "ot-batch", "rotated", "fixed", "generated"]),
              default="independent", show_default=True,
              help="How x0 and x1 are coupled; fixed: --pairs; generated: with "
              "the model's own samples (1-ReFlow).")
@click.option("--angle", type=float, default=180.0, show_default=True, help="Degrees of the rotated coupling.")
@click.option("--ot-batch", type=click.IntRange(2), default=64, show_default=True, help="Pairs per transport plan.")
@click.option("--pairs", type=click.Path(), help="File .npz with arrays x0 and x1: the fixed pairs; implies --pairing "
              "fixed.")
@click.option("--sigma", type=float, default=0.0, show_default=True, help="Noise on the path.")
@click.option("--noise", type=click.Choice(["constant", "bridge"]), default="constant", show_default=True,
              help="sigma at every time, or sigma sqrt(t (1 - t)) with its corrected target.")
@click.option("--target", type=click.Choice(["velocity", "forward", "backward"]), default="velocity", show_default=True,
              help="x1 - x0, (x1 - x_t)/(1 - t), or (x0 - x_t)/t.")
@click.option("--points", type=click.Choice(["interpolated", "integrated"]), default="interpolated", show_default=True,
              help="x_t of the pairs, or of the model's trajectories.")
@click.option("--layers", multiple=True, metavar="PATTERN", help="Only parameters of these names, e.g. 'blocks.0.*'; "
              "repeatable.")
@click.option("--n-steps", type=click.IntRange(1), default=51, show_default=True, help="Euler steps of trajectories.")
@gaussian_options
@run_options
def command(checkpoint, gaussian, mean, covariance, angles, sigmas, n_gaussian, **options):
    """Measure how much the gradients of single samples disagree, per time, raw and over the mean gradient.

    \b
    Examples:
      fmdiag gradient-variance ckpt.pt
      fmdiag gradient-variance ckpt.pt --target forward --sigma 0.05 --points integrated
      fmdiag gradient-variance ckpt.pt --pairs pairs.npz --layers 'blocks.*'
      fmdiag gradient-variance --gaussian
      fmdiag gradient-variance --gaussian --covariance 4,1,0.25 --angles 0,90,180 --sigmas 0,0.1
    """
    if gaussian:
        from .gaussian_options import run_gaussian

        if checkpoint is not None:
            raise click.UsageError("--gaussian needs no CHECKPOINT: leave one of them out")
        return run_gaussian(options, mean, covariance, angles, sigmas, n_gaussian)
    if checkpoint is None:
        raise click.UsageError("give a CHECKPOINT, or --gaussian for the closed-form fields between Gaussians")
    from .session import Session

    own = ("n_samples", "times", "pairing", "angle", "ot_batch", "pairs", "sigma", "noise", "target", "points",
           "layers", "n_steps")
    choices = {name: options.pop(name) for name in own}
    check(choices)
    with Session("gradient-variance", options, checkpoint) as session:
        session.part("gradient-variance", run, **choices)
        session.page = True


def check(choices):
    """Refuse values that no data could make right, before anything is loaded."""
    from fmdiag.training.interpolants import Interpolant

    interpolant = Interpolant(choices["sigma"], choices["noise"])
    if choices["times"] is not None:
        interpolant.check_times(choices["times"], choices["target"])
    if choices["pairing"] == "fixed" and choices["pairs"] is None:
        raise click.UsageError("--pairing fixed needs --pairs FILE, an .npz with arrays x0 and x1")


def applies(session):
    """Return whether the session's field is that of a network with parameters that gradients reach."""
    import torch

    from fmdiag.diagnostics.gradient_variance import measure as gradient_variance
    from fmdiag.diagnostics.gradient_variance.per_sample import NoGradient

    field = session.checkpoint.field
    module = getattr(field, "module", None)
    if module is None or not any(p.is_floating_point() for p in module.parameters()):
        return False
    try:
        gradient_variance.measure(field, session.training_set, times=[0.5], n_samples=2, method="loop",
                                  generator=torch.Generator().manual_seed(0))
    except NoGradient:
        return False
    return True


def run(session, *, n_samples=64, times=None, pairing="independent", angle=180.0, ot_batch=64, pairs=None, sigma=0.0,
        noise="constant", target="velocity", points="interpolated", layers=(), n_steps=51):
    """Measure the session's checkpoint and record the result."""
    import torch

    from fmdiag.diagnostics.gradient_variance import measure as gradient_variance
    from fmdiag.diagnostics.gradient_variance.couplings import load_pairs

    fixed = None if pairs is None else load_pairs(pairs, session.training_set.shape)
    table = gradient_variance.measure(
        session.checkpoint.field, session.training_set, coupling=pairing if fixed is None else "fixed", sigma=sigma,
        noise=noise, target=target, points=points, times=times, n_samples=n_samples, layers=layers, angle=angle,
        batch=ot_batch, pairs=fixed, n_steps=n_steps,
        progress=lambda times: session.progress(times, "gradient-variance"),
        generator=torch.Generator().manual_seed(session.options["seed"]))
    parameters = {"n_samples": int(table["sample"].nunique()), "n_parameters": int(table["n_parameters"].iloc[0]),
                  "coupling": table["coupling"].iloc[0], "sigma": sigma, "noise": noise, "target": target,
                  "points": points, "layers": list(layers) or None, "n_times": int(table["t"].nunique())}
    session.record("gradient-variance", table, gradient_variance.summarise(table), parameters)
