"""Card of the diagnostic memorization."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Judged, Spaces
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(Spaces, Judged):
    """What memorization may be asked."""

    threshold: float = parameter(1 / 3, "A sample counts as memorised if d1/d2 is below it.", minimum=0, maximum=1,
                                 above=True, shown="1/3")


FIGURES = (
    Figure("memorization_ratio", "fmdiag.figures.memorization:ratio_figure",
           caption="Cumulative share of samples against d1/d2, the ratio of the distances to the nearest and second "
                  "nearest distinct training example (dimensionless, {feature}). Left of the dashed line, {threshold}, "
                  "a sample counts as memorised. {sources}. {data}.",
           alt="Cumulative distributions of d1/d2 for the model's samples, held-out examples and samples of û*."),
    Figure("memorization_rates", "fmdiag.figures.memorization:rates_figure",
           caption="Memorised fraction f_mem, the share of samples with d1/d2 < {threshold}. Whiskers: {interval}. "
                  "{sources}. {data}.",
           alt="Memorised fraction of the model's samples, of held-out examples and of samples of û*, with intervals.",
           intervals=("f_mem",),
           panel="fmdiag.figures.memorization:rates"),
    Figure("memorization_gallery", "fmdiag.figures.memorization:gallery_figure",
           caption="The model's samples with the smallest d1/d2 (upper rows) above their nearest training examples "
                  "(lower rows); d1 in Euclidean units of model range, or of the feature space, r = d1/d2; {feature}. "
                  "{data}.",
           alt="Samples closest to the training set, each above its nearest training example.",
           points_caption="The model's samples with the smallest d1/d2 (dots), each joined to its nearest training "
                          "row (square). Coordinates in model range. {data}.",
           points_alt="Scatter plot of the samples closest to the training set and their nearest training examples."),
    Figure("memorization_sweep", "fmdiag.figures.sweep:sweep_figure",
           caption="Share of samples with d1/d2 below the threshold, at every threshold ({feature}); the dashed line "
                  "is the customary 1/3. Bands: 95 % exact (Clopper-Pearson) intervals. {sources}. {data}.",
           alt="Memorised fraction against the threshold for the model, held-out examples and samples of û*."),
    Figure("memorization_roc", "fmdiag.figures.sweep:roc_figure",
           caption="ROC curves of d1/d2 against held-out examples ({feature}): share of samples below a threshold "
                  "against the share of held-out examples below it. On the diagonal (AUC 1/2) samples look like "
                  "examples never trained on; û* shows what copies reach. AUC with 95 % DeLong intervals. {sources}. "
                  "{data}.",
           alt="ROC curves of the model's samples and of samples of û* against held-out examples.",
           intervals=("auc",)),
)

CARD = Diagnostic(
    name="memorization",
    title="Memorised samples, with controls",
    short="Are samples copies? Nearest training images, with controls.",
    question="Which samples are copies of training examples, and how often would data that the model never saw look "
             "the same?",
    memorization="The model's curve rises left of 1/3 like that of û*, whose samples are copies by construction; its "
                 "f_mem lies above the interval of the held-out examples.",
    generalization="The model's curve follows that of the held-out examples, and the two intervals of f_mem overlap. A "
                   "fraction above 0 is no evidence by itself: in few dimensions fresh data pass the rule too.",
    definition="d1 and d2: Euclidean distances of a sample to its nearest training example and to the nearest row that "
               "is no duplicate of that one; memorised: d1/d2 < 1/3; f_mem: share of memorised samples. No threshold "
               "decides alone. One p-value of two tests, corrected for both: are the examples that samples come near "
               "more often training than held-out ones than chance gives (labels permuted, over all thresholds and "
               "feature spaces at once), and do more samples than held-out examples have d1/d2 below 1/3 or "
               "1/2, in efficientnet-lite0 also 3/4 (Fisher, copies of one training example counted together)? Where "
               "copies are not found, the excess that is excluded at 95 % and the power against exact and noisy copies "
               "are stated. AUC: chance that "
               "a sample has a smaller d1/d2 than a held-out example, 1/2 without memorisation. Copies that are "
               "shifted or flipped are far away in pixels and not seen there: flips are where they count as rows "
               "(--hflip), others in a feature space.",
    reference="T. Yoon et al. 2023; X. Gu et al. 2023; T. Bonnaire et al. 2025.",
    parameters=Parameters,
    run="fmdiag.diagnostics.memorization.run:run",
    needs=("samples",),
    cost="one search for neighbors per sample, and the samples",
    figures=FIGURES,
    tables={"memorization": "sample",
            "memorization_classes": "class of the nearest training example, source and feature; -1 is over classes",
            "sweep": "source and threshold",
            "roc": "point of the ROC curve",
            "copied_files": "training example that memorised samples are copies of, by file, and feature",
            "power": "kind of copies and their share, simulated",
            "steps": "sample, with all and with half the steps",
            "overlap": "held-out example that is nearly a training example and is left out, beside that row",
            "null_checks": "control of the held-out examples: overlap, leave-one-out distances, blind classifier"},
    examples=("fmdiag memorization ckpt.pt",
              "fmdiag memorization --samples generated/ --dataset fashion-mnist",
              "fmdiag memorization --samples x.npy --sample-range 0,1 --dataset images/ --held-out 0.1",
              "fmdiag memorization ckpt.pt --feature pixels --feature dinov2 --feature-weights dinov2=dinov2-base/",),
)
