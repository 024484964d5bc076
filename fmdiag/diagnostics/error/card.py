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
    Figure("error_states", "fmdiag.figures.error_states:error_states_figure",
           caption="Where samples go. Top: squared error of the network against û* per coordinate and time t "
                   "(logarithmic) at states on training paths, on paths to held-out examples, on the model's own "
                   "trajectories and on those of û*, {pairs} of each from the same initial noise. Below: distance to "
                   "the nearest training example in units of the noise, min |x - αX|/(σ√d), shaded: the central 99 % "
                   "of further training paths; and the loss at held-out states minus that at training states, its band "
                   "holding at all times together. Other bands: {interval}. {data}.",
           alt="Line charts against time t of the squared error at each kind of states, of the distance to the nearest "
               "training example, and of the gap of the loss.",
           intervals=("squared_error", "shell"),
           panel="fmdiag.figures.error_states:shells"),
)

CARD = Diagnostic(
    name="error",
    title="Distance of the network from û*",
    short="Where does the model leave û*? ||u_theta - û*|| per time.",
    question="At which times does the network differ from the closed-form minimiser û*?",
    memorization="A squared error near 0 at every time: the network has learnt û*, which only ends on training "
                 "examples. Its own trajectories stay in the band of training paths longer than held-out paths do, and "
                 "the loss at held-out states is above that at training states: a gap whose band lies above 0.",
    generalization="A squared error that is clearly above 0, usually with a bump at early times (near t = 0.15) and "
                   "again near t = 1: there the network cannot follow û*, and its samples leave the training set. Its "
                   "trajectories leave the band of training paths when held-out paths do. A gap of the loss may be "
                   "there all the same: the network knows its training examples, but its samples are elsewhere.",
    definition="Mean over coordinates of (u_θ(x_t, t) - û*(x_t, t))² at states x_t of four kinds: on paths to training "
               "examples, on paths to held-out examples, on the model's own trajectories and on those of û*, from the "
               "same initial noise. In expectation the CFM loss on training paths is this squared error plus the "
               "conditional variance, which no network can avoid. shell: min_i |x_t - αX_i|/(σ√d); inside: share of "
               "states in the central 99 % of it on 2000 further training paths (1000 from 60 000 examples on), up to "
               "t = 0.9; leaves: the first time at which less than half of them are inside, its interval from exact "
               "intervals of the shares at all times together. gap: loss of the held-out example minus that of the "
               "training example in whose place it stands, same noise, per training example; gap_auc: its AUC; gap_p: "
               "one-sided p-value of the largest gap over all times when both examples change places.",
    reference=PAPER_1 + ", figure 2; states off the training paths: Song et al., arXiv 2510.01378; the gap per "
              "time: Kollmann and Kaiser, arXiv 2603.13419.",
    parameters=Parameters,
    run="fmdiag.diagnostics.error.run:run",
    needs=("field",),
    cost="alignment, one pass of the network per state and time, and a pass over the training examples per time for "
         "each kind of states off their paths",
    figures=FIGURES,
    tables={"error": "state and time",
            "error_classes": "class of the training example, quantity and t, on training paths; -1 is over classes"},
    examples=("fmdiag error ckpt.pt",
              "fmdiag error ckpt.pt --states train,heldout",
              "fmdiag error ckpt.pt --dataset my_images/ --n-pairs 512 --json",),
)
