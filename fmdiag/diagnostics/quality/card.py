"""Card of the diagnostic quality."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import FeatureSpaces, Judged
from fmdiag.diagnostics.parameters import parameter, replaced


@dataclass(frozen=True)
class Parameters(FeatureSpaces, Judged):
    """What quality may be asked."""

    features: tuple = replaced(FeatureSpaces, "features", ("pca",))
    n_samples: int | None = replaced(Judged, "n_samples", None, minimum=7)
    metrics: tuple = parameter(("frechet", "kid", "prdc"), "Metric; may be given several times; others: mifid, "
                               "fld, ct, authpct, carlini, dcr, memorised_fraction.", kind="str", many=True,
                               option="--metric")
    most: int = parameter(10_000, "Examples used of each set.", minimum=7)


FIGURES = (
    Figure("quality", "fmdiag.figures.quality:quality_figure",
           caption="Fréchet distance, KID, precision, recall, density and coverage of the samples ({feature}) against "
                  "training examples and held-out examples; squares: what rows of the true distribution score at the "
                  "same n. A model that copies lies left of the square against train only. Whiskers: {interval}. "
                  "{data}.",
           alt="Quality of the samples against training and held-out examples beside that of a perfect sampler.",
           intervals=()),
)

CARD = Diagnostic(
    name="quality",
    title="Quality of the samples, beside memorisation",
    short="How good are samples? Fréchet distances and kin, beside a perfect sampler's.",
    question="How close is the distribution of the samples to that of the training set, and to that of data never "
             "trained on?",
    memorization="The Fréchet distance and KID to the training set lie below those of held-out examples (the line of a "
                 "perfect sampler), while those to the held-out set do not. Quality alone cannot show it: copies of "
                 "training examples score well on every one of these numbers.",
    generalization="Values to train and to held-out examples agree with those of a perfect sampler at the same n, "
                   "within their intervals.",
    definition="All numbers at equal n: Fréchet distances have a bias of order 1/n, so that a perfect sampler does "
               "not score 0. Against train the perfect sampler is a subset of held-out examples, against held-out a "
               "subset of training examples. Difference: samples less perfect sampler, 0 on average for samples of the "
               "true distribution, and below 0 for the distances of a model that copies. Intervals: jackknife over "
               "samples and reference rows.",
    reference="M. Heusel et al. 2017; M. Bińkowski et al. 2018; T. Kynkäänniemi et al. 2019; M. Naeem et al. 2020; "
              "M. Chong and D. Forsyth 2020.",
    parameters=Parameters,
    run="fmdiag.diagnostics.quality.run:run",
    applies_if="fmdiag.diagnostics.quality.run:applies",
    needs=("samples",),
    cost="features of samples and examples",
    figures=FIGURES,
    tables={"quality": "metric, feature space and source"},
    examples=("fmdiag quality ckpt.pt",
              "fmdiag quality --samples generated/ --dataset fashion-mnist --feature pca --feature pixels",),
)
