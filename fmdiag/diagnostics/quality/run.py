"""Run of sample quality: samples that are given or drawn, against training and held-out examples."""

from fmdiag.diagnostics.context import shown
from fmdiag.diagnostics.points.judged import N_SAMPLES, judged_samples
from fmdiag.diagnostics.quality.measure import measure, summarise
from fmdiag.features.pca import N_COMPONENTS
from fmdiag.metrics import check_metrics
from fmdiag.results import Result


def applies(context, parameters):
    """Return whether there are more samples, training and held-out examples than principal components."""
    rows = context.training_set
    sizes = [parameters.n_samples or N_SAMPLES, rows.n, *([] if rows.unseen is None else [rows.unseen.n])]
    return min(sizes) > N_COMPONENTS


def run(context, parameters):
    """Return the Result."""
    check_metrics(parameters.metrics)   # before samples are drawn
    features, plan = context.spaces(parameters)
    samples, drawn = judged_samples(context, parameters)
    # The random numbers of one metric follow on those of another: not to be shared out.
    table = context.group.once(lambda: measure(
        samples, context.training_set, features=features, metrics=parameters.metrics, most=parameters.most,
        device=context.device, cache=plan.cache, generator=context.generator(), **shown(context, "quality")))
    return Result("quality", table, summarise(table), {
        **drawn, "features": [feature.describe() for feature in features], "metrics": list(parameters.metrics),
        "most": parameters.most})
