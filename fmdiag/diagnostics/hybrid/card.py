"""Card of the diagnostic hybrid."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Solver, Spaces
from fmdiag.diagnostics.parameters import parameter
from fmdiag.diagnostics.references import PAPER_1


@dataclass(frozen=True)
class Parameters(Spaces, Solver):
    """What hybrid may be asked."""

    taus: tuple = parameter((), "Time of the change, or LOW:HIGH:COUNT; several may be given.", kind="times", many=True,
                            option="--tau", shown="0:1:11")
    n_samples: int = parameter(256, "Initial noises, the same for every tau.", minimum=2)


FIGURES = (
    Figure("hybrid_distance", "fmdiag.figures.hybrid:distance_figure",
           caption="û* leads on [0, τ], the network on [τ, 1]. Top: Euclidean distance ({feature}) from the sample to "
                  "its nearest training example, mean over {noises} noises (black, dashed) and four single noises. "
                  "Bottom: share of samples with d1/d2 < 1/3; at τ = 1 it is 1 for every network. Bands: {interval}. "
                  "{data}. As figure 3 of paper [1].",
           alt="Line charts against τ of the distance to the nearest training example and of the memorised share.",
           intervals=("distance", "memorized",)),
    Figure("hybrid_strips", "fmdiag.figures.hybrid:strips_figure",
           caption="A row per noise, a column per τ: û* leads until τ, the network after it. Last column (train): the "
                  "training example nearest to the sample of the largest τ. {data}. As the strips of figure 3 of paper "
                  "[1].",
           alt="Grid of samples: a row per noise, a column per τ, and the nearest training example last.",
           points_caption="Samples of a few noises (dots), each joined to its nearest training example (square), a "
                          "panel per τ: û* leads until τ, the network after it. Coordinates in model range. {data}.",
           points_alt="Scatter plots of samples and their nearest training examples, one panel per τ."),
    Figure("hybrid_pfd", "fmdiag.figures.flow_distance:hybrid_figure",
           caption="Probability flow distance between the end points of two maps from the same {noises} noises: the "
                   "model and û* of all training examples; the model and û* of equally many training and held-out "
                   "examples; û* of these two sets; and, from different noises, the model and û*. Root mean square "
                   "Euclidean distance; bars: {interval} over noises, for these examples. {data}.",
           alt="Probability flow distance of the model from û*, beside its anchors, with intervals.",
           intervals=("pfd",)),
)

CARD = Diagnostic(
    name="hybrid",
    title="Hybrid model: û* until τ, then the network",
    short="When is generalisation decided? û* until tau, the model afterwards.",
    question="Up to which time does it matter that the network is not û*: when is generalisation decided?",
    memorization="A distance that is near 0 for every τ, and a memorised share near 1 already at τ = 0: the network "
                 "alone ends on training examples. A share at τ = 0 is read beside that of held-out examples (`fmdiag "
                 "memorization`); at τ > 0 it has no such reference and no reading of its own: û* has led towards a "
                 "training example, and a network that knows none of them arrives there too.",
    generalization="A distance that stays at its value of τ = 0 for small τ and falls as τ grows: the network "
                   "departs from the training set early, and once û* has led past that time it no longer can. At τ = "
                   "1 the distance is 0 by construction.",
    definition="One batch of noises for all τ; û* is integrated on [0, τ], the network on [τ, 1]; distance: "
               "Euclidean, to the nearest training example. pfd: root mean square distance between end points of the "
               "same noises, of the model (τ = 0) and û* (τ = 1), with anchors at equal numbers of examples.",
    reference=PAPER_1 + ", figure 3; H. Zhang et al. 2025 (probability flow distance).",
    parameters=Parameters,
    run="fmdiag.diagnostics.hybrid.run:run",
    needs=("map",),
    cost="one trajectory of û* and one of the network per tau, and two of û* of equal numbers of examples",
    figures=FIGURES,
    tables={"hybrid": "initial noise and tau",
            "hybrid_pfd": "initial noise, feature and comparison (with τ = 0 and 1)"},
    examples=("fmdiag hybrid --tau 0.3 ckpt.pt",
              "fmdiag hybrid --tau 0:1:11 --n-samples 64 ckpt.pt",
              "fmdiag hybrid --feature pixels --feature pca --pca-components 16 ckpt.pt",),
)
