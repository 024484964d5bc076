"""Card of the diagnostic uturn."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import FeatureSpaces, Solver
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(FeatureSpaces, Solver):
    """What uturn may be asked."""

    times: tuple | None = parameter(None, "Times in [0, 1) from which is turned back, e.g. 0:0.95:20.", kind="times",
                                    shown="0, 0.05 ... 0.95")
    n_starts: int = parameter(64, "Starts of each kind, training and held-out examples.", minimum=2)


FIGURES = (
    Figure("uturn_returned", "fmdiag.figures.uturn:returned_figure",
           caption="Share of starts that U-turns from time t return to (top) and share that keeps its class (bottom, "
                   "where classes are known), for the model, û* and the Wiener field (columns): training examples and "
                   "held-out ones, the same noises. Bands: {interval}. {pairs} pairs of starts, {feature}. {data}.",
           alt="Line charts against t of the share of U-turns that return and that keep the class, for training and "
               "held-out starts, a column per field.",
           intervals=("returned", "same_class"), panel="fmdiag.figures.uturn:returned"),
    Figure("uturn_difference", "fmdiag.figures.uturn:difference_figure",
           caption="Share of training starts that return minus that of held-out starts, against t. Model: band for all "
                   "times together, 95 %, from exchanges within pairs (Westfall and Young 1993); where it lies above 0 "
                   "the field knows its training examples. û* and the Wiener field were made from the training "
                   "examples: controls, without band. {pairs} pairs of starts, {feature}. {data}.",
           alt="Line chart of the difference in return of training and held-out starts against t.",
           intervals=("returned_difference",), panel="fmdiag.figures.uturn:difference"),
    Figure("uturn_strips", "fmdiag.figures.uturn:strips_figure",
           caption="U-turns of the model: a row per start, the first half training examples and the second held-out "
                   "ones; first column the start, then the end of the U-turn from each time t. Members of a pair share "
                   "their noise. {data}.",
           alt="Grid of pictures: a row per start, first the start and then the ends of U-turns from times t."),
)

CARD = Diagnostic(
    name="uturn",
    title="U-turns: what returns when examples are noised and carried back?",
    short="Noise to t and back: which examples return, training ones longer than held-out ones?",
    question="From which noise does the field still return to an example, and does it return to training examples "
             "longer than to held-out ones?",
    memorization="Training starts return from earlier times than held-out ones: the band of the difference of the "
                 "shares lies above 0 at some times. û* shows the extreme, where held-out starts never return. The "
                 "field knows its training examples at those times, whether or not its samples get there.",
    generalization="Training and held-out starts return alike at all times: late ones because little noise hides "
                   "little, early ones not at all. Only the difference says something of the training examples. A "
                   "small training set makes even the Wiener field return to it more often: its directions of "
                   "variance are those of the examples.",
    definition="x_t on the path of an example and a noise, integrated from t to 1. returned: the end is nearer to the "
               "start than to any other example of a pool that all starts share: training examples of which no start "
               "is in the group, all training and all held-out starts; the other start of the same noise is left out; "
               "a start whose content recurs has returned where an equal example is nearest. same_class: by the "
               "classifier of the data set where there is one, else by the label of the nearest of the start and the "
               "pool. Pairs of one training and one held-out start share their noise and could be exchanged if the "
               "field did not know which of them was trained on: difference_p is the exact one-sided p-value of the "
               "largest difference over the times under exchanges. return_time: from which t on half of the starts "
               "return. window_low, window_high: from which t on 10 % and 90 % keep their class, the critical window.",
    reference="Behjoo and Chertkov 2023, arXiv 2308.07421; Sclocchi, Favero and Wyart 2024, arXiv 2402.16991; critical "
              "windows: Li and Chen 2024, arXiv 2403.01633.",
    parameters=Parameters,
    run="fmdiag.diagnostics.uturn.run:run",
    needs=("states",),
    cost="passes of the network: starts x times x steps, about half",
    figures=FIGURES,
    tables={"uturn": "start, field and time"},
    examples=("fmdiag uturn ckpt.pt",
              "fmdiag uturn ckpt.pt --times 0.3:0.8:6 --n-starts 200",
              "fmdiag uturn ckpt.pt --feature pixels --feature pca",),
)
