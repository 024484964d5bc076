"""Card of the diagnostic metrics."""

from dataclasses import dataclass

from fmdiag.diagnostics.diagnostic import Diagnostic
from fmdiag.diagnostics.groups import FeatureSpaces, Judged
from fmdiag.diagnostics.parameters import replaced


@dataclass(frozen=True)
class Parameters(FeatureSpaces, Judged):
    """What metrics may be asked."""

    features: tuple = replaced(FeatureSpaces, "features", ("pca",))


CARD = Diagnostic(
    name="metrics",
    title="Metrics",
    short="What do the registered metrics of memorisation say of the samples?",
    question="What do the registered metrics of memorisation say of the samples?",
    memorization="Metrics of copying lie outside their reference.",
    generalization="They lie at their reference.",
    definition="Every registered definition, named by its id, on samples, training and held-out examples. Sources: "
               "model; heldout: as many held-out examples in the place of the samples; difference: model less "
               "heldout at equal n, 0 on average for samples of the true distribution.",
    reference="See the definition of each metric.",
    parameters=Parameters,
    run="fmdiag.diagnostics.metrics.run:run",
    needs=("samples",),
    cost="features of samples and examples",
    tables={"metrics": "metric and feature space"},
    command=False,
)
