"""Card of the diagnostic canaries."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic, Figure
from fmdiag.diagnostics.groups import Judged
from fmdiag.diagnostics.parameters import parameter


@dataclass(frozen=True)
class Parameters(Judged):
    """What canaries may be asked."""

    folder: str | None = parameter(None, "Folder that `fmdiag canaries` wrote and the model was trained on.",
                                   kind="path")
    delta: float = parameter(1e-5, "Delta of the bound on (epsilon, delta)-privacy.", minimum=0, maximum=0.5)


FIGURES = (
    Figure("canaries_returned", "fmdiag.figures.canaries:returned_figure",
           caption="Canaries by how often they were planted in the training set: share of which at least one sample "
                  "is a copy (left), and AUC of their CFM loss against that of held-out canaries (right; 0.5: as "
                  "held-out ones). Whiskers: {interval}. {data}.",
           alt="Share of canaries that came back and AUC of their loss, by multiplicity, with intervals.",
           intervals=("returned", "loss_auc",)),
)

CARD = Diagnostic(
    name="canaries",
    title="Canaries: planted images",
    short="Plant known images in a training set, to see later which come back.",
    question="Do images that were planted before training come back, and from which multiplicity on?",
    memorization="The share that comes back rises with the multiplicity above that of held-out canaries, which only "
                 "chance can return; the loss of planted canaries is lower than that of held-out ones (AUC above "
                 "1/2).",
    generalization="Planted canaries come back as seldom as held-out ones, and their losses are alike.",
    definition="A canary has come back if a sample is nearer to it than a third of its distance to the nearest other "
               "training example or canary. A fair coin of its own decided for each canary whether it was planted or "
               "held out. ε at least: lower bound at 95 % on the ε of differential privacy (adding or removing all "
               "copies of one canary), from how many coins the CFM loss tells; the share of coins that are guessed was "
               "fixed when they were thrown. Per example it is divided by the number of copies.",
    reference="N. Carlini et al. 2019, 2023; T. Steinke, M. Nasr, M. Jagielski 2023 (ε from one run).",
    parameters=Parameters,
    run="fmdiag.diagnostics.canaries.run:run",
    needs=("samples",),
    cost="one search for neighbors per canary",
    figures=FIGURES,
    tables={"canaries": "canary"},
    command=False,
)
