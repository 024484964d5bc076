"""Power of feature spaces against altered copies: shifted, cropped, recoloured, re-encoded and mirrored photo tiles.

    OMP_NUM_THREADS=1 python -m checks.vision_power --results checks/results/vision_power.json

Training tiles and held-out tiles are of different photographs. Of training tiles, copies are altered and measured as
samples would be: the share whose nearest training tile is the one that was copied, and the share that passes the rule
d1/d2 < 1/3, with exact intervals; and how often the decision of `memorization` finds a share of such copies among fresh
tiles (simulated by its own machinery, `memorization.power`, on fresh tiles as samples). Widest is the largest bound on
d1/d2 that the decision looks at in a feature space. The null is in every row: how many of the fresh tiles are below
either bound. The blocks of the network and the widest bound were chosen on other fresh, held-out and copied tiles. Of
re-encoded, shifted, cropped, recoloured, turned and mirrored copies these shares had d1/d2 below the least 2 % of fresh
tiles' there (64 pixels): activations of the last layer .52 .91 .75 .66 .46 .96, scaled to norm 1 .63 .92 .81 .69 .41
.98, whitened and scaled .66 .95 .81 .72 .44 .98; blocks 9 and 15 .74 1 .93 .78 .64 .99; their quarters instead of means
.97 1 .98 .93 .89 .28 (blocks 11 and 15), their halves, as taken, .93 1 .98 .86 .85 1. Whitening by the training tiles
gains .04 at most where a larger bound on d1/d2 goes with it. Needs the Debian packages of photo-tiles, and fmdiag[vision].
"""

import argparse
import io
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance

import fmdiag
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.memorization.decision import decide
from fmdiag.diagnostics.memorization.measure import measure
from fmdiag.diagnostics.memorization.near import NEIGHBOR, nearness
from fmdiag.diagnostics.memorization.power import power
from fmdiag.diagnostics.memorization.rule import sound_spaces
from fmdiag.diagnostics.points.nearest_rows import nearest_rows
from fmdiag.features import load_feature
from fmdiag.stats import proportion_interval

SIDE, N_TRAIN, N_FRESH, N_COPIES = 64, 1000, 300, 100
SHARES, N_SIMULATIONS = (0.05,), 40
SEEDS = 2, 3    # of the fresh and held-out tiles, and of the copied ones: not those on which blocks and level were chosen
CONTROL = {"n_closed_form": 16, "n_steps": 20}   # samples of û*, which must all be found
SPACES = {"pixels": ("pixels", {}), "efficientnet-lite0 at 64": ("efficientnet-lite0", {"size": 64}),
          "efficientnet-lite0 at 128": ("efficientnet-lite0", {"size": 128})}


def pillow(change):
    """Return a function of tiles, uint8 (n, 3, h, w), that changes each as a Pillow image."""
    def changed(rows):
        pictures = [change(Image.fromarray(row.transpose(1, 2, 0))) for row in rows]
        return np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in pictures])
    return changed


def shifted(rows, by=4):
    return np.concatenate([np.repeat(rows[..., :1], by, axis=-1), rows[..., :-by]], axis=-1)


def cropped(picture, kept=0.8):
    edge = round((1 - kept) / 2 * picture.width)
    return picture.crop((edge, edge, picture.width - edge, picture.height - edge)).resize(picture.size,
                                                                                          Image.Resampling.LANCZOS)


def recoloured(picture):
    hue, saturation, value = picture.convert("HSV").split()
    turned = Image.merge("HSV", (hue.point([(k + 30) % 256 for k in range(256)]), saturation, value)).convert("RGB")
    return ImageEnhance.Brightness(ImageEnhance.Contrast(turned).enhance(0.8)).enhance(1.2)


def encoded(picture, quality=20):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


CHANGES = {"exact": lambda rows: rows, "re-encoded (JPEG, quality 20)": pillow(encoded), "shifted by 4 pixels": shifted,
           "cropped to 80 % and resized": pillow(cropped), "recoloured (hue, contrast, brightness)": pillow(recoloured),
           "turned by 10 degrees": pillow(lambda picture: picture.rotate(10, Image.Resampling.BICUBIC)),
           "mirrored": lambda rows: rows[..., ::-1].copy()}


def rows_of(train, fresh, space, numbers):
    """Return the rows of the result in one feature space, a dict per change."""
    name, options = SPACES[space]
    feature = load_feature(name, training_set=train, **options)
    table = measure(fresh, train, feature=feature, **CONTROL)
    spaces, pool = sound_spaces(table), table.attrs.get("pool")
    ratios = table.loc[table["source"] == "model", "ratio"].to_numpy()
    widest = max(spaces[0].thresholds) if spaces else 1 / 3
    common = {"space": space, "null": share(ratios < 1 / 3), "widest": widest, "null_widest": share(ratios < widest), "judged": "null" not in table.attrs,
              "fresh_found": bool(spaces and decide(spaces, pool).found)}
    found = []
    for change, function in CHANGES.items():
        points = train.to_model_range(function(np.asarray(train.rows[numbers])))
        near = nearest_rows(points, train, feature=feature, n_near=NEIGHBOR)
        own = near.rows1 == numbers
        copies = {change: [(near.ratio, nearness(near.d1, near.near))]}
        powers = power(spaces, pool, copies, rng=np.random.default_rng(0), shares=SHARES,
                       n_simulations=N_SIMULATIONS) if spaces else None
        found.append({**common, "change": change, "nearest_is_source": share(own),
                      "passes_the_rule": share(own & (near.ratio < 1 / 3)),
                      "passes_the_widest": share(own & (near.ratio < widest)),
                      "ratio_median": round(float(np.median(near.ratio)), 4),
                      "power": {} if powers is None else {f"{r.share:g}": [round(r.power, 3), round(r.low, 3),
                                                                           round(r.high, 3)]
                                                          for r in powers.itertuples()}})
        print(found[-1], flush=True)
    return found


def share(flags):
    return [int(np.sum(flags)), len(flags), *(round(float(end), 4) for end in proportion_interval(np.sum(flags),
                                                                                                 len(flags)))]


def main():
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path)
    options, started = parser.parse_args(), time.monotonic()
    train = fmdiag.load_dataset("photo-tiles", size=SIDE)
    others = train.held_out
    order = np.random.default_rng(SEEDS[0]).permutation(others.n_stored)
    fresh, held_out = others[np.sort(order[:N_FRESH])], others.chosen(np.sort(order[N_FRESH : 2 * N_FRESH]))
    train = train.chosen(np.sort(np.random.default_rng(SEEDS[0]).permutation(train.n_stored)[:N_TRAIN]))
    train = TrainingSet(np.asarray(train.rows), name="photo-tiles", held_out_source=TrainingSet(
        np.asarray(held_out.rows), name="photo-tiles", split="test"))
    numbers = np.sort(np.random.default_rng(SEEDS[1]).permutation(N_TRAIN)[:N_COPIES])
    result = {"side": SIDE, "n_train": N_TRAIN, "n_fresh": N_FRESH, "n_copies": N_COPIES,
              "simulations": N_SIMULATIONS, "torch": torch.__version__, "rows": []}
    for space in SPACES:
        result["rows"] += rows_of(train, fresh, space, numbers)
        result["seconds"] = round(time.monotonic() - started)
        if options.results is not None:
            options.results.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
