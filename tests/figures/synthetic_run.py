"""Synthetic run folders with the columns of real ones, small and with known shapes."""

import json

import numpy as np
import pandas as pd
from synthetic_study import study_summary, write_study

from fmdiag.diagnostics.duplicates.measure import Found
from fmdiag.diagnostics.duplicates.summary import summarise as summarise_duplicates
from fmdiag.diagnostics.geometry.summary import summarise as summarise_geometry
from fmdiag.diagnostics.membership.attacks import ATTACKS
from fmdiag.diagnostics.patches.summary import summarise as summarise_patches
from fmdiag.diagnostics.symmetry.measure import summarise as summarise_symmetry
from fmdiag.diagnostics.theories import summary as theories
from fmdiag.diagnostics.theories.names import KINDS
from fmdiag.diagnostics.uturn.summary import summarise as summarise_uturn
from fmdiag.results import save_table
from fmdiag.stats import row, summarise, summary_row

TIMES = np.round(np.linspace(0.01, 0.99, 15), 3)
TAUS = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
N = 1500


def alignment_tables(rng, sizes=(8, 16), n_pairs=40):
    """Return (raw, summary): the cosine rises with t, earlier for larger images."""
    rows, marks = [], []
    for size in sizes:
        dim, center = 3 * size**2, 2.4 / size
        for t in TIMES:
            sharp = 1 / (1 + np.exp(-(t - center) / 0.05))
            cosine = np.clip(sharp * 0.97 + rng.normal(0, 0.05, n_pairs) * (1.05 - sharp), -1, 1)
            rows.append(pd.DataFrame({
                "image_size": size, "dim": dim, "n": N, "t": t, "pair": np.arange(n_pairs), "cosine": cosine,
                "source_weight": sharp * rng.uniform(0.9, 1, n_pairs), "max_weight": 0.02 + 0.98 * sharp,
                "ess": 1 + (N - 1) * (1 - sharp) ** 3, "entropy": 1 - sharp, "dropped_mass": 0.0}))
        keys = {"image_size": size, "dim": dim}
        marks += [summary_row("alignment", "collapse_time_predicted", [center], **keys),
                  summary_row("alignment", "collapse_time_measured", [center], **keys),
                  summary_row("alignment", "collapse_time_fresh", [0.9 * center], **keys),
                  summary_row("alignment", "speciation_time", [0.3 * center], **keys)]
    raw = pd.concat(rows, ignore_index=True)
    by = ["image_size", "dim", "t"]
    means = summarise("alignment", raw, ["cosine", "source_weight", "max_weight", "ess", "entropy"], by=by)
    above = raw.assign(**{"share_above_0.9": raw["cosine"] > 0.9})
    shares = summarise("alignment", above, ["share_above_0.9"], by=by, interval="exact")
    return raw, pd.concat([means, shares, pd.DataFrame(marks)], ignore_index=True)


def error_tables(rng, n_pairs=40):
    """Return (raw, summary): an error with a bump, a floor that vanishes, and their sum as the loss."""
    rows = []
    for t in TIMES:
        error = (0.05 + 0.3 * np.exp(-((t - 0.2) / 0.08) ** 2)) * rng.uniform(0.6, 1.4, n_pairs)
        floor = np.exp(-30 * max(0, t - 0.2)) * rng.uniform(0.8, 1.2, n_pairs)
        rows.append(pd.DataFrame({"n": N, "t": t, "pair": np.arange(n_pairs), "squared_error": error,
                                  "conditional_variance": floor, "cfm_loss": error + floor,
                                  "cosine": rng.uniform(0.8, 1, n_pairs)}))
    raw = pd.concat(rows, ignore_index=True)
    columns = ["squared_error", "conditional_variance", "cfm_loss", "cosine"]
    raw = raw.assign(states="train")
    further = [raw.assign(states=kind, squared_error=(1 + k) * raw["squared_error"], shell=1 + k * raw["t"] ** 4)
               for k, kind in enumerate(("train", "heldout", "model", "closed_form"))]
    return raw, pd.concat([summarise("error", raw, columns, by=["t", "states"]), *state_rows(pd.concat(further))],
                          ignore_index=True)


def state_rows(raw):
    """Return the summary rows of the error's other kinds of states: means, ends of the band, gap of the loss."""
    off = raw[raw["states"] != "train"]
    one = [row("error", name, value, n=2000, t=t) for t in TIMES for name, value in (("band_low", 0.8),
           ("band_high", 1.2))]
    gap = [row("error", "gap", (0.1 * t, 0.1 * t - 0.02, 0.1 * t + 0.02), n=30, interval="simultaneous", t=t,
               states="heldout - train") for t in TIMES]
    return [summarise("error", off, ["squared_error"], by=["t", "states"]),
            summarise("error", raw, ["shell"], by=["t", "states"]), pd.DataFrame([*one, *gap])]


def _flow_distances(diagnostic, maps):
    rows = [{"diagnostic": diagnostic, "quantity": "pfd", "feature": "pixels", "maps": name, "value": k + 1,
             "low": k + 0.9, "high": k + 1.1, "level": 0.95, "n": 20, "interval": "student"}
            for k, name in enumerate(maps)]
    return pd.DataFrame(rows)


def hybrid_tables(rng, n_noises=20):
    """Return (raw, summary): the distance falls with tau and is 0 at tau = 1."""
    raw = pd.DataFrame([{"tau": tau, "sample": i, "nearest": i, "feature": "pixels",
                         "distance": 4 * (1 - tau) ** 1.5 * (1 + 0.1 * (i % 7)), "memorized": tau > 0.05 * i}
                        for tau in TAUS for i in range(n_noises)])
    by = ["tau", "feature"]
    return raw, pd.concat([_flow_distances("hybrid", ("closed_form", "equal_train", "equal_heldout", "resampled")),
                           summarise("hybrid", raw, ["distance"], by=by),
                           summarise("hybrid", raw, ["memorized"], by=by, interval="exact")], ignore_index=True)


def memorization_tables(rng, n_samples=60):
    """Return (raw, summary): the model copies a fifth, held-out rows almost never, û* always."""
    ratios = {"model": np.where(np.arange(n_samples) % 5 == 0, 0.1, rng.uniform(0.5, 1, n_samples)),
              "heldout": rng.uniform(0.6, 1, n_samples), "closed_form": np.full(n_samples, 1e-4)}
    raw = pd.concat([pd.DataFrame({"source": source, "sample": np.arange(n_samples), "nearest": np.arange(n_samples),
                                   "d1": 3 * ratio, "d2": 3.0, "ratio": ratio, "memorized": ratio < 1 / 3,
                                   "feature": "pixels", "threshold": 1 / 3})
                     for source, ratio in ratios.items()], ignore_index=True)
    keys = {"feature": "pixels", "threshold": 1 / 3}
    rows = [summary_row("memorization", "f_mem", group["memorized"].to_numpy(), interval=kind, source=source, **keys)
            for source, group in raw.groupby("source") for kind in ("exact", "bootstrap")]
    excess = rows[-1] | {"quantity": "f_mem_excess", "value": 0.2, "low": 0.1, "high": 0.32, "interval": "newcombe"}
    return raw, pd.DataFrame([*rows, excess])


def sweep_tables(raw):
    """Return (sweep, roc) of raw memorization rows, and the summary row of its AUC."""
    sources = {source: group["ratio"].to_numpy() for source, group in raw.groupby("source")}
    thresholds = np.linspace(0, 1, 21)
    swept = pd.DataFrame([{"feature": "pixels", "threshold": t, "source": source, "f_mem": (ratio < t).mean(),
                           "low": max(0, (ratio < t).mean() - 0.1), "high": min(1, (ratio < t).mean() + 0.1),
                           "level": 0.95, "n": len(ratio), "interval": "exact"}
                          for source, ratio in sources.items() for t in thresholds])
    curves = pd.DataFrame([{"feature": "pixels", "source": source, "threshold": t, "tpr": (sources[source] <= t).mean(),
                            "fpr": (sources["heldout"] <= t).mean()}
                           for source in ("model", "closed_form") for t in thresholds])
    area = {"diagnostic": "memorization", "quantity": "auc", "feature": "pixels", "threshold": 1 / 3,
            "source": "model", "value": 0.6, "low": 0.5, "high": 0.7, "level": 0.95, "n": 60, "interval": "delong"}
    return swept, curves, pd.DataFrame([area])


def quality_tables(rng):
    """Return (raw, summary): a model twice as far away as the perfect sampler."""
    raw = pd.DataFrame([{"feature": "pca", "dim": 64, "metric": f"{metric}_{reference}", "definition": "made-up",
                         "source": source, "value": v, "low": 0.9 * v, "high": 1.1 * v, "level": 0.95, "n": 60,
                         "n_reference": 300, "interval": "jackknife"}
                        for metric in ("frechet", "frechet_infinity", "kid", "precision", "recall", "density",
                                       "coverage")
                        for reference in ("train", "test")
                        for source, v in (("model", 0.4), ("heldout", rng.uniform(0.1, 0.3)))])
    return raw, raw.rename(columns={"metric": "quantity"}).assign(diagnostic="quality")


def audit_tables(rng, n=30):
    """Return {table: raw} and the summary rows of membership, provenance, canaries and agreement."""
    rows = []
    for t in TIMES:
        for score in ("loss", "error", "pull"):
            value = 0.5 + 0.4 * t
            rows.append({"diagnostic": "membership", "quantity": "auc", "score": score, "t": t, "value": value,
                         "low": value - 0.05, "high": value + 0.05, "level": 0.95, "n": 2 * n,
                         "interval": "newcombe" if score == "pull" else "simultaneous"})
        rows.append(rows[-1] | {"quantity": "excess_alignment", "score": None, "interval": "jackknife"})
        rows += [rows[-1] | {"quantity": "attack_auc", "attack": name, "value": value - 0.1 * k * t,
                             "interval": "delong"} for k, name in enumerate(ATTACKS)]
    rows.append(rows[-1] | {"attack": "blind-size", "t": np.nan, "value": 0.52, "low": 0.45, "high": 0.59})
    for multiplicity in (0, 1, 16):
        for quantity in ("returned", "loss_auc") if multiplicity else ("returned",):
            rows.append(summary_row("canaries", quantity, np.arange(8) < multiplicity / 2, interval="exact",
                                    multiplicity=multiplicity))
    energy = pd.DataFrame({"source": np.repeat(["model", "closed_form"], n), "sample": np.tile(np.arange(n), 2),
                           "energy": rng.uniform(0.5, 1, 2 * n), "terminal_share": rng.uniform(0.08, 0.2, 2 * n)})
    weights = [{"source": source, "sample": sample, "t": t, "row": row, "n_copies": 1, "weight": weight}
               for source in ("model", "closed_form") for sample in (0, 3) for t in TIMES
               for row, weight in ((7, 0.8 * t), (2, 0.2 * t), (-1, 1 - t))]
    masses = pd.DataFrame({"row": np.arange(9), **{f"{source}{end}": np.sort(rng.uniform(low, low + 0.02, 9))[::-1]
                           for source in ("closed_form", "model")
                           for end, low in (("", 0.05), ("_low", 0.02), ("_high", 0.08))}})
    columns = ("distance", "distance_other", "train_distance_a", "train_distance_b", "cosine", "cosine_other")
    agreement = pd.DataFrame({"sample": np.arange(n), **{name: rng.uniform(1, 4, n) for name in columns}})
    members = pd.DataFrame({"t": 0.5, "pair": np.arange(n), "source": "train", "row": np.arange(n)})
    return {"membership": members, "energy": energy, "provenance": pd.DataFrame(weights), "masses": masses,
            "agreement": agreement}, pd.concat([pd.DataFrame(rows), _flow_distances(
                "agreement", ("models", "closed_form_a", "closed_form_b", "resampled", "other_noise"))])


def audit_arrays(rng, pictures):
    """Return {name: arrays} of membership, provenance and agreement."""
    rate = np.linspace(0, 1, 12)
    found = {"membership": {f"{score}_{side}": rate**power for score in ("loss", "error", "pull")
                            for side, power in (("fpr", 2), ("tpr", 1))},
             "provenance": {"rows": np.array([2, 7]), "samples": np.array([0, 3])}, "agreement": {}, "theories": {}}
    if pictures:
        images = rng.integers(0, 256, (8, 1, 8, 8)).astype(np.uint8)
        found["provenance"] |= {"model_images": images[:2], "closed_form_images": images[2:4],
                                "row_images": images[4:6], "copied_images": images, "copied_rows": np.arange(8),
                                "copied_counts": np.arange(8, 0, -1)}
        found["theories"] = {name: images for name in ("network", "closed_form", "patches", "wiener")}
        found["agreement"] = {name: images for name in ("samples_a", "samples_b", "nearest_a", "nearest_b")}
    return found


def gradient_tables(rng, n_samples=12):
    """Return (raw, curves, summary): a variance that peaks at t = 1, and exact cells between Gaussians."""
    keys = {"coupling": "independent", "sigma": 0.0, "noise": "constant", "target": "velocity",
            "points": "interpolated"}
    raw = pd.DataFrame([{**keys, "t": t, "sample": i, "loss": 1.0, "squared_norm": 1 + t, "inner": 0.2}
                        for t in TIMES for i in range(n_samples)])
    per_time = pd.DataFrame([{"diagnostic": "gradient-variance", "quantity": quantity, **keys, "t": t, "value": value,
                              "low": 0.8 * value, "high": 1.2 * value, "level": 0.95, "n": n_samples,
                              "interval": "jackknife"}
                             for t in TIMES
                             for quantity, value in (("variance", 0.1 + 9 * t), ("relative_variance", 1 + t))])
    cells = [{"coupling": coupling, "field": field, "sigma": sigma, "field_sigma": 0.0,
              "variance": 0.0 if coupling == field and sigma == 0 else np.inf if field == "180°" else 3.0 + sigma}
             for sigma in (0.0, 0.05) for field in ("ot", "180°") for coupling in ("ot", "180°")]
    curves = pd.DataFrame([{**cell, "t": t, "squared_mean": 1.0} for cell in cells for t in TIMES])
    exact = pd.DataFrame([{"diagnostic": "gradient-variance", "quantity": "exact_variance", **cell,
                           "value": cell["variance"], "level": 0.95, "n": 0, "interval": "none"} for cell in cells])
    return raw, curves, pd.concat([per_time, exact.drop(columns="variance")], ignore_index=True)


def pairing_tables(rng, n_pairs=30):
    """Return (raw, summary): without noise ends lie on their partners, with noise nearer the other one."""
    raw = pd.concat([pd.DataFrame({
        "kind": "permuted", "source": source, "sigma": sigma, "sample": np.arange(n_pairs), "between": 3.0,
        "to_memorised": (0.1 if sigma == 0 else 3) * rng.uniform(0.5, 1.5, n_pairs),
        "to_ot": (3 if sigma == 0 else 1) * rng.uniform(0.5, 1.5, n_pairs), "nearer_memorised": sigma == 0})
        for source in ("network", "closed_form") for sigma in (0.0, 0.05)], ignore_index=True)
    return raw, summarise("pairing", raw, ["to_memorised", "to_ot"], by=["source", "sigma"])


def pairing_arrays(rng, points):
    """Return the arrays of pairing.npz: pictures of 4 noises, or points of 20."""
    names = np.array(["memorised", "ot", "network_0", "network_0.05", "closed_form_0", "closed_form_0.05"])
    if points:
        return {"names": names, "points": rng.normal(size=(6, 20, 2))}
    return {"names": names, "images": rng.integers(0, 256, (6, 4, 1, 8, 8)).astype(np.uint8)}


def uturn_tables(n_pairs=12):
    """Return (raw, summary): late starts return, training ones earlier, under û* no held-out one."""
    delay = {("model", "train"): 0.4, ("model", "heldout"): 0.6, ("closed_form", "train"): 0.3,
             ("closed_form", "heldout"): 2.0, ("wiener", "train"): 0.5, ("wiener", "heldout"): 0.5}
    raw = pd.DataFrame([{"source": source, "field": field, "start": 2 * pair, "pair": pair, "t": t, "feature": "pixels",
                         "returned": t + 0.02 * (pair - 6) > late, "nearest": 2 * pair, "distance": 3 * (1 - t),
                         "same_class": float(t + 0.02 * (pair - 6) > late - 0.2), "distance_other": 2.0}
                        for (field, source), late in delay.items() for t in TIMES for pair in range(n_pairs)])
    return raw, summarise_uturn(raw)


def symmetry_tables():
    """Return (raw, summary) of symmetry: eigenvalues that rise and fall, for û* to 0."""
    states = (("model", "model"), ("closed_form", "model"), ("closed_form", "closed_form"))
    rows = [{"t": t, "start": start, "kind": "noise" if start else "centre", "field": name, "states": whose,
             "eigenvalue": 3 * np.sin(np.pi * t) * (name == "model" or t < 0.6) + 0.01 * start, "residual": 0.0}
            for t in TIMES for start in range(4) for name, whose in states]
    raw = pd.DataFrame(rows)
    raw = raw.assign(alpha_eigenvalue=raw["t"] * raw["eigenvalue"])
    return raw, summarise_symmetry(raw)


def nearest_table(rng, n=40):
    """Return the table of relative nearest distances of training and held-out examples."""
    return pd.DataFrame([{"feature": "pixels", "source": source, "row": k, "nearest": 0, "distance": ratio,
                          "scale": 1.0, "ratio": ratio, "duplicated": ratio < 1 / 3, "group": k - n}
                         for source in ("train", "heldout") for k, ratio in enumerate(np.sort(rng.uniform(size=n)))])


def duplicates_tables(rng):
    """Return (raw, summary) of duplicates: a group of three and a pair."""
    raw = pd.DataFrame([{"feature": "pixels", "group": group, "size": size, "row": 10 * group + k, "file": f"{k}.png",
                         "nearest": 10 * group, "nearest_file": "0.png", "distance": 0.1 * k, "kind": "near"}
                        for group, size in enumerate((3, 2)) for k in range(size)])
    found = Found(raw, pd.DataFrame({"feature": ["pixels"]}), nearest_table(rng))
    return raw, summarise_duplicates(found)


def duplicates_arrays(rng):
    """Return the arrays of duplicates.npz: pictures of both groups."""
    return {"images": rng.integers(0, 256, (5, 1, 8, 8)).astype(np.uint8), "feature": np.array(["pixels"] * 5),
            "kind": np.array(["near"] * 5), "group": np.array([0, 0, 0, 1, 1]), "row": np.array([0, 1, 2, 10, 11]),
            "size": np.array([3, 3, 3, 2, 2])}


def geometry_tables(n_images=24):
    """Return (raw, summary) of geometry: dimensions that grow with t, less at training examples."""
    rows = [{"source": source, "number": 2 * k, "pair": k, "t": t, "lid": 5 + 40 * t**2 * share + 0.3 * (k % 5),
             "lid_closed_form": 0.0 if source == "train" else 400 * t**2 + k, "lid_heldout_form": 400 * t**2 + k,
             "flat_share": 0.01 * (k % 11)} for t in TIMES for k in range(n_images)
            for source, share in (("train", 0.5), ("heldout", 1.0), ("model", 0.9))]
    raw = pd.DataFrame(rows).assign(lid_standard_error=0.0, derivative="forward")
    return raw, summarise_geometry(raw)


def geometry_arrays(rng):
    """Return the arrays of geometry.npz: maps of three points of each kind, and two pictures of each."""
    maps = rng.uniform(0, 1, (9, len(TIMES), 8, 8)).astype(np.float32)
    images = rng.integers(0, 256, (6, 1, 8, 8)).astype(np.uint8)
    return {"times": TIMES, "sources": np.repeat(["train", "heldout", "model"], 3), "maps": maps, "map_errors": maps,
            "closed_form": maps / 2, "reference": maps + 0.1, "shown": np.array([0, 1, 3, 4, 6, 7]), "images": images,
            "nearest": images}


def patches_tables(n=12):
    """Return (raw, summary) of patches: û* is copied whole, the model in parts, held-out images hardly."""
    rng = np.random.default_rng(1)
    tops = {"model": 0.6, "heldout": 0.2, "closed_form": 1.0, "patch_theory": 0.9}
    rows = [{"source": source, "sample": k, "place": place, "nearest": k % 5, "area_share": share,
             "n_images": 1 + k % 4 * (source != "closed_form"), "flagged": share >= 0.15, "window": 5, "area": 0.15,
             "close_share": share / 2, "close_flagged": share >= 0.3,
             "threshold": 1 / 3, "judged_share": 1.0, "largest_share": 0.9}
            for source, top in tops.items() for place in ("same", "any") for k in range(n)
            for share in (top * (1.0 if source == "closed_form" else rng.uniform()),)]
    raw = pd.DataFrame(rows)
    return raw, summarise_patches(raw)


def patches_arrays(m=4):
    """Return the arrays of patches.npz: images with maps of none, one and three training images."""
    maps = np.full((m, 8, 8), -1)
    maps[0, :2] = -2
    maps[1:, :5], maps[2:, 5:, :4], maps[3:, 5:, 4:6] = 7, 3, 1
    rows = np.array([[-1, -1, -1], [7, -1, -1], [7, 3, -1], [7, 3, 1]])
    pictures = np.random.default_rng(1).integers(0, 256, (m, 4, 1, 8, 8)).astype(np.uint8)
    return {"images": pictures[:, 0], "row_images": pictures[:, 1:], "maps": maps, "rows": rows, "sample": np.arange(m),
            "sources": np.array(["model", "heldout", "closed_form", "patch_theory"]), "n_images": np.arange(m),
            "area_share": np.linspace(0, 1, m), "mirrored": rows == 3}


def uturn_arrays(rng):
    """Return the arrays of uturn.npz: pictures of two starts of each kind at every time."""
    images = rng.integers(0, 256, (len(TIMES), 4, 1, 8, 8)).astype(np.uint8)
    return {"times": TIMES, "images": images, "starts": images[-1], "sources": np.repeat(["train", "heldout"], 2)}


def picture_arrays(rng, channels=1, side=8, n_noises=4, n_samples=10):
    """Return the arrays of hybrid.npz and memorization.npz for images."""
    nearest = np.broadcast_to(rng.integers(0, 256, (n_noises, channels, side, side)), (len(TAUS), n_noises, channels,
                              side, side)).astype(np.uint8)
    noise = rng.integers(0, 256, nearest.shape)
    keep = TAUS.reshape(-1, 1, 1, 1, 1)
    ratio = np.sort(rng.uniform(0.05, 1, n_samples))
    samples = rng.integers(0, 256, (n_samples, channels, side, side)).astype(np.uint8)
    return ({"taus": TAUS, "images": (keep * nearest + (1 - keep) * noise).astype(np.uint8), "nearest": nearest},
            {"samples": samples, "neighbors": samples, "d1": 3 * ratio, "ratio": ratio})


def point_arrays(rng, n_noises=8, n_samples=16):
    """Return the arrays of hybrid.npz and memorization.npz for points in the plane."""
    nearest = np.broadcast_to(rng.normal(size=(n_noises, 2)), (len(TAUS), n_noises, 2))
    points = nearest + (1 - TAUS).reshape(-1, 1, 1) * rng.normal(size=(len(TAUS), n_noises, 2)) * 0.4
    neighbors = rng.normal(size=(n_samples, 2))
    return ({"taus": TAUS, "points": points, "nearest": nearest},
            {"points": neighbors + 0.1, "neighbors": neighbors, "d1": np.full(n_samples, 0.14),
             "ratio": np.linspace(0.1, 1, n_samples)})


def theories_tables(rng, n_pairs=12):
    """Return {table: raw} and the summary: û* is nearest early, then patches, and Wiener nowhere."""
    rows = [{"theory": theory, "fitted_on": fitted_on, "n": N, "compared": compared, "states": states, "t": t,
             "pair": k, "patch_size": 3 if theory == "patches" else 0, "squared_error": error * rng.uniform(0.8, 1.2),
             "optimum_error": t * rng.uniform(0.8, 1.2), "squared_norm": 2.0, "cosine": 0.9, "r2": 0.5,
             "squared_correlation": 0.6}
            for states in KINDS for t in TIMES[::2] for k in range(n_pairs)
            for theory, error in (("closed_form", t), ("patches", 0.4), ("wiener", 0.8))
            for fitted_on, compared in (("train", False), ("train", True), ("heldout", True))]
    raw = pd.DataFrame(rows)
    samples = pd.DataFrame([{"theory": theory, "fitted_on": "train", "sample": k, "r2": 0.1 * (k % 9),
                             "squared_correlation": 0.9} for theory in raw["theory"].unique() for k in range(n_pairs)])
    sizes = pd.DataFrame([{"theory": "patches", "t": t, "patch_size": size, "low": size - 2, "high": size + 2, "n": 10,
                           "chosen": "calibrated"} for t, size in zip(TIMES, range(15, 0, -1), strict=True)])
    return {"theories": raw, "theories_samples": samples, "theories_patch_sizes": sizes}, pd.concat(
        [theories.summarise(raw), theories.of_samples(samples)], ignore_index=True)


def run_json(name="digits", **changes):
    """Return a run.json like those that commands write."""
    return {"fmdiag": "0.1.0", "command": "fmdiag report data/digits.pt", "name": "report-digits",
            "diagnostics": {"alignment": {"n_pairs": 40}, "error": {"n_pairs": 40}, "hybrid": {"n_noises": 20},
                            "memorization": {"n_samples": 60}, "quality": {"n_samples": 60},
                            "membership": {"n_images": 30}, "provenance": {"n_noises": 30},
                            "canaries": {"n_canaries": 24}, "agreement": {"n_samples": 30},
                            "gradient-variance": {"n_samples": 12}, "theories": {"n_pairs": 12},
                            "pairing": {"n_pairs": 30}, "uturn": {"n_starts": 12}, "symmetry": {},
                            "duplicates": {"threshold": 1 / 3}, "geometry": {"n_images": 24}, "patches": {},
                            "study_size": {},
                            "study_losses": {}, "study_time": {}, "watch": {}},
            "dataset": {"name": name, "split": "train", "n": N, "shape": [1, 8, 8], "hflip": False, "dtype": "uint8",
                        "divisor": 8.0, "shift": -1.0, "fingerprint": "ab" * 32},
            "checkpoint": {"file": "digits.pt", "sha256": "cd" * 32, "family": "native", "steps": 20000},
            "seed": 0, "device": "cpu", "dtype": "float32", "versions": {"torch": "2.13.0"},
            "started": "2026-01-01T00:00:00Z", "seconds": 12.5} | changes


def write_run(path, *, arrays=picture_arrays, sizes=(8, 16), document=None, seed=0):
    """Write a complete synthetic run folder and return its path."""
    rng = np.random.default_rng(seed)
    (path / "arrays").mkdir(parents=True)
    parts = {"alignment": alignment_tables(rng, sizes), "error": error_tables(rng), "hybrid": hybrid_tables(rng),
             "memorization": memorization_tables(rng), "quality": quality_tables(rng)}
    swept, curves, area = sweep_tables(parts["memorization"][0])
    save_table(path, "sweep", swept)
    save_table(path, "roc", curves)
    gradients, curves, gradient_summary = gradient_tables(rng)
    parts |= {"gradient-variance": (gradients, gradient_summary), "pairing": pairing_tables(rng),
              "uturn": uturn_tables(), "symmetry": symmetry_tables(), "duplicates": duplicates_tables(rng),
              "geometry": geometry_tables(), "patches": patches_tables()}
    save_table(path, "duplicates_nearest", nearest_table(rng))
    save_table(path, "gradient-variance-curves", curves)
    for name, (raw, _) in parts.items():
        save_table(path, name, raw)
    save_table(path, "loss", pd.DataFrame({"step": np.arange(1, 101), "loss": 1 / np.arange(1, 101)}))
    save_table(path, "monitor", pd.DataFrame([
        {"step": step, "quantity": quantity, "value": 0.5, "low": 0.4, "high": 0.6, "level": 0.95, "n": 16,
         "interval": "student", "p": np.nan, "seconds": 0.1, "measure": "own", "note": ""}
        for step in (100, 200, 300) for quantity in ("loss_train", "loss_heldout", "error_train", "f_mem", "auc")]))
    further, summary = audit_tables(rng)
    for name, raw in further.items():
        save_table(path, name, raw)
    fields, of_fields = theories_tables(rng)
    for name, raw in fields.items():
        save_table(path, name, raw)
    summaries = [*(summary for _, summary in parts.values()), area, summary, of_fields, study_summary(rng)]
    save_table(path, "summary", pd.concat(summaries, ignore_index=True))
    write_study(path, rng, (1, 8, 8) if arrays is picture_arrays else (2,))
    for name, values in zip(("hybrid", "memorization"), arrays(rng), strict=True):
        np.savez_compressed(path / "arrays" / f"{name}.npz", **values)
    if arrays is picture_arrays:
        np.savez_compressed(path / "arrays" / "uturn.npz", **uturn_arrays(rng))
        np.savez_compressed(path / "arrays" / "duplicates.npz", **duplicates_arrays(rng))
        np.savez_compressed(path / "arrays" / "geometry.npz", **geometry_arrays(rng))
        np.savez_compressed(path / "arrays" / "patches.npz", **patches_arrays())
    for name, values in audit_arrays(rng, arrays is picture_arrays).items():
        np.savez_compressed(path / "arrays" / f"{name}.npz", **values)
    np.savez_compressed(path / "arrays" / "pairing.npz", **pairing_arrays(rng, arrays is point_arrays))
    (path / "run.json").write_text(json.dumps(document or run_json()))
    return path
