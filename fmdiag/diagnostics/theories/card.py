"""Card of the diagnostic theories."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Solver
from fmdiag.diagnostics.parameters import parameter, replaced


@dataclass(frozen=True)
class Parameters(Solver):
    """What theories may be asked."""

    theories: tuple = parameter((), "Closed form to compare with, several may be given; û* is always there.",
                                kind="str", many=True, option="--theory", metavar="NAME",
                                shown="all that apply but els, which is slow")
    n_pairs: int = parameter(32, "Initial noises, the same for every kind of state.", minimum=2)
    n_calibration: int = parameter(10, "Further initial noises, on which patch sizes are chosen.", minimum=1)
    times: tuple | None = parameter(None, "Times in (0, 1), e.g. 0.1:0.9:9.", kind="times",
                                    shown="0.05, 0.15 ... 0.95")
    patch_sizes: tuple | None = parameter(None, "Odd patch sizes instead of chosen ones: one, or one for each time.",
                                          kind="ints", minimum=1, metavar="K,K,...", shown="chosen by the model")
    n_steps: int = replaced(Solver, "n_steps", 20)


FIGURES = (
    Figure("theories_explained", "fmdiag.figures.theories:explained_figure",
           caption="Share of the network's squared distance from û* that a closed form explains, 1 - E||u_θ - u_T||² / "
                   "E||u_θ - û*||², per theory and time t, a panel per kind of state; below 0 the theory is farther "
                   "from the network than û* is. Below: the denominator. Means over {pairs} initial noises. {data}.",
           alt="Heat strips of theories against time, a panel per kind of state.",
           intervals=("explained",)),
    Figure("theories_samples", "fmdiag.figures.theories:samples_figure",
           caption="Samples from the same initial noises, a column each: of the network, of û* and of every theory, in "
                   "steps on one grid of times. Beside each name the median r² with the network's samples. {data}.",
           alt="Grid of samples: a row for the network and for each theory, a column per initial noise."),
    Figure("theories_patch_sizes", "fmdiag.figures.theories:patch_sizes_figure",
           caption="Patch size k(t), as a share of the image's side, of the largest cosine with the network: median "
                   "over initial noises, none of which is evaluated (bands: exact 95 % intervals of the median). "
                   "Grey: published sizes for networks of Fashion-MNIST (Kamb and Ganguli, arXiv 2412.20292, chosen by "
                   "the cosine of scores). {data}.",
           alt="Patch sizes against time t, with the published ones."),
)

CARD = Diagnostic(
    name="theories",
    title="Closed forms beside the network",
    short="Which closed-form theory explains the model, at which times?",
    question="Which closed-form field, û* or one of those that know only moments or patches of the data, is the "
             "network nearest to, and at which times?",
    memorization="û* is nearest, or not told apart from the nearest, at nearly every time on the model's own "
                 "trajectories, and theories fitted on training examples are nearer to the network than the same ones "
                 "fitted on as many held-out examples: train_preference above 0.",
    generalization="Other closed forms explain a large share of the network's distance from û*, most at late times, "
                   "and it makes no difference which of the two they are fitted on: train_preference holds 0.",
    definition="explained: 1 - E||u_θ - u_T||² / E||u_θ - û*||², a ratio of means at one time, Fieller's interval; "
               "optimum_error is its denominator. r2: 1 - SS_res / SS_tot with SS_tot about the mean over coordinates "
               "of the network's own velocity (or sample), median; squared_correlation: Pearson's, squared. lead: 1 - "
               "the ratio of the nearest theory's squared error to that of the runner-up, intervals simultaneous over "
               "all pairs of theories and times; where it holds 0, which theory is nearest is undecided, and "
               "theories_nearest has the candidates. train_preference: (E_heldout - E_train) / (E_heldout + E_train) "
               "of fits on equally many examples, at states that belong to neither.",
    reference="M. Kamb, S. Ganguli, arXiv 2412.20292; M. Niedoba et al., arXiv 2411.19339; A. Lukoianov et al., arXiv "
              "2509.09672; B. Wang, J. Vastola, arXiv 2412.09726; C. Scarvelis et al., arXiv 2310.12395.",
    parameters=Parameters,
    run="fmdiag.diagnostics.theories.run:run",
    needs=("field", "points", "unguided"),
    cost="passes over all rows, one per theory, initial noise and time or step",
    figures=FIGURES,
    tables={"theories": "theory, fit, kind of state, time and initial noise",
            "theories_nearest": "kind of state, time and theory",
            "theories_samples": "theory and initial noise",
            "theories_patch_sizes": "theory and time",
            "theories_calibration": "theory, time and initial noise of the calibration",
            "theories_left_out": "theory, fit, kind of state, time and group left out"},
    examples=("fmdiag theories ckpt.pt",
              "fmdiag theories ckpt.pt --theory wiener --n-pairs 64 --json",
              "fmdiag theories ckpt.pt --patch-sizes 15,11,9,7,7,5,5,3,3,3",),
)
