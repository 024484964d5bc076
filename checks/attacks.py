"""Table of membership attacks on trained models: AUC by attack and time, blind baselines, and the published orderings.

    OMP_NUM_THREADS=1 python -m checks.attacks --results checks/results/attacks.json

Models are those of the gallery: digits of n = 16, which memorises, and of n = 1500, Fashion-MNIST of n = 100, which
memorises, and of n = 60 000. Per attack and time: AUC with DeLong's interval, which takes training and held-out images
for independent draws. Per attack: the time of the largest AUC on one half of the pairs, and the AUC there of the other
half; its excess over the better blind baseline, corrected by Holm. Published orderings, at t = 1/2 as published and, as
areas may be 1 or 1/2 there, at two times beside it: T_mc above T_naive, T_mc by compressed size above T_mc, by DeLong's
paired difference on all images; and whether the time of the largest AUC is near 1/2, by the paired difference of T_mc
at 1/2 and at the last time.

Published, of rectified flows on colour images (Rao and Moyer, arXiv 2603.13421; AUC, true positives at 1 %, of T_mc and
of T_mc by compressed size): CIFAR-10 .751, .031 and .849, .279; SVHN .709, .015 and .794, .165; TinyImageNet .764, .053
and .930, .500; largest near t = 1/2. One thread, about ten minutes; models that the JSON file has are left as they are.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import torch

import fmdiag
from fmdiag.checkpoints import load_checkpoint
from fmdiag.diagnostics.membership.attacks import ATTACKS, REFERENCE
from fmdiag.diagnostics.membership.attacks.measure import measure as attacked
from fmdiag.diagnostics.membership.attacks.summary import columns, summarise
from fmdiag.diagnostics.membership.measure import draw, measure
from fmdiag.errors import FmdiagWarning
from fmdiag.stats import delong_difference

HERE = Path(__file__).resolve().parents[1]
TIMES, BESIDE = (0.1, 0.3, 0.5, 0.7, 0.9), (0.3, 0.5, 0.7)   # of the orderings, published at 0.5
MODELS = {"digits, n = 16": (HERE / "docs/runs/memorises/model/checkpoint.pt", 256, 8),
          "digits, n = 1500": (HERE / "data/digits.pt", 256, 8),
          "Fashion-MNIST, n = 100": (HERE / "data/fashion-mnist-n100.pt", 64, 4),
          "Fashion-MNIST, n = 60000": (HERE / "data/fashion-mnist-n60000.pt", 64, 4)}
ORDERINGS = {**{f"T_mc less T_naive at {t}": (("mc", t), ("naive", t)) for t in BESIDE},
             **{f"T_mc by compressed size less T_mc at {t}": (("mc-calibrated", t), ("mc", t)) for t in BESIDE},
             "T_mc at 0.5 less T_mc at 0.9": (("mc", 0.5), ("mc", 0.9))}


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE", help="another file of a model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found, files = json.loads(options.results.read_text()) if options.results.is_file() else {}, dict(
        one.rsplit("=", 1) for one in options.model)
    for name, (file, n_images, n_noises) in MODELS.items():
        file = Path(files.get(name, file))
        if name not in found and file.is_file():
            started = time.process_time()
            found[name] = table_of(file, n_images, n_noises)
            found[name]["seconds"] = round(time.process_time() - started, 1)
            options.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(name, json.dumps(found[name]["orderings"]), flush=True)


def table_of(file, n_images, n_noises, times=TIMES, seed=0):
    """Return what the attacks find on one model, plain values."""
    model = load_checkpoint(file)
    rows, names = model.training_set(), [name for name in ATTACKS if name != REFERENCE]
    drawn = {"n_images": n_images, "n_noises": n_noises}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FmdiagWarning)
        table = measure(model.field, rows, times=times, path=model.path, **drawn,
                        generator=torch.Generator().manual_seed(seed))
        members = draw(rows, generator=torch.Generator().manual_seed(seed), **drawn)
        scores = attacked(model.field, rows, members, table, names, path=model.path)
    summary, n = summarise(scores), len(members.members.train)
    return {"images_a_side": n, "n_noises": n_noises, "fmdiag": fmdiag.__version__,
            "auc": by_attack(summary, "attack_auc"), "tpr_at_0.01": by_attack(summary, "attack_tpr_at_0.01"),
            "best": best(summary), "orderings": orderings(scores)}


def by_attack(summary, quantity):
    """Return {attack: {t: [value, low, high]}}; the t of blind baselines is "blind"."""
    found = {}
    for one in summary[summary["quantity"] == quantity].itertuples():
        found.setdefault(one.attack, {})["blind" if one.t != one.t else f"{one.t:g}"] = ends(one)
    return found


def best(summary):
    """Return {attack: its best time of one half, and what the other half says there}."""
    found = {}
    for one in summary[summary["half"] == "report"].itertuples():
        if one.quantity in ("best_auc", "above_blind"):
            found.setdefault(one.attack, {"t": one.t})[one.quantity] = ends(one)
        elif one.quantity == "above_blind_p":
            found[one.attack]["above_blind_p"] = float(f"{one.value:.3g}")
    return found


def orderings(scores):
    """Return {ordering: [difference of the AUC, low, high, p]} by DeLong's paired difference on all images."""
    pairs = {(column.attack, column.t): (column.train, column.held_out) for column in columns(scores)}
    return {name: [float(f"{x:.3g}") for x in delong_difference(pairs[first], pairs[second])]
            for name, (first, second) in ORDERINGS.items() if first in pairs and second in pairs}


def ends(one):
    """Return [value, low, high] of a summary row."""
    return [round(float(x), 3) for x in (one.value, one.low, one.high)]


if __name__ == "__main__":
    main()
