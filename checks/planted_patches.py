"""Check of the search for copied parts: planted windows are found, of the right size and number, and nothing else is.

    python -m checks.planted_patches --results checks/results/planted_patches.json

Training images are 1000 of Fashion-MNIST; all other images are fresh ones, drawn from the rest. In each of 40 splits
there are 256 fresh images as samples and 256 as held-out images:

    null       nothing is planted: how often is p at most 0.05?
    planted    5 % of the samples have a 12 x 12 window of a training image pasted in at its own place: is p at most 0.05?

The area of planted images is compared with the truth: the pixels pasted in and those copied before, both as far as they
are judged. Blank pixels are not: those beside a window that was pasted in are the same in its source and in most images,
so that no method can tell how far it reaches there. Of images with two windows of two training images the mosaic count
should be 2, of those with one 1; counted are images that had no copied window before. Which pixels count was decided on
other splits, the first 40 of the same fresh images.

Controls are samples of û*, of which all is copied from one image, and of the local score, whose truth is that of its own
sources: where t goes to 1, each pixel is that of the training image with the nearest patch of 2 k - 1 pixels around it.
A k x k window is copied if its pixels have one source, or sources that are alike; over borders of regions windows are
those of no image, and regions narrower than k hold none. So theory itself does not say that all of a sample is copied:
one_source_area is the share of the judged pixels in windows of one source, the least that must be found. One thread,
about five minutes; splits that the JSON file has already are not made again.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from fmdiag import load_dataset
from fmdiag.diagnostics.patches.controls import mosaics, whole_copies
from fmdiag.diagnostics.patches.cover import NOT_JUDGED
from fmdiag.diagnostics.patches.judge import Judge
from fmdiag.diagnostics.patches.measure import AREA
from fmdiag.diagnostics.patches.search import WindowSearch
from fmdiag.diagnostics.patches.summary import summarise
from fmdiag.diagnostics.patches.windows import typical, windows_of
from fmdiag.ranks.group import SINGLE
from fmdiag.stats import mean_interval, proportion_interval

N, SAMPLES, SPLITS, SHARE, SIDE, ERROR = 1000, 256, 40, 0.05, 12, 0.05
FIRST = 40      # split, as earlier ones were looked at when the rule of pixels was chosen


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=SPLITS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    done = json.loads(options.results.read_text()) if options.results.is_file() else {"splits": []}
    train, fresh, judge = prepared()
    if "controls" not in done:
        done["controls"] = controls(train, judge)
        written(options.results, done)
    for number in range(FIRST + len(done["splits"]), FIRST + options.splits):
        started = time.process_time()
        done["splits"].append(split(number, train, fresh, judge) | {"seconds": time.process_time() - started})
        written(options.results, done)
        print(number, done["splits"][-1]["p_null"], done["splits"][-1]["p_planted"], flush=True)
    done["found"] = conclusions(done["splits"])
    written(options.results, done)
    print(json.dumps(done["found"], indent=1))


def prepared():
    """Return (training set, all other images of its source in a random order, Judge)."""
    whole = load_dataset("fashion-mnist")
    order = np.random.default_rng(0).permutation(whole.n_stored)
    train, fresh = whole.chosen(np.sort(order[:N])), order[N:]
    center, deviation = typical(train)
    judge = Judge(WindowSearch(train, windows_of(train), center, threshold=1 / 3), deviation, AREA)
    return train, lambda numbers: whole[fresh[numbers]], judge


def split(number, train, fresh, judge):
    """Return what one split shows."""
    rng = np.random.default_rng([1, number])
    images = fresh(np.arange(2 * SAMPLES * number, 2 * SAMPLES * (number + 1)))
    samples, null = images[:SAMPLES].clone(), images[SAMPLES:]
    clean, clean_maps = judge(np.arange(SAMPLES), samples, source="model")
    held_out, _ = judge(np.arange(SAMPLES), null, source="heldout")
    n_planted = round(SHARE * SAMPLES)
    one, two, pasted = samples[:n_planted].clone(), samples[n_planted : 2 * n_planted].clone(), []
    for image in one:
        pasted.append(paste(image, train, rng, judge.deviation))
    for image in two:
        first = paste(image, train, rng, judge.deviation, lefts=(0, 5))
        paste(image, train, rng, judge.deviation, lefts=(11, 17), other=first[0])
    planted, maps = judge(np.arange(n_planted), one, source="model")
    double, _ = judge(np.arange(n_planted), two, source="model")
    both = clean.copy()
    both.iloc[:n_planted] = planted
    return {"p_null": p_value(clean, held_out), "p_planted": p_value(both, held_out),
            "flagged_clean": int(clean["flagged"].sum()), "flagged_heldout": int(held_out["flagged"].sum()),
            "flagged_planted": int(planted["flagged"].sum()), "n_planted": n_planted,
            "close_clean": int(clean["close_flagged"].sum()), "close_heldout": int(held_out["close_flagged"].sum()),
            "close_planted": int(planted["close_flagged"].sum()),
            "count_one": counts(planted, clean[:n_planted]),
            "count_two": counts(double, clean[n_planted : 2 * n_planted]),
            "area": [areas(maps[k], clean_maps[k], *pasted[k], planted.iloc[k]) for k in range(n_planted)]}


def paste(image, train, rng, deviation, lefts=(0, 16), other=None):
    """Paste a window of a training image, not blank, into an image at its own place; return (row, top, left)."""
    for _ in range(1000):
        row, top, left = int(rng.integers(train.n)), int(rng.integers(17)), int(rng.integers(lefts[0], lefts[1] + 1))
        window = train[[row]][0, :, top : top + SIDE, left : left + SIDE]
        if row != other and window.std() >= deviation / 2:
            image[:, top : top + SIDE, left : left + SIDE] = window
            return row, top, left
    raise RuntimeError("no window with contrast")


def counts(planted, clean):
    """Return the mosaic counts of planted images that had no copied window before, whose count is known."""
    return planted["n_images"].to_numpy()[clean["copied_windows"].to_numpy() == 0].tolist()


def areas(sources, before, row, top, left, found):
    """Return measured and true area share, and the share of the pasted pixels that is found, from their own image."""
    inside = np.zeros(sources.shape, bool)
    inside[top : top + SIDE, left : left + SIDE] = True
    judged = sources != NOT_JUDGED
    inside &= judged
    true = inside | (before >= 0) & judged
    return {"measured": float(found["area_share"]), "true": float(true.sum() / judged.sum()), "found_inside": float((sources[inside] >= 0).mean()), "of_its_row": float((sources[inside] == row).mean()),
            "outside": int(((sources >= 0) & ~true).sum())}


def p_value(model, held_out):
    """Return the p-value of the diagnostic's test."""
    import pandas as pd

    rows = summarise(pd.concat([model, held_out], ignore_index=True))
    return float(rows.loc[rows["quantity"] == "patches_p", "value"].iloc[0])


def controls(train, judge):
    """Return area shares and mosaic counts of samples of û* and of the local score, and the truth about the latter."""
    drawn = {"path": None, "group": SINGLE, "memory": None, "device": "cpu"}
    k, found = judge.search.windows.k, {}
    points = {"closed_form": whole_copies(train, 16, given=None, n_steps=100, **drawn,
                                          generator=torch.Generator().manual_seed(0)),
              "patch_theory": mosaics(train, 16, k, given=None, **drawn, generator=torch.Generator().manual_seed(0))}
    for name, (numbers, images) in points.items():
        table, maps = judge(numbers, images, source=name)
        found[name] = {"area_share": table["area_share"].round(3).tolist(), "n_images": table["n_images"].tolist()}
    return found | {"patch_theory": found["patch_theory"] | theory_truth(images, maps, train, k)}


def theory_truth(images, maps, train, k):
    """Return what the sources of the pixels of samples of the local score say, from all distances of patches."""
    rows, found = train[np.arange(train.n)].double().reshape(-1, *images.shape[-2:]), {"settled": [], "one_source": []}
    for image, sources in zip(images.double().reshape(-1, *rows.shape[1:]), maps, strict=True):
        squares = torch.nn.functional.avg_pool2d((rows - image).square()[:, None], 2 * k - 1, 1, k - 1)[:, 0]
        own = squares.argmin(0, keepdim=True)
        settled = (rows.gather(0, own)[0] - image).abs() < 1e-3
        views, covered = own[0].unfold(0, k, 1).unfold(1, k, 1).flatten(2), torch.zeros(image.shape, dtype=torch.bool)
        for top, left in torch.nonzero((views == views[..., :1]).all(2)).tolist():
            covered[top : top + k, left : left + k] = True
        found["settled"].append(round(float(settled.double().mean()), 3))
        found["one_source"].append(round(float(covered.numpy()[sources != NOT_JUDGED].mean()), 3))
    return {"settled_pixels": found["settled"], "one_source_area": found["one_source"]}


def conclusions(splits):
    """Return the shares with exact intervals and the means with Student's, over splits."""
    null, found = (sum(one[key] <= ERROR for one in splits) for key in ("p_null", "p_planted"))
    area = [one for part in splits for one in part["area"]]
    means = {key: [float(x) for x in mean_interval(np.array([one[key] for one in area]))] for key in area[0]}
    ratio = [float(x) for x in mean_interval(np.array([one["measured"] / one["true"] for one in area]))]
    covered = {name: exact(sum(covers(one["area"], truth) for one in splits), len(splits))
               for name, truth in (("own", None), ("of_all", means["true"][0]))}
    found_counts = {key: [count for one in splits for count in one[key]] for key in ("count_one", "count_two")}
    right = {key: exact(sum(count == wanted for count in found_counts[key]), len(found_counts[key]))
             for key, wanted in (("count_one", 1), ("count_two", 2))}
    return {"n_splits": len(splits), "false_alarms": exact(null, len(splits)), "found": exact(found, len(splits)),
            "flagged_clean": exact(sum(one["flagged_clean"] for one in splits), SAMPLES * len(splits)),
            **{name: exact(sum(one[name] for one in splits), sum(one["n_planted"] for one in splits))
               for name in ("flagged_planted", "close_planted")},
            "close_clean": exact(sum(one["close_clean"] for one in splits), SAMPLES * len(splits)),
            "area": means, "measured_over_true": ratio, "splits_whose_interval_covers_the_truth": covered, "mean_count_one": float(np.mean(found_counts["count_one"])),
            "mean_count_two": float(np.mean(found_counts["count_two"])), "right_count": right,
            "seconds": sum(one["seconds"] for one in splits)}


def covers(area, truth=None):
    """Return whether the interval of a split's mean area holds the true one, its own or one that is given."""
    _, low, high = mean_interval(np.array([one["measured"] for one in area]))
    return bool(low <= (np.mean([one["true"] for one in area]) if truth is None else truth) <= high)


def exact(successes, n):
    """Return the number, of how many, and the share with its exact 95 % interval."""
    return {"count": int(successes), "of": int(n), "interval": [float(x) for x in proportion_interval(successes, n)]}


def written(path, found):
    """Write the JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
