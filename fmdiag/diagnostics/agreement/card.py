"""Card of the diagnostic agreement."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import FeatureSpaces, Solver
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(FeatureSpaces, Solver):
    """What agreement may be asked."""

    other: str | None = parameter(None, "The second checkpoint.", kind="path", argument=True)
    other_dataset: str | None = parameter(None, "Training set of the second checkpoint.", kind="str", shown="its own",
                                          metavar="NAME|PATH")
    n_samples: int = parameter(256, "Initial noises, the same for both.", minimum=2)


FIGURES = (
    Figure("agreement_distances", "fmdiag.figures.agreement:distances_figure",
           caption="Cumulative shares of noises against the Euclidean distance (model range or feature) between the "
                  "two models' samples from the same noise, from different noises, and from each sample to the "
                  "nearest row of its own training set. {data}.",
           alt="Cumulative distributions of four distances."),
    Figure("agreement_scatter", "fmdiag.figures.agreement:scatter_figure",
           caption="Per noise, the distance between the two samples against the smaller of their distances to the "
                  "training examples; below the dashed line they are nearer to each other. Perfect samplers may lie on "
                  "either side: only nearer_train, beside held-out examples, says something of the training set. "
                  "{data}.",
           alt="Scatter plot of the distance between the samples against that to the training examples."),
    Figure("agreement_pairs", "fmdiag.figures.agreement:pairs_figure",
           caption="Samples of both models from the same noises, a column each, and the nearest row of each one's "
                  "training set. {data}.",
           alt="Pictures of both models' samples and of their nearest training examples."),
    Figure("agreement_pfd", "fmdiag.figures.flow_distance:agreement_figure",
           caption="Probability flow distance between the end points of two maps from the same noises: the two models; "
                   "each model and û* of its own training set; the two û*; and, from different noises, the two models. "
                   "Root mean square Euclidean distance; bars: {interval} over noises. {data}.",
           alt="Probability flow distance between the models, and of each from û*, with intervals.",
           intervals=("pfd",)),
)

CARD = Diagnostic(
    name="agreement",
    title="Agreement of two models",
    short="Do two models turn the same noise into the same sample?",
    question="Do two models turn the same noise into the same sample, and one that is in neither training set?",
    memorization="Each sample lies near a row of its own training set, and the two are as far apart as samples of "
                 "different noises. Near is nearer than to as many held-out examples: nearer_train above 0.",
    generalization="The two samples of one noise are nearer than those of different noises, and no nearer to training "
                   "examples than to as many held-out examples: nearer_train holds 0. Without held-out examples "
                   "nothing is said of the training examples.",
    definition="Euclidean distance and cosine (of deviations from the training examples' mean) between the two samples "
               "from one noise, from different noises, and from each sample to the nearest row of its own training "
               "set. nearer_train: distance to the nearest of as many held-out examples as training examples, less "
               "that to these, its interval clustered by the nearest rows. All of these are of pixels. pfd: root mean "
               "square distance between end points of the same noises, in every --feature.",
    reference="Z. Kadkhodaie, F. Guth, E. P. Simoncelli, S. Mallat 2024; H. Zhang et al. 2024, 2025.",
    parameters=Parameters,
    run="fmdiag.diagnostics.agreement.run:run",
    needs=("map", "second_checkpoint",),
    cost="samples of both models and of their û*",
    figures=FIGURES,
    tables={"agreement": "initial noise", "agreement_pfd": "initial noise, feature and comparison"},
    examples=("fmdiag agreement a.pt b.pt",
              "fmdiag agreement a.pt b.pt --n-samples 1000 --json",),
)
