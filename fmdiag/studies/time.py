"""Study of time: when samples become good and when copies; tau_gen and tau_mem against n (Bonnaire et al. 2025).

tau_gen: the first evaluation whose test distance is within a tenth of the smallest of the run. tau_mem: the first whose
memorised share is above the null of held-out rows by Fisher's one-sided p-value, corrected by Holm for the evaluations
of the run; missing where that never happens. Both are known to lie between two evaluations. Exponents in n and width:
`fmdiag.studies.phases`.

References
----------
T. Bonnaire et al., arXiv 2505.17638 (tau_gen and tau_mem along training).
"""

import math

import pandas as pd

from fmdiag.stats import first_near_smallest, first_rejected, fisher_p, holm
from fmdiag.studies.judgement import (
    MODEL,
    budget,
    grouped,
    last_evaluation,
    number,
    partial,
    seeds_row,
    value_of,
)
from fmdiag.studies.phases import emm_rows, emm_sentences, emm_text, slope_rows, slope_sentences
from fmdiag.studies.size import reference_rows
from fmdiag.studies.widths import widest

DEFAULT_LOSSES = "cfm"
DEFAULT_EVALUATIONS = 8
UNKNOWN = (math.nan, 0.0, math.inf)
QUANTITIES = ("frechet_test", "frechet_train", "f_mem", "d1")


def default_sizes(n_stored):
    """Return 100, 1000, ... below the whole set, and the whole set."""
    return tuple(sorted({*(n for n in (100, 1000, 10_000) if n < n_stored), n_stored}))


def turning_points(quality, reference):
    """Return tau_gen and tau_mem of every model, in steps, NaN where not reached, with TIME_low, TIME_high."""
    null = reference.groupby("n_train")[["f_mem_null", "n_null"]].first() if len(reference) else None
    rows = []
    for keys, run in grouped(quality.sort_values("step"), [*MODEL, "seed"]):
        n = keys["n_train"]
        found = {"tau_gen": first_near_smallest(run["step"], run["frechet_test"]),
                 "tau_mem": _copying_from(run, null.loc[n]) if null is not None and n in null.index else UNKNOWN}
        for name, (step, low, high) in found.items():
            keys |= {name: step, f"{name}_low": low, f"{name}_high": high}
        rows.append(keys)
    return pd.DataFrame(rows)


def _copying_from(run, null):
    """Return the first step of a run at which its memorised share is above the null share: (step, low, high)."""
    successes, n = (run["f_mem"] * run["n_nearest"]).round().astype(int), run["n_nearest"].astype(int)
    p = fisher_p(successes.to_numpy(), n.to_numpy(), round(null["f_mem_null"] * null["n_null"]), int(null["n_null"]))
    return first_rejected(run["step"], holm(p))


def summarise(frames):
    """Return summary rows: quality per step, turning points (of the models that reached them), exponents, EMM."""
    rows = []
    for keys, group in grouped(frames["quality"], [*MODEL, "step"]):
        rows += [seeds_row(name, group[name], **keys) for name in QUANTITIES]
    points = turning_points(frames["quality"], frames["reference"])
    for keys, group in grouped(points, MODEL):
        rows += [seeds_row(name, group[name].dropna(), **keys)
                 for name in ("tau_gen", "tau_mem") if group[name].notna().any()]
        rows.append(seeds_row("memorising_models", group["tau_mem"].notna(), interval="exact", **keys))
    return [*rows, *slope_rows(points), *emm_rows(last_evaluation(frames["quality"])),
            *reference_rows(frames["reference"])]


def table(summary, plan):
    """Return both turning points per n and width."""
    rows = []
    for keys, _ in grouped(summary[summary["quantity"] == "tau_gen"], MODEL):
        found, alike = value_of(summary, "tau_mem", **keys), {name: keys[name] for name in ("width", "objective")}
        slope = value_of(summary, "tau_mem_slope_n", **alike)
        share = value_of(summary, "memorising_models", **keys)[0]
        rows.append({"n_train": int(keys["n_train"]), **({"width": int(keys["width"])} if plan.networks else {}),
                     "objective": keys["objective"],
                     "tau_gen (steps)": number(value_of(summary, "tau_gen", **keys)),
                     "tau_mem (steps)": number(found) if found[0] == found[0] else f"> {plan.evaluate[-1]}",
                     "models that reached tau_mem": f"{share:.0%}",
                     "exponent of tau_mem in n": "" if slope[0] != slope[0] else number(slope),
                     "EMM": emm_text(value_of(summary, "emm", **alike), plan.sizes)})
    return pd.DataFrame(rows)


def verdict(summary, frames, plan, counts):
    """Return how the two times move with n and width."""
    details, shown = [], widest(summary)
    for objective in summary.loc[summary["quantity"] == "tau_gen", "objective"].unique():
        width = f", width {plan.widths[-1]}" if plan.networks else ""
        for name, expected in (("tau_gen", "does not depend on n"), ("tau_mem", "grows with n")):
            rows = shown[(shown["quantity"] == name) & (shown["objective"] == objective)].sort_values("n_train")
            values = ", ".join(f"{row.value:.0f} at n = {row.n_train:.0f}" for row in rows.itertuples())
            details.append(f"{name} in steps ({objective}{width}; Bonnaire et al.: {expected}): "
                           f"{values or 'not reached'}.")
    details += [*slope_sentences(summary), *emm_sentences(summary, plan)]
    details.append(budget(plan) + ". Times are known to lie between two evaluations, and a tau_mem beyond the last "
                   "step is not seen; tau_gen is relative to the smallest test distance of its own run, which is the "
                   "larger the smaller n is.")
    return {"text": f"{partial(counts)}Along training: {counts['models']} models, judged at {len(plan.evaluate)} "
                    "steps each.", "details": details}
