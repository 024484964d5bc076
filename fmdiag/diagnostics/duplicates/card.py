"""Card of the diagnostic duplicates."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import NEIGHBORS, FeatureSpaces
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(FeatureSpaces):
    """What duplicates may be asked."""

    threshold: float = parameter(1 / 3, "An example is near another if its distance is below this share of that to its "
                                 "k-th nearest.", minimum=0, maximum=1, above=True, shown="1/3")
    neighbor: int = parameter(10, "Which neighbor's distance that is: of larger groups give a larger number.",
                              minimum=2, maximum=1000, group=NEIGHBORS)
    duplicate_tolerance: float = parameter(0.0, "Examples within this distance are near, whatever the k-th nearest "
                                           "one's.", minimum=0, group=NEIGHBORS, shown="the share decides")
    n_examples: int | None = parameter(None, "Training examples whose neighbors are searched, drawn at random; equal "
                                       "ones are found among all.", kind="int", minimum=2, shown="all")


FIGURES = (
    Figure("duplicates_groups", "fmdiag.figures.duplicates:groups_figure",
           caption="The largest groups of equal or near training examples, a line each, at most eight members "
                  "({feature}). Left: size of the group, and which kinds of pairs join it. {data}.",
           alt="Strips of training images, one per group of duplicates."),
    Figure("duplicates_distances", "fmdiag.figures.duplicates:distances_figure",
           caption="Cumulative share of examples against the distance to the nearest training example, as a share of "
                  "that to the tenth nearest (dimensionless, {feature}): training examples among the others, and "
                  "held-out ones. Dashed: the bound below which a pair counts as near. {data}.",
           alt="Cumulative distributions of relative nearest distances of training and held-out examples."),
)

CARD = Diagnostic(
    name="duplicates",
    title="Duplicates in the training set, and leaks",
    short="Duplicates in the training set and leaks from it, by file name.",
    question="Which training examples equal or nearly equal others, and which held-out examples are training examples?",
    memorization="This diagnostic describes the training set, not a model. Duplicated examples are memorised first: a "
                 "model that copies anything copies the largest groups.",
    generalization="Where the training share is that of held-out examples, pairs are what chance or the source itself "
                   "gives; leaks then are chance as well.",
    definition="Exact: equal content, by a hash, of stored rows. Near: the distance is below 1/3 of that to the tenth "
               "nearest other content, or with --duplicate-tolerance at most that; where flips count, mirror images "
               "are compared too. Groups: connected components of these pairs, so that the ends of a chain need not be "
               "near; a group of more near members than ten is found only where chains join it. duplicated: share "
               "with an equal or near training example, of training examples among the others and of held-out ones "
               "(the control); excess: their difference, members of a group counted together. Leaks: held-out examples "
               "that equal or nearly equal a training example.",
    reference="B. Barz & J. Denzler 2020; N. Kandpal et al. 2022; R. Webster et al. 2023; G. Somepalli et al. 2023.",
    parameters=Parameters,
    run="fmdiag.diagnostics.duplicates.run:run",
    applies_if="fmdiag.diagnostics.duplicates.run:applies",
    cost="a product of all examples by all examples",
    figures=FIGURES,
    tables={"duplicates": "training example in a group of equal or near ones, and feature",
            "leaks": "held-out example that equals or nearly equals a training example, and feature",
            "duplicates_nearest": "training or held-out example, and feature"},
    examples=("fmdiag duplicates --dataset fashion-mnist",
              "fmdiag duplicates --dataset photographs/ --held-out 0.1 --hflip",
              "fmdiag duplicates --dataset images/ --size 64 --feature pixels --feature efficientnet-lite0"),
)
