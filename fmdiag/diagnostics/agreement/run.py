"""Run of the agreement of a context's model with a second one, from the same noises."""

import pandas as pd

from fmdiag.checkpoints import load_checkpoint
from fmdiag.diagnostics.agreement import flow_distance
from fmdiag.diagnostics.agreement.measure import compare, draw, pictures, summarise, verdict
from fmdiag.diagnostics.points.flow_distance import summarise as summarise_distances
from fmdiag.errors import FmdiagError
from fmdiag.fields import beside, recorded_beside
from fmdiag.results import Result
from fmdiag.sampling import draw_noise


def run(context, parameters):
    """Return the Result."""
    second = load_checkpoint(parameters.other, device=context.device, **context.reading("trust_code"))
    rows = _rows_of(second, parameters.other_dataset,
                    context.reading("data_root", "allow_mismatch", "accept_reading"))
    sets = context.training_set, rows
    fields, n_steps = beside(parameters.n_steps, context.field, second.field)
    solver = {"n_samples": parameters.n_samples, "n_steps": n_steps, "method": parameters.method}
    samples = draw(fields, sets, group=context.group, generator=context.generator(), **solver)
    cautions = [f"{text} ({second.file.name})" for text in second.description.get("warnings") or ()]
    table = context.group.once(lambda: compare(samples, sets, device=context.device))
    features, plan = context.spaces(parameters)
    apart = flow_distance.measure(
        samples, draw_noise(parameters.n_samples, rows.shape, generator=context.generator()), sets, features=features,
        n_steps=n_steps, paths=(context.path, second.path), cache=plan.cache, memory=context.memory,
        device=context.device, group=context.group)
    summary = pd.concat([summarise(table), summarise_distances("agreement", apart)], ignore_index=True)
    return Result("agreement", table, summary, {
        "other": str(parameters.other), "other_sha256": second.sha256, "other_dataset": rows.describe(), **solver,
        "n_steps": parameters.n_steps, **recorded_beside(parameters.n_steps, n_steps),
        "feature": "pixels", "features": [feature.describe() for feature in features]},
        {"agreement_pfd": apart}, arrays={"agreement": pictures(samples, table, sets, decoder=context.decoder)},
        facts={"reading": verdict(summary)}, cautions=cautions)


def _rows_of(second, dataset, reading):
    """Return the training set of the second model; what is said of it names its own option."""
    try:
        return second.training_set(dataset, **reading)
    except FmdiagError as error:
        raise FmdiagError(str(error).replace("--dataset", "--other-dataset")) from error
