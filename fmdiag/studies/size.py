"""Study of size: the same network, trained as long, on a growing training set. Paper [1], figure 2.

Memorisation: at small n the error against û* is small at every t, samples lie nearer to training rows than these to
each other, and f_mem is far above its null. Generalisation: at large n the error has an early bump, samples lie as far
away as fresh data, f_mem falls to its null. The test distance alone does not tell: it may be low for copies.

References
----------
Bertrand et al., arXiv 2506.03719, figure 2 (CIFAR-10, U-Net of 34 M parameters, 50 000 steps, batch 128).
"""

import pandas as pd

from fmdiag.studies.judgement import (
    AGREES,
    CONTRADICTS,
    MODEL,
    OPEN,
    budget,
    compare,
    grouped,
    last_evaluation,
    number,
    partial,
    seeds_row,
    value_of,
)
from fmdiag.studies.phases import emm_rows, emm_sentences, emm_text
from fmdiag.studies.widths import widest

DEFAULT_LOSSES = "cfm"
DEFAULT_EVALUATIONS = 1
PAPER_SIZES = (10, 100, 1000, 2000, 3000, 4000, 5000, 10000)
FINAL = ("frechet_test", "frechet_train", "d1", "f_mem")
REFERENCE = ("d1_train", "d1_heldout", "f_mem_null", "f_mem_control", "frechet_copies")
# Where the early error is looked for: after the first instants, before the rise towards t = 1.
EARLY = (0.02, 0.6)


def default_sizes(n_stored):
    """Return the paper's sizes that the set has, and the whole set."""
    return tuple(sorted({*(n for n in PAPER_SIZES if n <= n_stored), n_stored}))


def early_error(curves):
    """Return per model the largest squared error at early times and where it lies: early_error, early_error_time."""
    early = curves[curves["t"].between(*EARLY)]
    top = early.loc[early.groupby([*MODEL, "seed"])["squared_error"].idxmax()]
    return top[[*MODEL, "seed", "squared_error", "t"]].rename(
        columns={"squared_error": "early_error", "t": "early_error_time"})


def summarise(frames):
    """Return summary rows: final quality, early bump and reference values per n, EMM, error curves per n and t."""
    final, bumps = last_evaluation(frames["quality"]), early_error(frames["error"])
    rows = []
    for keys, group in grouped(final, MODEL):
        rows += [seeds_row(name, group[name], **keys) for name in FINAL]
    for keys, group in grouped(bumps, MODEL):
        rows += [seeds_row(name, group[name], **keys) for name in ("early_error", "early_error_time")]
    rows += [*emm_rows(final), *reference_rows(frames["reference"])]
    for keys, group in grouped(frames["error"], [*MODEL, "t"]):
        rows += [seeds_row(name, group[name], **keys) for name in ("squared_error", "conditional_variance")]
    return rows


def reference_rows(reference):
    """Return the summary rows of the reference values; subsets of different seeds are units, the whole set is one."""
    rows = []
    for n, group in reference.groupby("n_train"):
        distinct = group.drop_duplicates(list(REFERENCE))
        rows += [seeds_row(name, distinct[name], n_train=n, objective="") for name in REFERENCE]
    return rows


def table(summary, plan):
    """Return what the page shows in full: a row per n (and objective), a value and its interval per quantity."""
    rows = []
    for at, _ in grouped(summary[summary["quantity"].isin(FINAL) & (summary["objective"] != "")], MODEL):
        n, objective, beside = at["n_train"], at["objective"], {"n_train": at["n_train"], "objective": ""}
        rows.append({
            "n_train": int(n), **({"width": int(at["width"])} if plan.networks else {}), "objective": objective,
            "test FD": number(value_of(summary, "frechet_test", **at)),
            "test FD of copies": number(value_of(summary, "frechet_copies", **beside)),
            "distance to nearest": number(value_of(summary, "d1", **at)),
            "train to train": number(value_of(summary, "d1_train", **beside)),
            "f_mem": number(value_of(summary, "f_mem", **at)),
            "null": number(value_of(summary, "f_mem_null", **beside)),
            "control": number(value_of(summary, "f_mem_control", **beside)),
            "largest error, t <= 0.6": number(value_of(summary, "early_error", **at)),
            "at t": number(value_of(summary, "early_error_time", **at)),
            "EMM": emm_text(value_of(summary, "emm", width=at["width"], objective=objective), plan.sizes)})
    return pd.DataFrame(rows)


CLAIMS = (("f_mem", -1, "the memorised share falls with n"),
          ("early_error", +1, "the error against û* at early times (t <= 0.6) rises with n"),
          ("d1", +1, "samples move away from the training examples as n grows"),
          ("frechet_test", -1, "the test Fréchet distance falls with n"))


def verdict(summary, frames, plan, counts):
    """Return the verdict of figure 2: claim by claim, first against last n, and what the budget cannot decide."""
    shown = widest(summary)
    details = [sentence for objective in _objectives(shown) for sentence in _claims(shown, objective)]
    for objective in _objectives(shown):
        details += [_moral(shown, objective), _stays_low(shown, objective)]
    claims, agreed = len(details), sum(sentence.startswith(AGREES) for sentence in details)
    details += emm_sentences(summary, plan)
    details.append(budget(plan) + ". The paper's figure took 50 000 steps of "
                   "a U-Net of 34 million parameters on CIFAR-10: at which n memorisation ends, and how good samples "
                   "can be, depends on network and budget, and is not decided here.")
    return {"text": f"{partial(counts)}Growing training set: {agreed} of {claims} statements of figure 2 are supported "
                    f"by intervals over seeds{f' (network of width {plan.widths[-1]})' if plan.networks else ''}.",
            "details": details}


def _objectives(summary):
    return [name for name in summary["objective"].dropna().unique() if name]


def _claims(summary, objective):
    sizes = sorted(summary.loc[(summary["quantity"] == "f_mem") & (summary["objective"] == objective), "n_train"])
    few, many = sizes[0], sizes[-1]
    for quantity, expected, claim in CLAIMS:
        ends = [value_of(summary, quantity, n_train=n, objective=objective) for n in (few, many)]
        yield (f"{compare(*ends, expected)}: {claim} ({objective}): {number(ends[0])} at n = {few:.0f}, "
               f"{number(ends[1])} at n = {many:.0f}.")


def _stays_low(summary, objective):
    """Return whether the test distance stays low beyond the n at which it is lowest, as in the paper from 1000 on."""
    rows = summary[(summary["objective"] == objective) & (summary["quantity"] == "frechet_test")].sort_values("value")
    best, last = rows.iloc[0], rows.loc[rows["n_train"].idxmax()]
    ends = [(row["value"], row["low"], row["high"]) for row in (best, last)]
    if best["n_train"] == last["n_train"]:
        return f"{AGREES}: the test distance is lowest at the largest n ({objective}), {number(ends[0])}."
    verdict = CONTRADICTS if compare(*ends, +1) == AGREES else OPEN
    return (f"{verdict}: the test distance stays low as n grows on ({objective}): from {number(ends[0])} at n = "
            f"{best['n_train']:.0f} it goes to {number(ends[1])} at n = {last['n_train']:.0f}. In the paper it is low "
            "from n = 1000 on: there the network's own samples are as good as copies, at this budget they need not be.")


def _moral(summary, objective):
    """Return what the lowest test distance goes with: copies, or none."""
    rows = summary[(summary["objective"] == objective) & (summary["quantity"] == "frechet_test")]
    best, last = rows.loc[rows["value"].idxmin(), "n_train"], rows["n_train"].max()
    share, null = (value_of(summary, name, n_train=best, objective=who)
                   for name, who in (("f_mem", objective), ("f_mem_null", "")))
    own, end = (number(value_of(summary, "frechet_test", n_train=n, objective=objective)) for n in (best, last))
    # Without seeds to take an interval from, the share itself is compared.
    copies = (share[1] if share[1] == share[1] else share[0]) > null[0]
    if copies:
        return (f"{AGREES}: the test distance does not show memorisation ({objective}): it is lowest, {own}, at n = "
                f"{best:.0f}, where the memorised share is {number(share)}; at n = {last:.0f} it is {end}.")
    return (f"{OPEN}: whether a low test distance can go with copies ({objective}): it is lowest, {own}, at n = "
            f"{best:.0f}, where the memorised share is {number(share)}.")
