"""Card of the diagnostic pairing."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.parameters import parameter
from fmdiag.diagnostics.references import PAPER_2


@dataclass(frozen=True)
class Parameters:
    """What pairing may be asked."""

    pairs: str | None = parameter(None, "File .npz with arrays x0 and x1 (your own reflow pairs, in model range) to "
                                  "train on as they are.", kind="path")
    crossing: int | None = parameter(None, "The half turn x1 = 5 - x0 in DIM dimensions, whose lines all cross at t = "
                                     "1/2.", kind="int", minimum=1, metavar="DIM")
    n_pairs: int | None = parameter(None, "Pairs.", kind="int", minimum=2, shown="1000, or as many as there are")
    sigmas: tuple = parameter((0.0, 0.05), "Noises on the path, a model each.", kind="floats", minimum=0,
                              shown="0,0.05")
    noise: str = parameter("constant", "sigma at every time, or sigma sqrt(t (1 - t)) with its corrected target.",
                           choices=("constant", "bridge"))
    network: str = parameter("mlp", "As for fmdiag train.", choices=("auto", "mlp", "unet2d"))
    width: int | None = parameter(None, "As for fmdiag train.", kind="int", minimum=1)
    depth: int | None = parameter(None, "As for fmdiag train.", kind="int", minimum=1)
    steps: int = parameter(4000, "Training steps each.", minimum=1)
    batch_size: int = parameter(128, "Pairs per step.", minimum=1)
    lr: float = parameter(1e-3, "Learning rate after warm-up; it falls to 0.", minimum=0, above=True)
    save_seconds: float = parameter(30.0, "Least time between two saves.", minimum=0)
    n_steps: int = parameter(51, "Euler steps; an odd number never starts one where lines of a half turn meet.",
                             minimum=1)
    closed_form: bool = parameter(True, "Integrate the exact minimiser over the pairs too.")


FIGURES = (
        Figure("pairing", "fmdiag.figures.pairing:scatter_figure",
               caption="Distance (Euclidean, model range) from where each training noise ends to the partner it was "
                      "trained on (across) and to its optimal transport partner (up), a point per pair; above the "
                      "diagonal: nearer the memorised one. Columns: noise σ on the path. {data}.",
               alt="Scatter plots of the distance to the memorised partner against that to the optimal transport "
                   "partner."),
        Figure("pairing_cdf", "fmdiag.figures.pairing:cdf_figure",
               caption="Share of training noises that end within a distance of the memorised partner (solid) and of "
                      "the optimal transport partner (dashed), by noise σ on the path and field. {data}.",
               alt="Cumulative distributions of the distances to both partners."),
        Figure("pairing_strips", "fmdiag.figures.pairing:strips_figure",
               caption="One row per training noise: the partner it was trained on, its optimal transport partner, and "
                      "where the fields carry it. {data}.",
               alt="Rows of pictures: memorised partner, optimal transport partner, ends of each field."))

CARD = Diagnostic(
    name="pairing",
    title="Memorised pairings",
    short="Does training on fixed pairs memorise them? With and without noise on the path.",
    question="Does a model that was trained on fixed pairs return each training noise to the partner it was given?",
    memorization="Ends nearer the partner that was trained on than the optimal transport partner. At σ = 0 a field "
                 "of zero loss exists for any finite number of pairs, even where all lines cross, and it does "
                 "exactly this (the exact minimiser).",
    generalization="Ends nearer the optimal transport partner: the model has forgotten which target belonged to "
                   "which noise. Where the exact minimiser at σ > 0 still returns the partners, forgetting is the "
                   "network's doing.",
    definition="Noises and targets are paired by optimal transport, the targets permuted; models are trained on "
               "these pairs with noise σ on the path, and each training noise is integrated by Euler steps. mmd_law: "
               "MMD² of the ends to fresh rows (source targets: that of the memorised targets); mmd_pairs, mmd_ot: "
               "MMD² of (noise, end) to the memorised and to the optimal transport pairs. The paper's figures (σ = "
               "0; σ = .05), other networks and pairs, so that the order, not the size, carries over: mixture d = 3, "
               "MMD to the distribution .0034; .0018, to the pairs 1.758e-6; 3.105e-5; mixture d = 50, .0021; .0020 "
               "and 9.089e-6; 6.09e-5; CelebA-64, 5k permuted pairs, L2 to the OT partner 50.40; 34.25, to the "
               "permuted one 28.57; 55.02; 50k pairs, 46.78; 30.05 and 45.98; 56.48; 5k pairs of a simulated 1-ReFlow, "
               "to OT 43.35; 31.35, to the generated one 8.63; 25.08.",
    reference=PAPER_2,
    figures=FIGURES,
    parameters=Parameters,
    run="fmdiag.diagnostics.pairing.run:run",
    data="fmdiag.diagnostics.pairing.run:data",
    cost="training of a model per noise on the path",
    page=True,
    tables={"pairing": "pair, source and noise on the path"},
    examples=("fmdiag pairing --dataset mixture-3",
              "fmdiag pairing --dataset fashion-mnist --n-pairs 500 --network unet2d --width 32",
              "fmdiag pairing --crossing 2",
              "fmdiag pairing --pairs pairs.npz",
              "fmdiag pairing --from ckpt.pt --n-pairs 5000"),
)
