"""Card of the diagnostic alignment."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.parameters import parameter
from fmdiag.diagnostics.references import PAPER_1


@dataclass(frozen=True)
class Parameters:
    """What alignment may be asked."""

    sizes: tuple | None = parameter(None, "Image sides to subsample to (every k-th pixel, as in figure 1c).",
                                    kind="ints", minimum=1, metavar="SIDE,SIDE,...")
    n_pairs: int = parameter(256, "Pairs (x0, x1).", minimum=2)
    n_fresh: int = parameter(128, "Fresh noise paths, to held-out examples, for the collapse time.", minimum=2)
    times: tuple | None = parameter(None, "Times, e.g. 0.01:0.99:100.", kind="times",
                                    shown="0.02, 0.04 ... 0.98 and the six of figure 1a")


FIGURES = (
    Figure("alignment_histograms", "fmdiag.figures.alignment:histograms_figure",
           caption="Cosine between û*(x_t, t) and x1 - x0 (dimensionless), as a histogram over {pairs} pairs per "
                  "time; bars are shares of the pairs, dashed: cosine 0.9. {data}. As figure 1a of paper [1].",
           alt="Histograms of the cosine between û* and x1 - x0, one panel per time."),
    Figure("alignment_share", "fmdiag.figures.alignment:share_figure",
           caption="Share of {pairs} pairs (x0, x1) whose cosine between û*(x_t, t) and x1 - x0 exceeds 0.9, against "
                  "time t (0 is noise, 1 is data). Triangles: collapse, where fewer than two training examples "
                  "count on fresh noise paths, and the speciation time of the data's top eigenvalue. Bands: "
                  "{interval}. {data}. As figure 1c of paper [1].",
           alt="Line chart of the share of pairs with cosine above 0.9 against time t.",
           intervals=("share_above_0.9",)),
    Figure("alignment_posterior", "fmdiag.figures.alignment:posterior_figure",
           caption="Posterior over training examples given x_t, mean over {pairs} pairs against time t; all four are "
                  "dimensionless. Dashed with the effective sample size: its geometric mean on fresh noise paths, "
                  "which lead to held-out examples; triangle: where that falls below 2. Bands: {interval}. {data}.",
           alt="Line charts against time t of the source row's weight, largest weight, effective sample size and "
               "entropy.",
           intervals=("source_weight", "max_weight", "ess", "entropy",)),
)

CARD = Diagnostic(
    name="alignment",
    title="Alignment of û* with x1 - x0",
    short="Is û* stochastic? Its alignment with x1 - x0 over time and dimension.",
    question="From which time on does the closed-form minimiser û* point at one training example instead of averaging "
             "over many?",
    memorization="This diagnostic describes the training set, not a model. Where the source weight and the share are "
                 "1, û* heads for one training example: a model that equals û* there reproduces the row.",
    generalization="Where the source weight is near 0, û* averages over many examples, and following it exactly copies "
                   "nothing. The earlier the rise, the less of a model's generalisation can come from the noise of "
                   "its regression target. The share alone can be high near t = 0, where û* is mean(data) - x and "
                   "the cosine depends on the data's scale.",
    definition="cos(û*(x_t, t), x1 - x0) over pairs x0 ~ N(0, I), x1 from the training set, x_t = (1-t) x0 + t x1; "
               "source weight: the posterior weight of the x1 that made x_t; effective sample size: 1 / Σ λ_i². "
               "collapse_time_fresh: the first t at which its geometric mean falls below 2 on fresh paths x_t = t z + "
               "(1-t) x0 with z held out (without held-out examples: with the training examples equal to z left out); "
               "stage_boundary: the first t at which the median of the largest weight exceeds 0.9. "
               "collapse_time_predicted is a formula for isotropic data, kept for comparison.",
    reference=PAPER_1 + ", figures 1a and 1c; speciation and collapse: G. Biroli et al. 2024; stages: Liu et al. "
              "2025, arXiv 2512.02826.",
    parameters=Parameters,
    run="fmdiag.diagnostics.alignment.run:run",
    cost="two products of pairs, and of fresh paths, by training examples, whatever the number of times",
    figures=FIGURES,
    tables={"alignment": "pair and time (and image size)", "alignment_fresh": "fresh noise path and time"},
    examples=("fmdiag alignment --dataset imagenette",
              "fmdiag alignment --dataset fashion-mnist --times 0.01:0.99:100",
              "fmdiag alignment --dataset photo-tiles --size 128 --sizes 8,16,32,64,128",),
)
