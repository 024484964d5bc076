"""Run of the agreement of a context's model with a second one, from the same noises."""

from fmdiag.checkpoints import load_checkpoint
from fmdiag.diagnostics.agreement.measure import compare, draw, pictures, summarise, verdict
from fmdiag.errors import FmdiagError
from fmdiag.results import Result


def run(context, parameters):
    """Return the Result."""
    second = load_checkpoint(parameters.other, device=context.device, **context.reading("trust_code"))
    rows = _rows_of(second, parameters.other_dataset,
                    context.reading("data_root", "allow_mismatch", "accept_reading"))
    sets, fields = (context.training_set, rows), (context.field, second.field)
    solver = {"n_samples": parameters.n_samples, "n_steps": parameters.n_steps, "method": parameters.method}
    samples = draw(fields, sets, group=context.group, generator=context.generator(), **solver)
    cautions = [f"{text} ({second.file.name})" for text in second.description.get("warnings") or ()]
    table = context.group.once(lambda: compare(samples, sets, device=context.device))
    summary = summarise(table)
    return Result("agreement", table, summary, {
        "other": str(parameters.other), "other_sha256": second.sha256, "other_dataset": rows.describe(), **solver,
        "feature": "pixels"}, arrays={"agreement": pictures(samples, table, sets, decoder=context.decoder)},
        facts={"reading": verdict(summary)}, cautions=cautions)


def _rows_of(second, dataset, reading):
    """Return the training set of the second model; what is said of it names its own option."""
    try:
        return second.training_set(dataset, **reading)
    except FmdiagError as error:
        raise FmdiagError(str(error).replace("--dataset", "--other-dataset")) from error
