"""Does the model memorise? One sentence from the summary of a run, for runs whose run.json brings none.

The model's memorised fraction is compared with its null, the fraction among held-out rows: on low-dimensional data
fresh samples pass the d1/d2 < 1/3 rule a quarter of the time, so the fraction alone says nothing.
"""

SOURCE_NAMES = {"model": "the model's samples", "heldout": "held-out rows", "closed_form": "samples of û*"}


def verdict(run):
    """Return the verdict of a run as {"text": sentence, "details": list of further sentences}.

    Parameters
    ----------
    run : RunData
        The run; ``run.json["verdict"]`` is taken where a command wrote one, as a string or as such a dict.
    """
    given = run.run.get("verdict")
    if isinstance(given, dict):
        details = given.get("details") or []
        return {"text": str(given.get("text", "")), "details": [details] if isinstance(details, str) else list(details)}
    return {"text": given or from_summary(run), "details": []}


def from_summary(run):
    """Return a sentence on the memorised fraction, else on the alignment of û*, else that nothing was judged."""
    rates = run.summary("memorization", "f_mem")
    if len(rates):
        return memorised_fraction(rates)
    collapse = run.summary("alignment", "collapse_time_measured")
    if len(collapse):
        times = " and ".join(f"t = {value:.2f}" for value in collapse["value"].dropna())
        return (f"No model was measured. û* rests on a single training row from {times} on: "
                "a model that followed it there would reproduce the training set.")
    return "No verdict: this run did not compare samples with the training set. The measurements follow."


def memorised_fraction(rates):
    """Return the sentence for the f_mem rows of a summary, by comparing the model's interval with the null's."""
    by_source = {row.source: row for row in rates[rates["interval"] == "exact"].itertuples()}
    if not by_source:
        by_source = {row.source: row for row in rates.itertuples()}
    numbers = "; ".join(f"{SOURCE_NAMES[s]}: {_rate(by_source[s])}" for s in SOURCE_NAMES if s in by_source)
    model, null = by_source.get("model"), by_source.get("heldout")
    if model is None:
        return f"No model was measured. Memorised fraction f_mem of {numbers}."
    return f"{_judgement(model, null)} Memorised fraction f_mem (share with d1/d2 < 1/3) of {numbers}."


def _judgement(model, null):
    if null is None:
        return "There are no held-out rows to compare with, so this is a rate without its null."
    if model.low > null.high:
        return "The model memorises: its samples are copies more often than held-out rows look like copies."
    if model.high < 0.05:
        return "The model shows no memorisation: its samples look like copies about as rarely as held-out rows do."
    return "No memorisation beyond the held-out null was found, within these intervals."


def _rate(row):
    return f"{row.value:.1%} [{row.low:.1%}, {row.high:.1%}] of {row.n:.0f}"
