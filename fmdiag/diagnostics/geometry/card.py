"""Card of the diagnostic geometry."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Solver
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(Solver):
    """What geometry may be asked."""

    n_images: int = parameter(64, "Training examples, held-out examples and samples, of each.", minimum=2)
    times: tuple | None = parameter(None, "Times in [0, 1), e.g. 0.5:0.95:10.", kind="times",
                                    shown="0.3, 0.5, 0.7, 0.9, 0.95")
    n_probes: int = parameter(16, "Random vectors per point, where there are more than 128 coordinates.", minimum=2)
    reference: str | None = parameter(None, "Checkpoint whose maps stand beside the model's, an earlier one for "
                                      "instance.", kind="path", shown="û* of held-out examples")


FIGURES = (
    Figure("geometry_dimension", "fmdiag.figures.geometry:dimension_figure",
           caption="Local intrinsic dimension (LID) at training examples, held-out examples and samples against time "
                   "t: of the model (left) and of û* of the training set at the same points (right), medians. Bands: "
                   "{interval}. Up to {pairs} points of each kind. {data}. After Kamkari et al. 2024.",
           alt="Line charts of the local intrinsic dimension against t per kind of point, for model and û*.",
           intervals=("lid", "lid_closed_form")),
    Figure("geometry_difference", "fmdiag.figures.geometry:difference_figure",
           caption="LID of the model at training examples minus that at held-out ones, against time t: mean over "
                   "pairs, with a 95 % band for all times together from random signs of the pairs. Where it lies "
                   "below 0 the field knows its training examples. {data}.",
           alt="Line chart of the difference in local intrinsic dimension of training and held-out examples.",
           intervals=("lid_difference",), panel="fmdiag.figures.geometry:difference"),
    Figure("geometry_maps", "fmdiag.figures.geometry:maps_figure",
           caption="Where the posterior mean is fixed: a row per example or sample, then the nearest training example, "
                   "and over the picture the diagonal of dD/dx of the model, of û*, and of the reference minus the "
                   "model at one time t; mean over channels. Shown are the first training and held-out examples, and "
                   "the samples of least dimension at the last time. {data}. After Kim and Lee 2026.",
           alt="Pictures with maps over them: derivative of the posterior mean per pixel, for model, û* and the "
               "difference to a reference."),
)

CARD = Diagnostic(
    name="geometry",
    title="Geometry: which directions and which pixels are free?",
    short="Local dimension at training, held-out examples and samples; maps of where samples are fixed.",
    question="How many directions does the field leave free at an example, fewer at training examples than at held-out "
             "ones, and where in the picture does it leave none?",
    memorization="The dimension is lower at training examples than at held-out ones: the band of the difference lies "
                 "below 0 at some times. û* shows the extreme: 0 at its training examples, and late on without bound "
                 "at all others. On the maps a copy is where the model's derivative has gone while that of held-out "
                 "examples has not.",
    generalization="Dimensions and maps are alike at training and held-out examples. Samples may have a lower "
                   "dimension than held-out examples without being copies: smooth pictures have it too.",
    definition="LID = α tr dD(αx, t) + (α²/σ²) ||D(αx, t) - x||², with D the posterior mean; the trace exactly up to "
               "128 coordinates, else by Rademacher probes, with their standard error. Of û*: (α²/σ²) (tr Cov + ||D* -"
               " x||²) over the posterior of the training examples, and as a reference over that of as many held-out "
               "ones, a held-out example itself left out. That of û* is never below 0, as its derivative is a "
               "variance; a network's may be below 0, for training and held-out examples alike (Fashion-MNIST, t = .5:"
               " -130 and -120 of 784 coordinates with n = 60 000, -170 and -50 with n = 100, where û* has 0 and 120),"
               " so that only differences say something. Pairs of one training and one held-out example could be "
               "exchanged if the field did not know which of them was trained on: lid_p is the one-sided p-value of "
               "the largest studentized mean difference over the times under random signs. Map: diagonal of dD/dx; of "
               "û* (α/σ²) times the posterior variance of each pixel. flat_share: share of coordinates at which it is "
               "less than at 95 % of held-out examples.",
    reference="H. Kamkari et al. 2024, arXiv 2406.03537; B. L. Ross et al. 2024, arXiv 2411.00113; Kim and Lee 2026, "
              "arXiv 2605.26756.",
    parameters=Parameters,
    run="fmdiag.diagnostics.geometry.run:run",
    needs=("field", "points", "unguided"),
    cost="Jacobian-vector products: points x times x probes, or coordinates where these are few",
    figures=FIGURES,
    tables={"geometry": "example or sample, and time"},
    examples=("fmdiag geometry ckpt.pt",
              "fmdiag geometry ckpt.pt --times 0.5:0.95:10 --n-images 256",
              "fmdiag geometry ckpt.pt --reference ckpt-early.pt"),
)
