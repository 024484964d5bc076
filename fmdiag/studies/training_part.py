"""One model of a study: trained, and measured while it trains and at the end.

Measured with the averaged weights. After every step of `evaluate`: Fréchet distances of the samples to all training
rows and to all held-out rows, mean distance to the nearest training row, memorised share. At the end besides: the error
curve E||u_theta - û*||^2 per t, every judged sample, and a few pictures. Samples start from the same noises.

Interrupted work goes on from the state that was saved last, to the same bits.
"""

import time
import warnings
from functools import partial

import pandas as pd
import torch

from fmdiag.checkpoints import save_checkpoint
from fmdiag.checkpoints.file import read_torch_file, write_torch_file
from fmdiag.diagnostics.error import measure as error
from fmdiag.diagnostics.memorization import measure as memorization
from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.fields import NetworkField, build_network
from fmdiag.metrics.frechet import frechet_distance
from fmdiag.paths import path_from_description
from fmdiag.sampling import draw_noise, sample
from fmdiag.studies.data import generator
from fmdiag.training import restore, resume, train

N_PICTURES = 12
SAVE_SECONDS = 60.0
STATE, CHECKPOINT = "state.pt", "checkpoint.pt"
SETTINGS = ("batch_size", "lr", "warmup", "clip", "ema_decay", "precision", "seed")


def make(part, data, store, *, device="cpu", progress=None):
    """Train and measure one model, and publish the part.

    Parameters
    ----------
    part : Part
        Of kind "training".
    data : StudyData
    store : PartStore
    device : str or torch.device
        Where the network computes.
    progress : callable, optional
        As in `fmdiag.training.train`.
    """
    inputs, started = part.inputs, time.monotonic()
    training_set, order = data.subset(inputs["data"])
    with store.work(part) as work:
        state, rows = _resumed(work, device)
        for step in inputs["evaluate"]:
            if state is None or state.step < step:
                state = _train(state, inputs, step, training_set, data, device, progress,
                               partial(_save, work, rows))
            if step not in {row["step"] for row in rows}:
                samples = draw(_field(state, device), inputs, training_set.shape)
                rows = [*rows, {"step": step, **judge(samples, inputs, training_set, order, data)}]
                _save(work, rows, state)
        field = _field(state, device)
        samples = draw(field, inputs, training_set.shape)
        judged = nearest_rows(samples, inputs, training_set)
        save_checkpoint(state.checkpoint(), work / CHECKPOINT, raw=False)
        store.publish(part, {"quality": pd.DataFrame(rows), "loss": pd.DataFrame(state.log)[["step", "loss"]],
                             "error": error_curve(field, inputs, training_set), "memorization": judged},
                      {"pictures": pictures(samples, judged, training_set)},
                      {"seconds": round(time.monotonic() - started, 1)}, [work / CHECKPOINT])


def _train(state, inputs, step, training_set, data, device, progress, save):
    if state is not None:
        return resume(state, training_set, steps=step, device=device, save=save, progress=progress,
                      save_seconds=SAVE_SECONDS)
    subset = inputs["data"]
    record = {**data.record, "subset_n": subset["n"] if subset["n"] < data.training_set.n_stored else None,
              "subset_seed": subset["subset_seed"]}
    objective = dict(inputs["objective"])
    return train(training_set, inputs["network"], path=path_from_description(inputs["path"]),
                 loss=objective.pop("loss"), objective=objective, steps=step, device=device, dataset=record, save=save,
                 progress=progress, save_seconds=SAVE_SECONDS, **{name: inputs[name] for name in SETTINGS})


def _save(work, rows, state):
    write_torch_file({"state": state.content(), "rows": rows}, work / STATE)


def _resumed(work, device):
    file = work / STATE
    if not file.is_file():
        return None, []
    try:
        content = read_torch_file(file)
        return restore(content["state"], device=device, file=file), content["rows"]
    except (FmdiagError, KeyError, TypeError) as error:
        warnings.warn(f"{file} is damaged, so this model is trained from the start ({error})", FmdiagWarning,
                      stacklevel=2)
        return None, []


def _field(state, device):
    """Return the velocity field of the averaged weights, a copy."""
    module = build_network(state.settings["network"])
    module.load_state_dict(state.ema)
    return NetworkField(module.to(device), state.settings["network"]["shape"])


def draw(field, inputs, shape):
    """Return the samples that a run is judged by, shape (n_samples, *shape), from the noises of its seed."""
    noise = draw_noise(inputs["n_samples"], shape, generator=generator(inputs["seed"], "noise"))
    samples = sample(field, noise, inputs["n_steps"])
    return samples[torch.isfinite(samples).flatten(1).all(1)]   # those that diverged were named in a warning


def judge(samples, inputs, training_set, order, data):
    """Return the quality of samples as a dict: frechet_train, frechet_test, d1, f_mem, n_nearest.

    Parameters
    ----------
    samples : Tensor, shape (n, *shape)
    order : ndarray of int
        The subset's row numbers in the whole set.
    """
    features = data.embed(samples)
    table = nearest_rows(samples, inputs, training_set)
    return {"frechet_train": frechet_distance(features, data.train_features[order]),
            "frechet_test": frechet_distance(features, data.test_features),
            "d1": float(table["d1"].mean()), "f_mem": float(table["memorized"].mean()), "n_nearest": len(table)}


def nearest_rows(samples, inputs, training_set):
    """Return the table of `memorization` for the first n_nearest samples, pixels being the space of distances."""
    chosen = samples[: inputs["n_nearest"]]
    return memorization.tabulate(range(len(chosen)), chosen, training_set, source="model")


def error_curve(field, inputs, training_set):
    """Return squared_error, conditional_variance and cfm_loss per t: means over pairs, of one model."""
    table = error.measure(field, training_set, states="train", times=inputs["times"], n_pairs=inputs["n_pairs"],
                          path=path_from_description(inputs["path"]), generator=generator(inputs["seed"], "pairs"))
    columns = ["squared_error", "conditional_variance", "cfm_loss", "source_weight"]
    return table.groupby("t", as_index=False)[columns].mean()


def pictures(samples, judged, training_set):
    """Return the first samples, not chosen by any merit, with their nearest training rows: uint8 for images."""
    few = judged.head(N_PICTURES)
    pair = samples[: len(few)], training_set[few["nearest"].tolist()]
    if len(training_set.shape) == 3:
        pair = tuple(training_set.to_uint8(part) for part in pair)
    return {"samples": pair[0].numpy(), "neighbors": pair[1].numpy(), "ratio": few["ratio"].to_numpy()}
