"""Study of time: when samples become good and when copies; tau_gen and tau_mem against n (Bonnaire et al. 2025).

tau_gen: the first evaluation whose test distance is within a tenth of the smallest of the run. tau_mem: the first whose
memorised share is above the null of held-out rows by Fisher's one-sided p-value, corrected by Holm for the evaluations
of the run; missing where that never happens. Both are known to within a factor of two, the spacing of evaluations.
Expected: tau_gen does not depend on n, tau_mem grows.

References
----------
T. Bonnaire et al. 2025 (tau_gen and tau_mem along training).
"""

import math

import pandas as pd

from fmdiag.stats import first_near_smallest, first_rejected, fisher_p, holm
from fmdiag.studies.judgement import budget, number, seeds_row, value_of
from fmdiag.studies.size import reference_rows
from fmdiag.training import parameters_of

DEFAULT_LOSSES = "cfm"
DEFAULT_EVALUATIONS = 8
QUANTITIES = ("frechet_test", "frechet_train", "f_mem", "d1")


def default_sizes(n_stored):
    """Return 100, 1000, ... below the whole set, and the whole set."""
    return tuple(sorted({*(n for n in (100, 1000, 10_000) if n < n_stored), n_stored}))


def turning_points(quality, reference):
    """Return tau_gen and tau_mem of every model, in steps; NaN where it was not reached."""
    null = reference.groupby("n_train")[["f_mem_null", "n_null"]].first() if len(reference) else None
    rows = []
    for (n, objective, seed), run in quality.sort_values("step").groupby(["n_train", "objective", "seed"]):
        tau_mem = _copying_from(run, null.loc[n]) if null is not None and n in null.index else math.nan
        rows.append({"n_train": n, "objective": objective, "seed": seed,
                     "tau_gen": first_near_smallest(run["step"], run["frechet_test"])[0], "tau_mem": tau_mem})
    return pd.DataFrame(rows)


def _copying_from(run, null):
    """Return the first step of a run at which its memorised share is above the null share, or NaN."""
    successes, n = (run["f_mem"] * run["n_nearest"]).round().astype(int), run["n_nearest"].astype(int)
    p = fisher_p(successes.to_numpy(), n.to_numpy(), round(null["f_mem_null"] * null["n_null"]), int(null["n_null"]))
    return first_rejected(run["step"], holm(p))[0]


def summarise(frames):
    """Return summary rows: quality per n and step, and both turning points per n (of the models that reached them)."""
    rows = []
    for (n, objective, step), group in frames["quality"].groupby(["n_train", "objective", "step"]):
        rows += [seeds_row(name, group[name], n_train=n, objective=objective, step=step) for name in QUANTITIES]
    points = turning_points(frames["quality"], frames["reference"])
    for (n, objective), group in points.groupby(["n_train", "objective"]):
        rows += [seeds_row(name, group[name].dropna(), n_train=n, objective=objective)
                 for name in ("tau_gen", "tau_mem") if group[name].notna().any()]
        rows.append(seeds_row("memorising_models", group["tau_mem"].notna(), interval="exact", n_train=n,
                              objective=objective))
    return [*rows, *reference_rows(frames["reference"])]


def table(summary, plan):
    """Return both turning points per n."""
    rows = []
    for (n, objective), _ in summary[summary["quantity"] == "tau_gen"].groupby(["n_train", "objective"]):
        keys = {"n_train": n, "objective": objective}
        found = value_of(summary, "tau_mem", **keys)
        share = value_of(summary, "memorising_models", **keys)[0]
        rows.append({"n_train": int(n), "objective": objective,
                     "tau_gen (steps)": number(value_of(summary, "tau_gen", **keys)),
                     "tau_mem (steps)": number(found) if found[0] == found[0] else f"> {plan.evaluate[-1]}",
                     "models that reached tau_mem": f"{share:.0%}"})
    return pd.DataFrame(rows)


def verdict(summary, frames, plan, counts):
    """Return how the two times move with n."""
    details = []
    for objective in summary.loc[summary["quantity"] == "tau_gen", "objective"].unique():
        for name, expected in (("tau_gen", "does not depend on n"), ("tau_mem", "grows with n")):
            rows = summary[(summary["quantity"] == name) & (summary["objective"] == objective)].sort_values("n_train")
            values = ", ".join(f"{row.value:.0f} at n = {row.n_train:.0f}" for row in rows.itertuples())
            details.append(f"{name} in steps ({objective}; Bonnaire et al.: {expected}): {values or 'not reached'}.")
    details.append(budget(plan, parameters_of(plan.training["network"])) + ". Times are known to within a factor of "
                   "two, and a tau_mem beyond the last step is not seen.")
    partial = "" if counts["finished"] == counts["parts"] else (
        f"Partial: {counts['finished']} of {counts['parts']} parts are finished. ")
    return {"text": f"{partial}Along training: {counts['models']} models, judged at {len(plan.evaluate)} steps each.",
            "details": details}
