"""ε from canaries against mechanisms of known ε: the command, `python -m checks.privacy`.

Randomised response tells every coin truly with probability e^ε / (1 + e^ε), independently: a training that gives the coins
away in this way is ε-differentially private and no better, so that a bound above ε is an error. Of (ε, δ) mechanisms a
coin is shown as it is with probability δ, and an infinite loss says so. Planted k times, a canary's coin is told with kε
instead of ε. What is checked is what `fmdiag canaries` reports: guesses from losses, as many as were fixed beforehand, and
the bound. It fails where the exceedances of all mechanisms, Holm's correction made, are more than 5 % explains.

A model that memorises: û* of digits with planted canaries, whose bound must be positive in every run.
"""

import argparse
import json
import math
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats

from fmdiag import ClosedFormField, load_dataset
from fmdiag.datasets.canaries import load_canaries, plant
from fmdiag.diagnostics.canaries import privacy
from fmdiag.diagnostics.canaries.measure import measure
from fmdiag.stats import holm, proportion_interval
from fmdiag.stats.one_run import epsilon_lower_bound

RESULTS = Path("checks/results/privacy.json")
ERROR = 0.05
GUESSED = 0.5
MECHANISMS = [(epsilon, copies, n_coins, 0.0) for n_coins in (40, 400) for epsilon in (0.0, 0.5, 1.0, 2.0)
              for copies in (1, 4) if copies == 1 or epsilon] + [(1.0, 1, 400, 1e-3), (2.0, 1, 400, 1e-2)]
bound = cache(epsilon_lower_bound)


def told(epsilon, copies, n_coins, delta, rng):
    """Return a table of canaries whose coins a randomised response tells by their losses."""
    coins = rng.integers(2, size=n_coins)
    truly = rng.random(n_coins) < 1 / (1 + math.exp(-copies * epsilon))
    loss = np.where(np.where(truly, coins, 1 - coins) == 1, 0.0, 1.0) + 0.5 * rng.random(n_coins)
    shown = rng.random(n_coins) < delta
    loss[shown] = np.where(coins[shown] == 1, -1.0, 3.0)
    return pd.DataFrame({"coin": copies, "multiplicity": copies * coins, "cfm_loss": loss})


def bound_of(table, copies, delta):
    """Return the lower bound on ε of one example, as `fmdiag canaries` has it."""
    made = privacy.guess(table, GUESSED)
    made = made[made["guess"] >= 0]
    right = int((made["guess"] == (made["multiplicity"] > 0)).sum())
    return bound(len(table), len(made), right, delta=delta) / copies


def of_mechanism(epsilon, copies, n_coins, delta, runs):
    """Return how often the bound exceeds ε."""
    rngs = (np.random.default_rng([n_coins, copies, int(100 * epsilon), int(1e4 * delta), k]) for k in range(runs))
    bounds = [bound_of(told(epsilon, copies, n_coins, delta, rng), copies, delta) for rng in rngs]
    exceeded = sum(value > epsilon for value in bounds)
    value, low, high = proportion_interval(exceeded, runs)
    return {"epsilon": epsilon, "delta": delta, "copies": copies, "coins": n_coins, "runs": runs, "exceeded": exceeded,
            "value": value, "low": low, "high": high, "median_bound": float(np.median(bounds))}


def of_minimiser(runs):
    """Return the least bound on ε over runs of û* of digits with planted canaries."""
    base, bounds = load_dataset("digits", n=60), []
    for seed in range(runs):
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            manifest = plant(Path(folder), base, base.held_out, multiplicities=(1,), n_each=24, seed=seed)
            (Path(folder) / "canaries.json").write_text(json.dumps(manifest))
            train = load_dataset(folder)
            table = measure(base.held_out[250:254], train, canaries=load_canaries(folder, train),
                            field=ClosedFormField(train), n_noises=2, generator=torch.Generator().manual_seed(seed))
        bounds.append(bound_of(table[table["coin"] == 1], 1, 0.0))
    return {"runs": runs, "least_bound": min(bounds), "positive": sum(value > 0 for value in bounds)}


def main(arguments=None):
    """Parse the command line, run, write the results; return 1 where a bound fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500, help="of each mechanism")
    parser.add_argument("--models", type=int, default=5, help="runs of a model that memorises")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    mechanisms = [of_mechanism(*one, given.runs) for one in MECHANISMS]
    p = holm([stats.binom.sf(one["exceeded"] - 1, one["runs"], ERROR) for one in mechanisms])
    for one, value in zip(mechanisms, p, strict=True):
        one |= {"p_holm": float(value), "fails": bool(value <= ERROR)}
    memorising = of_minimiser(given.models)
    found = {"error": ERROR, "mechanisms": mechanisms, "memorising": memorising}
    given.results.write_text(json.dumps(found, indent=1) + "\n")
    failing = [one for one in mechanisms if one["fails"]]
    print(f"{len(failing)} of {len(mechanisms)} mechanisms exceeded too often; memorising models with a positive bound: "
          f"{memorising['positive']} of {memorising['runs']}")
    return int(bool(failing) or memorising["positive"] < memorising["runs"])


if __name__ == "__main__":
    raise SystemExit(main())
