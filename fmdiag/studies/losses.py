"""Study of losses: CFM, OT-CFM and EFM at the same budget. Paper [1], figure 4.

EFM with growing M regresses on ever better estimates of û*, which only reproduces training rows. If generalisation came
from the noise of CFM's target, EFM would memorise more; the paper finds it slightly better, never worse. Differences to
CFM are paired by seed: the same seed has the same initial weights, rows, noises and times.

References
----------
Bertrand et al., arXiv 2506.03719, figure 4 and appendix C.
"""

import numpy as np
import pandas as pd

from fmdiag.stats import holm, mean_interval
from fmdiag.studies.judgement import (
    ERROR,
    OPEN,
    budget,
    last_evaluation,
    number,
    paired,
    partial,
    seeds_row,
    sign_verdict,
    student_p,
    value_of,
)
from fmdiag.studies.published import published
from fmdiag.studies.size import reference_rows

DEFAULT_LOSSES = "cfm,otcfm,efm:128,efm:512"
DEFAULT_EVALUATIONS = 6
QUANTITIES = ("frechet_test", "frechet_train", "f_mem", "d1")


def default_sizes(n_stored):
    """Return the whole set."""
    return (n_stored,)


def summarise(frames):
    """Return summary rows: quality per n, objective and step; its paired difference to cfm; error curves per t."""
    rows = []
    for (n, objective, step), group in frames["quality"].groupby(["n_train", "objective", "step"]):
        keys = {"n_train": n, "objective": objective, "step": step}
        rows += [seeds_row(name, group[name], **keys) for name in QUANTITIES]
        rows += _differences(frames["quality"], keys)
    for (n, objective, t), group in frames["error"].groupby(["n_train", "objective", "t"]):
        rows.append(seeds_row("squared_error", group["squared_error"], n_train=n, objective=objective, t=t))
    return [*rows, *reference_rows(frames["reference"])]


def _differences(quality, keys):
    """Yield the rows QUANTITY_minus_cfm of one objective at one step."""
    if keys["objective"] == "cfm":
        return
    at = quality[(quality["n_train"] == keys["n_train"]) & (quality["step"] == keys["step"])]
    wide = at.pivot_table(index="seed", columns="objective", values=list(QUANTITIES))
    for name in QUANTITIES:
        if "cfm" in wide[name]:
            pair = wide[name][[keys["objective"], "cfm"]].dropna()
            yield seeds_row(f"{name}_minus_cfm", pair[keys["objective"]] - pair["cfm"], **keys)
            if name == "frechet_test":
                yield seeds_row("frechet_test_over_cfm", pair[keys["objective"]] / pair["cfm"].where(pair["cfm"] > 0),
                                **keys)


def table(summary, plan):
    """Return the appendix-C table: the paper's printed values where the set is the same, then ours by epoch."""
    rows = summary[summary["quantity"] == "frechet_test"].sort_values(["n_train", "objective", "step"])
    ours = [{"source": "ours", "objective": row.objective, "epoch": _epochs(plan, row.step, row.n_train),
             "test FD": number((row.value, row.low, row.high)), "ratio to cfm": _ratio(summary, row),
             "seeds": str(row.n), "n_train": f"{row.n_train:.0f}", "step": f"{row.step:.0f}"}
            for row in rows.itertuples()]
    return pd.concat([published(plan.data["name"]), pd.DataFrame(ours)], ignore_index=True).fillna("")


def _epochs(plan, step, n):
    return round(step * plan.training["batch_size"] / n, 2)


def _ratio(summary, row):
    """Return the mean over seeds of the ratio of distances at the same seed, with its interval."""
    if row.objective == "cfm":
        return "1"
    found = value_of(summary, "frechet_test_over_cfm", n_train=row.n_train, objective=row.objective, step=row.step)
    return number(found) if found[0] == found[0] else ""


def verdict(summary, frames, plan, counts):
    """Return whether EFM is no worse than CFM, and whether it memorises more, objective by objective."""
    final = last_evaluation(frames["quality"])
    distances, copies = (_judged(final, name) for name in ("frechet_test", "f_mem"))
    details = []
    for n, objective in distances:
        base = final[(final["objective"] == "cfm") & (final["n_train"] == n)]["frechet_test"]
        details += _sentences(objective, n, mean_interval(base), distances, copies)
        details += _along(summary, objective, n)
    details.append(budget(plan) + ". The paper's runs are longer by far (its "
                   "figure 4: U-Nets on CIFAR-10 and CelebA-64; its table for Fashion-MNIST: up to 200 epochs, another "
                   "network and another classifier): what happens late in training, and any effect smaller than the "
                   "intervals over seeds, is not decided here. Absolute distances are not comparable with the paper's; "
                   "ratios to CFM are.")
    ends = [sentence for sentence in details if "at the end" in sentence]
    decided = sum(not sentence.startswith(OPEN) for sentence in ends)
    return {"text": f"{partial(counts)}Objectives at the same budget: {decided} of {len(ends)} comparisons of the "
                    "final test distance with CFM's are decided by intervals over seeds.", "details": details}


def _judged(final, column):
    """Return {(n, objective): (difference to cfm with its interval, p)}; p corrected by Holm for all of them."""
    groups = {key: final[final["n_train"] == key[0]] for key, _ in final.groupby(["n_train", "objective"], sort=False)
              if key[1] != "cfm"}
    found = {key: paired(group, column, "objective", key[1], "cfm") for key, group in groups.items()}
    p = [student_p(found[key], group["seed"].nunique()) for key, group in groups.items()]
    return dict(zip(found, zip(found.values(), holm(np.nan_to_num(p, nan=1.0)), strict=True), strict=True))


def _sentences(objective, n, base, distances, copies):
    """Yield what figure 4 claims of an objective: test distance no higher than CFM's, no more copies."""
    difference, p = distances[n, objective]
    decided, facts = sign_verdict(difference[0], p, -1), f"p = {p:.2g}, corrected for {len(distances)} (Holm)"
    if objective.startswith("efm"):
        yield (f"{decided}: {objective} has a lower test distance than cfm at the end, difference "
               f"{number(difference)} ({facts}; cfm: {number(base)}; n = {n:.0f}).")
    else:
        yield (f"{'Decided' if decided != OPEN else OPEN}: {objective} against cfm at the end, "
               f"difference in test distance {number(difference)} ({facts}; cfm: {number(base)}; n = {n:.0f}).")
    difference, p = copies[n, objective]
    sign = OPEN + ":" if difference[1] != difference[1] else (
        "A sign of" if p <= ERROR and difference[0] > 0 else "No sign of")
    yield f"{sign} more copies under {objective}: difference in f_mem to cfm {number(difference)} (p = {p:.2g})."


def _along(summary, objective, n):
    """Yield at how many evaluations along training the paired difference in test distance is decided."""
    rows = summary[(summary["quantity"] == "frechet_test_minus_cfm") & (summary["objective"] == objective)
                   & (summary["n_train"] == n)].dropna(subset=["low", "high"])
    if len(rows):
        p = holm([student_p((row.value, row.low, row.high), row.n) for row in rows.itertuples()])
        lower, higher = ((p <= ERROR) & (rows["value"] * sign > 0) for sign in (-1, 1))
        yield (f"Along training the test distance under {objective} is below cfm's at {lower.sum()} of {len(rows)} "
               f"evaluations by the paired difference (Student's test, corrected by Holm for the evaluations), above "
               f"it at {higher.sum()}, undecided at the others.")
