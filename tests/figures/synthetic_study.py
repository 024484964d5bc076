"""Tables of studies with the columns of real ones: three sizes or objectives, two seeds."""

from itertools import product

import numpy as np
import pandas as pd

from fmdiag.results import save_table
from fmdiag.stats import row, summary_row

STEPS = [100, 200, 400]


def study_summary(rng):
    """Return the summary rows of all three kinds of studies, and of a watch."""
    rows = []
    for k, (n, width) in enumerate(product((10, 100, 1000), (8, 16))):
        keys = {"n_train": n, "width": width, "objective": "cfm"}
        for name in ("frechet_test", "frechet_train", "d1", "f_mem"):
            rows.append(summary_row("study_size", name, rng.uniform(0.1, 0.2, 2) * (k + 1), **keys))
            rows += [summary_row("study_time", name, rng.uniform(0.1, 0.2, 2) * (k + 1), step=step, **keys)
                     for step in STEPS]
        for name in ("tau_gen", "tau_mem"):
            rows.append(summary_row("study_time", name, rng.uniform(90, 110, 2) * (1 + k), **keys))
        rows.append(summary_row("study_time", "memorising_models", [True, n < 1000], interval="exact", **keys))
        for study in ("study_size", "study_time"):
            rows += [summary_row(study, name, [0.5, 0.6], n_train=n, objective="")
                     for name in ("frechet_copies", "d1_train", "d1_heldout", "f_mem_null", "f_mem_control")]
        rows += [summary_row("study_size", "squared_error", rng.uniform(0.1, 0.2, 2) * (k + t), t=t, **keys)
                 for t in (0.1, 0.5, 0.9)]
    rows += [row(study, "emm", found, n=1500, interval="exact_inverted", width=width, objective="cfm")
             for study in ("study_size", "study_time")
             for width, found in ((8, (0.0, 0.0, 10.0)), (16, (31.0, 10.0, 1000.0)))]
    for k, objective in enumerate(("cfm", "otcfm", "efm M=128")):
        keys = {"n_train": 1000, "objective": objective}
        for name in ("frechet_test", "frechet_train", *(["frechet_test_minus_cfm"] if k else [])):
            rows += [summary_row("study_losses", name, rng.uniform(1, 2, 2) * (k + 1), step=step, **keys)
                     for step in STEPS]
        rows += [summary_row("study_losses", "squared_error", rng.uniform(0.1, 0.2, 2), t=t, **keys)
                 for t in (0.1, 0.5, 0.9)]
    watched = ("error_train", "error_heldout", "error_model", "error_closed_form", "loss_train", "loss_heldout", "auc",
               "f_mem", "f_mem_heldout", "d1", "frechet_test")
    rows += [summary_row("watch", name, rng.uniform(0.1, 0.2, 2), step=step) for name in watched for step in STEPS]
    rows += [row("watch", "tau_mem", (400.0, 200.0, 400.0), n=3, interval="looks"),
             row("watch", "tau_gen", (200.0, 0.0, 400.0), n=3, interval="looks")]
    return pd.DataFrame(rows)


def write_study(path, rng, shape):
    """Add the tables and pictures of all three kinds of studies to a run folder."""
    models = pd.DataFrame([{"n_train": n, "width": width, "objective": "cfm", "seed": seed, "step": step,
                            "loss": 1 / step}
                           for n in (10, 100, 1000) for width in (8, 16) for seed in (0, 1) for step in STEPS])
    for kind in ("size", "losses", "time"):
        save_table(path, f"study_{kind}", models)
    save_table(path, "training_loss", models)
    images = rng.integers(0, 256, (3, 4, *shape)).astype(np.uint8 if len(shape) == 3 else float)
    for kind in ("size", "losses"):
        np.savez_compressed(path / "arrays" / f"study_{kind}.npz", n_train=[10, 100, 1000], samples=images,
                            neighbors=images[::-1], objective=["cfm", "otcfm", "efm M=128"])
