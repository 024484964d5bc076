"""Options and run of `fmdiag gradient-variance --gaussian`: every coupling under every field between two Gaussians."""

import math

import click


class Floats(click.ParamType):
    """Numbers with commas between them."""

    name = "number,number,..."

    def __init__(self, low=-math.inf, *, above=False):
        self.low, self.above = low, above

    def convert(self, value, parameter, context):
        """Return a tuple of finite floats."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} are not numbers with commas between them, such as 0,0.05", parameter, context)
        good = all(math.isfinite(x) and (x > self.low if self.above else x >= self.low) for x in numbers)
        if not good:
            bound = f"{'above' if self.above else 'at least'} {self.low:g}"
            self.fail(f"{value!r}: every number must be finite and {bound}", parameter, context)
        return numbers


OPTIONS = [
    click.option("--gaussian", is_flag=True, help="No checkpoint: the closed-form fields between N(0, I) and N(mean, "
                 "covariance), every coupling under every field."),
    click.option("--covariance", type=Floats(0, above=True), default=(2.25, 0.25), show_default="2.25,0.25",
                 help="Variances of "
                 "the second Gaussian; their number is the dimension."),
    click.option("--mean", type=Floats(), help="Its mean.  [default: 0]"),
    click.option("--angles", type=Floats(), default=(0.0, 60.0, 120.0), show_default="0,60,120",
                 help="Rotated couplings, in degrees; "
                 "0 is optimal transport."),
    click.option("--sigmas", type=Floats(0), default=(0.0, 0.05), show_default="0,0.05", help="Noises on the path."),
    click.option("--n-gaussian", type=click.IntRange(3), default=5000, show_default=True,
                 help="Samples per cell, beside "
                 "the exact values."),
]


def gaussian_options(command):
    """Add the options of --gaussian."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def run_gaussian(options, mean, covariance, angles, sigmas, n_samples):
    """Measure all cells and record table, exact curves and summary."""
    import numpy as np
    import torch

    from fmdiag.datasets import TrainingSet
    from fmdiag.diagnostics.gradient_variance import gaussian as gaussian_variance
    from fmdiag.errors import FmdiagError

    from .session import Session

    mean = mean or (0.0,) * len(covariance)
    if len(mean) != len(covariance):
        raise FmdiagError(f"--mean has {len(mean)} numbers, --covariance {len(covariance)}: give as many of each")
    law = (torch.tensor(mean, dtype=torch.float64), torch.diag(torch.tensor(covariance, dtype=torch.float64)))
    drawn = np.random.default_rng(0).standard_normal((1000, len(mean))) * np.sqrt(covariance) + mean
    rows = TrainingSet(drawn.astype(np.float32), name="gaussian pair")
    choices = {"angles": angles, "sigmas": sigmas, "noise": options["noise"]}
    with Session("gradient-variance", options, rows=rows) as session:
        table = gaussian_variance.measure(
            *law, **choices, n_samples=n_samples, progress=lambda cells: session.progress(cells, "gradient-variance"),
            generator=torch.Generator().manual_seed(options["seed"]))
        summary = gaussian_variance.summarise(table, *law, **choices)
        session.record("gradient-variance", table, summary, {
            "mean": list(mean), "covariance": list(covariance), "angles": list(angles), "sigmas": list(sigmas),
            "n_samples": n_samples, "noise": options["noise"]})
        session.folder.add_table("gradient-variance-curves", gaussian_variance.curves(*law, **choices))
        session.page = True
