"""Card of the diagnostic error."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Solver
from fmdiag.diagnostics.parameters import parameter, replaced
from fmdiag.diagnostics.references import PAPER_1


@dataclass(frozen=True)
class Parameters(Solver):
    """What error may be asked."""

    states: tuple = parameter((), "States where the model is compared with û*, joined by commas: train (training "
                              "paths), heldout (paths to held-out examples), model (its own trajectories), closed-form "
                              "(those of û*).", kind="str", many=True, metavar="KIND", shown="all that apply")
    n_pairs: int = parameter(256, "Pairs (x0, x1), and states of every other kind.", minimum=2)
    n_steps: int = replaced(Solver, "n_steps", 50, help="Steps of the trajectories from t = 0 to 1; the times that are "
                            "measured are added.")
    times: tuple | None = parameter(None, "Times in [0, 1), e.g. 0:0.98:50.", kind="times",
                                    shown="0, 0.02 ... 0.98, 0.99")


FIGURES = (
    Figure("error", "fmdiag.figures.error:error_figure",
           caption="Squared error of the network against û* per coordinate and time t, alone (top) and beside the "
                  "conditional variance and the CFM loss (bottom, logarithmic), in squared units of model range: the "
                  "loss is the sum of the other two in expectation. Means over {pairs} pairs (x0, x1) per time; "
                  "bands: {interval}. {data}. As figure 2 (left) of paper [1].",
           alt="Line charts against time t of the squared error, the conditional variance and the CFM loss per "
               "coordinate.",
           intervals=("squared_error", "conditional_variance", "cfm_loss",),
           panel="fmdiag.figures.error:squared_error"),
)

CARD = Diagnostic(
    name="error",
    title="Distance of the network from û*",
    short="Where does the model leave û*? ||u_theta - û*|| per time.",
    question="At which times does the network differ from the closed-form minimiser û*?",
    memorization="A squared error near 0 at every time: the network has learnt û*, which only ends on training rows.",
    generalization="A squared error that is clearly above 0, usually with a bump at early times (near t = 0.15) and "
                   "again near t = 1: there the network cannot follow û*, and its samples leave the training set.",
    definition="Mean over coordinates of (u_θ(x_t, t) - û*(x_t, t))², x1 from the training set. In expectation the "
               "CFM loss is this squared error plus the conditional variance, which no network can avoid.",
    reference=PAPER_1 + ", figure 2.",
    parameters=Parameters,
    run="fmdiag.diagnostics.error.run:run",
    needs=("field",),
    cost="as alignment, and one pass of the network per pair and time",
    figures=FIGURES,
    tables={"error": "pair and time"},
    examples=("fmdiag error ckpt.pt",
              "fmdiag error ckpt.pt --dataset my_images/ --n-pairs 512 --json",),
)
