"""Card of the diagnostic symmetry."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Solver
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(Solver):
    """What symmetry may be asked."""

    n_noises: int = parameter(8, "Trajectories from random noise, beside the one from the centre of the noise.",
                              minimum=2)
    times: tuple | None = parameter(None, "Times in [0, 1), e.g. 0.05:0.95:19.", kind="times",
                                    shown="0.05, 0.1 ... 0.95, 0.98")


FIGURES = (
    Figure("symmetry", "fmdiag.figures.symmetry:symmetry_figure",
           caption="Top eigenvalue of dD/dx, the response of the posterior mean to its input (dimensionless), against "
                   "time t (0 is noise, 1 is data): of the model, of û* at the model's states, and of û* on its own "
                   "trajectory. Top: the trajectory from the centre of the noise; bottom: medians over trajectories "
                   "from random noise, bands: {interval}. Dashed: 1. The axis ends at 4: between two training examples "
                   "the eigenvalue of û* grows without bound. {data}. "
                   "After Raya and Ambrogioni 2023.",
           alt="Line charts of the top eigenvalue of the posterior mean's Jacobian against time, for model and û*.",
           intervals=("eigenvalue",)),
)

CARD = Diagnostic(
    name="symmetry",
    title="Symmetry breaking: the response of the posterior mean",
    short="When is a sample decided? Top eigenvalue of dD/dx of model and û*.",
    question="When does a trajectory commit to one of several outcomes, and does the model's posterior mean stop "
             "responding to its input, as that of û* does?",
    memorization="The eigenvalue comes down with that of û* at the same states, which reaches 0 once one training "
                 "example has all the weight. A network that returns its training examples need not follow it all the "
                 "way: one trained on 16 digits keeps 0.65 at t = 0.9.",
    generalization="It stays near 1 until the end, while that of û* falls: the model's posterior mean goes on moving "
                   "along directions in which data vary. A breaking time describes the data as much as the model.",
    definition="Eigenvalue of dD/dx = I + (1-t) dv/dx (linear path) with the largest real part, by power iteration "
               "with Jacobian-vector products; of û* (α/σ²) times the posterior covariance of the training examples. "
               "breaking_time: the first t at which α times it passes 1, where log p_t has a direction of positive "
               "curvature at the state.",
    reference="G. Raya and L. Ambrogioni 2023; Z. Kadkhodaie et al. 2024.",
    parameters=Parameters,
    run="fmdiag.diagnostics.symmetry.run:run",
    needs=("field", "points", "unguided"),
    cost="about 40 Jacobian-vector products per trajectory and time, and the rows with weight of û*",
    figures=FIGURES,
    tables={"symmetry": "trajectory, time, field and kind of states"},
    examples=("fmdiag symmetry ckpt.pt",
              "fmdiag symmetry ckpt.pt --times 0.1:0.9:9 --n-noises 4",),
)
