"""Card of the diagnostic gradient-variance."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.parameters import parameter
from fmdiag.diagnostics.references import PAPER_2

GAUSSIAN = "Between two Gaussians"


@dataclass(frozen=True)
class Parameters:
    """What gradient-variance may be asked."""

    n_samples: int = parameter(64, "Pairs (x0, x1).", minimum=2)
    times: tuple | None = parameter(None, "Times in (0, 1).", kind="times", shown="0.02, 0.1, 0.2 ... 0.9, 0.98")
    pairing: str = parameter("independent", "How x0 and x1 are coupled; fixed: --pairs; generated: with the model's "
                             "own samples (1-ReFlow).",
                             choices=("independent", "ot", "ot-batch", "rotated", "fixed", "generated"))
    angle: float = parameter(180.0, "Degrees of the rotated coupling.")
    ot_batch: int = parameter(64, "Pairs per transport plan.", minimum=2)
    pairs: str | None = parameter(None, "File .npz with arrays x0 and x1: the fixed pairs; implies --pairing fixed.",
                                  kind="path")
    sigma: float = parameter(0.0, "Noise on the path.")
    noise: str = parameter("constant", "sigma at every time, or sigma sqrt(t (1 - t)) with its corrected target.",
                           choices=("constant", "bridge"))
    target: str = parameter("velocity", "x1 - x0, (x1 - x_t)/(1 - t), or (x0 - x_t)/t.",
                            choices=("velocity", "forward", "backward"))
    points: str = parameter("interpolated", "x_t of the pairs, or of the model's trajectories.",
                            choices=("interpolated", "integrated"))
    layers: tuple = parameter((), "Only parameters of these names, e.g. 'blocks.0.*'; repeatable.", kind="str",
                              many=True, metavar="PATTERN")
    n_steps: int = parameter(51, "Euler steps of trajectories.", minimum=1)
    gaussian: bool = parameter(False, "No checkpoint: the closed-form fields between N(0, I) and N(mean, covariance), "
                               "every coupling under every field.", group=GAUSSIAN)
    covariance: tuple = parameter((2.25, 0.25), "Variances of the second Gaussian; their number is the dimension.",
                                  kind="floats", minimum=0, above=True, shown="2.25,0.25", group=GAUSSIAN)
    mean: tuple | None = parameter(None, "Its mean.", kind="floats", shown="0", group=GAUSSIAN)
    angles: tuple = parameter((0.0, 60.0, 120.0), "Rotated couplings, in degrees; 0 is optimal transport.",
                              kind="floats", shown="0,60,120", group=GAUSSIAN)
    sigmas: tuple = parameter((0.0, 0.05), "Noises on the path.", kind="floats", minimum=0, shown="0,0.05",
                              group=GAUSSIAN)
    n_gaussian: int = parameter(5000, "Samples per cell, beside the exact values.", minimum=3, group=GAUSSIAN)


FIGURES = (
    Figure("gradient-variance", "fmdiag.figures.gradient_variance:variance_figure",
           caption="Trace of the covariance of the per-sample gradient of the loss (summed over coordinates) with "
                  "respect to the parameters (top), and the same over the squared norm of the mean gradient (bottom, "
                  "where that can be told from 0), against time t. Bands: {interval}. {data}.",
           alt="Line charts of the gradient variance against time t, raw and relative.",
           intervals=("variance", "relative_variance",)),
    Figure("gradient-variance_curves", "fmdiag.figures.gradient_variance:curves_figure",
           caption="Exact trace of the covariance of the per-sample gradient against time t between N(0, I) and a "
                  "Gaussian, one panel per field and noise (the field without noise), one curve per coupling; "
                  "logarithmic. Curves at 0, a coupling under its own field, lie below the panel. {data}.",
           alt="Line charts of the exact gradient variance against time t, a panel per field and noise."),
    Figure("gradient-variance_table", "fmdiag.figures.gradient_variance:table_figure",
           caption="Trace of the covariance of the per-sample gradient, t uniform in [0, 1]: coupling of the pairs "
                  "(columns) under field (rows), one panel per noise on the path and noise of the field; exact. "
                  "{data}.",
           alt="Tables of gradient variances, couplings against fields."),
)

CARD = Diagnostic(
    name="gradient-variance",
    title="Gradient variance",
    short="Do the gradients of single samples disagree? Their variance over time.",
    question="How much do the gradients of single samples disagree, and at which times?",
    memorization="On its own pairs, a variance near 0 at every time: the model fits each pair exactly and "
                 "integrating it returns them. Noise on the path raises it.",
    generalization="A variance well above 0: the model averages over pairs that pass the same point, or is asked "
                   "about pairs that are not its own. The forward target peaks at t = 1, the backward one at t = 0. "
                   "Crossing lines alone do not raise it: a coupling under its own field has variance 0.",
    definition="E‖g‖² - ‖E g‖² of g = ∇ ‖target - v(x_t, t)‖² (summed over coordinates) with respect to the "
               "parameters, without bias from independent samples; relative: over the unbiased estimate of ‖E g‖². "
               "Intervals: jackknife.",
    reference=PAPER_2,
    parameters=Parameters,
    run="fmdiag.diagnostics.gradient_variance.run:run",
    data="fmdiag.diagnostics.gradient_variance.run:data",
    applies_if="fmdiag.diagnostics.gradient_variance.run:applies",
    needs=("gradients",),
    page=True,
    cost="one backward pass per pair and time",
    figures=FIGURES,
    tables={"gradient-variance": "pair and time",
            "gradient-variance-curves": "coupling, noise on the path and time, of Gaussians"},
    examples=("fmdiag gradient-variance ckpt.pt",
              "fmdiag gradient-variance ckpt.pt --target forward --sigma 0.05 --points integrated",
              "fmdiag gradient-variance ckpt.pt --pairs pairs.npz --layers 'blocks.*'",
              "fmdiag gradient-variance --gaussian",
              "fmdiag gradient-variance --gaussian --covariance 4,1,0.25 --angles 0,90,180 --sigmas 0,0.1",),
)
