"""Card of the diagnostic provenance."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Solver
from fmdiag.diagnostics.parameters import parameter
from fmdiag.diagnostics.references import PAPER_1


@dataclass(frozen=True)
class Parameters(Solver):
    """What provenance may be asked."""

    sample_numbers: tuple = parameter((), "Number of a sample to follow, as `fmdiag memorization` counts them with the "
                                      "same seed; several may be given.", kind="int", many=True, option="--sample",
                                      minimum=0, shown="0 to 7")
    n_samples: int = parameter(64, "Samples, the first of the seed, whose largest weights are averaged; those of "
                               "--sample are only shown.", minimum=2)
    top_rows: int = parameter(6, "Training examples named per trajectory.", minimum=1, maximum=12)
    n_noises: int = parameter(1024, "Initial noises whose basins are compared.", minimum=2)


FIGURES = (
    Figure("provenance_weights", "fmdiag.figures.provenance:weights_figure",
           caption="Posterior weight of training examples along the trajectories of single samples, stacked to 1, "
                  "against time t: the model's (left) and that of û* from the same noise (right); grey: all other "
                  "rows. Beside each line the model's sample and the rows of the largest weight, framed in their "
                  "colour; row numbers above. The first samples of the seed, or those that were named: an audit names "
                  "the ones of the smallest d1/d2, which say nothing of the other samples; top_weight in the summary "
                  "is of samples drawn at random. {data}.",
           alt="Stacked area charts of posterior weights against time, with pictures of the sample and of training "
               "rows."),
    Figure("provenance_basins", "fmdiag.figures.provenance:basins_figure",
           caption="Share of the noises that end at each training example, examples ordered by their share under the "
                  "model: the model's samples by nearest row, and û*, whose samples are rows. {data}.",
           alt="Basin masses of training examples under the model and under û*."),
    Figure("provenance_copied", "fmdiag.figures.provenance:copied_figure",
           caption="The training images that are copied most often, with the number of memorised samples (d1/d2 < "
                  "1/3) that are copies of each. {data}.",
           alt="Pictures of the most copied training images."),
)

CARD = Diagnostic(
    name="provenance",
    title="Provenance: which training images, and why",
    short="Which training examples do samples come from? Weights along trajectories, basins.",
    question="Which training examples does a sample come from, and do noises lead where û* leads them?",
    memorization="The model's stack is that of û*: one row takes all the weight early, and the sample is that row. "
                 "The same noise leads to the same row more often among training examples than among as many held-out "
                 "examples (same_row_excess above 0), and some are copied often.",
    generalization="Weights pass from row to row until late, or the sample differs from the row that ends with all "
                   "the weight: near t = 1 the nearest row always has it. same_row_excess holds 0; same_row itself "
                   "is .3 to .7 for a field that knows nothing of the rows.",
    definition="Weight of row i at a state x_t of a trajectory: softmax of -||x_t - α_t X_i||²/(2σ_t²), copies of a "
               "row together. Basin of a row: the noises whose sample is nearest to it (under û*: is it). same_row: "
               "share of noises with one row under both; same_row_excess: that share for training examples less that "
               "for as many held-out examples with their own û*, in five parts of disjoint rows and noises; basin "
               "divergence: 1 - Morisita's overlap of the basin masses. "
               "top_weight: mean over the first samples of the seed of the largest weight of a named row. "
               "tables/copied.csv ranks training images by the memorised samples that are copies of them.",
    reference=PAPER_1 + ", section 2; M. Morisita 1959.",
    parameters=Parameters,
    run="fmdiag.diagnostics.provenance.run:run",
    needs=("field",),
    cost="trajectories of the model and of û*",
    figures=FIGURES,
    tables={"provenance": "sample, time and training example",
            "basins": "initial noise",
            "masses": "training example",
            "copied": "copied training example"},
    examples=("fmdiag provenance ckpt.pt",
              "fmdiag provenance ckpt.pt --sample 17 --sample 4",),
)
