"""Run of the pairing test: pairs are made or loaded, a model per noise on the path is trained, noises integrated."""

import numpy as np
import pandas as pd
import torch

from fmdiag.checkpoints import save_checkpoint
from fmdiag.checkpoints.file import read_torch_file, write_torch_file
from fmdiag.datasets import TrainingSet
from fmdiag.diagnostics.gradient_variance.couplings import load_pairs
from fmdiag.diagnostics.pairing import measure as pairing
from fmdiag.errors import FmdiagError
from fmdiag.fields import NetworkField
from fmdiag.files.npz import read_npz
from fmdiag.files.replace import replace_atomically
from fmdiag.results import Result
from fmdiag.sampling import draw_noise, sample
from fmdiag.training import choose_network, restore
from fmdiag.training.interpolants import Interpolant
from fmdiag.training.pairs import checkpoint_of, train_pairs

N_PAIRS, MOST_PICTURES, MOST_POINTS, FRESH = 1000, 8, 500, 2000


def data(parameters, seed):
    """Return the targets as the data of the run, where no data set is read; else None."""
    if parameters.pairs is not None and parameters.crossing is not None:
        raise FmdiagError("give one of --pairs and --crossing")
    if parameters.pairs is not None:
        return TrainingSet(load_pairs(parameters.pairs)[1][: parameters.n_pairs].numpy(), name=str(parameters.pairs))
    if parameters.crossing is not None:
        return TrainingSet(_crossing(parameters, torch.Generator().manual_seed(seed)).x1.numpy(), name="half turn + 5")
    return None


def run(context, parameters):
    """Return the Result; the trained models are among its files. Of several ranks one trains and the others wait."""
    return context.group.once(lambda: _measured(context, parameters))


def _measured(context, parameters):
    folder = context.work("pairing", parameters)
    pairs = _kept(folder / "pairs.npz", lambda: _pairs(context, parameters))
    fields = {sigma: _trained(context, parameters, folder, pairs, sigma) for sigma in parameters.sigmas}
    ends = pairing.integrate_noises(fields, pairs, closed_form=parameters.closed_form, noise=parameters.noise,
                                    n_steps=parameters.n_steps)
    table = pairing.measure(ends, pairs)
    summary, vectors = pairing.summarise(table), pairs.x0.ndim == 2
    if vectors:
        fresh = pairing.discrepancies(ends, pairs, _fresh(context, pairs))
        summary = pd.concat([summary, fresh], ignore_index=True)
    recorded = {name: getattr(parameters, name) for name in ("sigmas", "noise", "steps", "batch_size", "lr", "n_steps")}
    files = {f"sigma-{sigma:g}.pt": folder / f"sigma-{sigma:g}.checkpoint.pt" for sigma in parameters.sigmas}
    return Result("pairing", table, summary, {"kind": pairs.kind, "n_pairs": len(pairs.x0), **recorded},
                  arrays={"pairing": _pictures(context, pairs, ends, vectors)},
                  facts={"reading": pairing.verdict(summary)}, files={**files, "pairs.npz": folder / "pairs.npz"})


def _crossing(parameters, generator):
    return pairing.crossing_pairs(parameters.n_pairs or N_PAIRS, parameters.crossing, generator=generator)


def _pairs(context, parameters):
    """Return the FixedPairs of a new run."""
    generator, rows = context.generator(), context.training_set
    if parameters.pairs is not None:
        x0, x1 = load_pairs(parameters.pairs)
        return pairing.given_pairs(x0[: parameters.n_pairs], x1[: parameters.n_pairs])
    if parameters.crossing is not None:
        return _crossing(parameters, generator)
    n = parameters.n_pairs or min(N_PAIRS, rows.n)
    if context.field is None:
        return pairing.permuted_pairs(rows, n, generator=generator)
    x0 = draw_noise(n, rows.shape, generator=generator)
    return pairing.given_pairs(x0, sample(context.field, x0, parameters.n_steps), "reflow")


def _kept(file, make):
    """Return the pairs, made once and then read: a resumed run trains on the same bits."""
    if not file.is_file():
        pairs = make()

        def write(temporary):
            with open(temporary, "wb") as stream:
                np.savez(stream, x0=pairs.x0.numpy(), x1=pairs.x1.numpy(), ot=pairs.ot.numpy(), kind=pairs.kind)

        replace_atomically(file, write)
    kept = read_npz(file)
    return pairing.FixedPairs(*(torch.from_numpy(kept[name]) for name in ("x0", "x1", "ot")), str(kept["kind"]))


def _trained(context, parameters, folder, pairs, sigma):
    """Return the field of the averaged weights after training with this noise, continued where it stopped."""
    state_file, checkpoint_file = (folder / f"sigma-{sigma:g}.{kind}.pt" for kind in ("state", "checkpoint"))
    spec = choose_network(pairs.x0.shape[1:], parameters.network, width=parameters.width, depth=parameters.depth)

    def save(state):
        write_torch_file(state.content(), state_file)
        save_checkpoint(checkpoint_of(state), checkpoint_file, raw=False)

    state = None
    if state_file.is_file():
        state = restore(read_torch_file(state_file), device=context.device, file=state_file)
    with context.training_progress() as progress:
        state = train_pairs(
            pairs.x0, pairs.x1, spec, interpolant=Interpolant(sigma, parameters.noise), steps=parameters.steps,
            batch_size=parameters.batch_size, lr=parameters.lr, seed=context.seed, device=context.device, state=state,
            dataset={**context.training_set.describe(), "pairs": pairs.kind}, save=save, progress=progress,
            save_seconds=parameters.save_seconds)
    state.module.load_state_dict(state.ema)
    return NetworkField(state.module, pairs.x0.shape[1:])


def _fresh(context, pairs):
    """Return fresh examples of the distribution of the targets, None where there are none."""
    if pairs.kind == "crossing":
        return 5 + torch.randn(FRESH, pairs.x0.shape[1], generator=torch.Generator().manual_seed(1))
    held_out = context.training_set.unseen if pairs.kind == "permuted" else None
    return None if held_out is None else held_out[:FRESH]


def _pictures(context, pairs, ends, vectors):
    """Return the arrays that the strip shows: names, and per name the pictures, or points, of the first noises."""
    named = {"memorised": pairs.x1, "ot": pairs.ot,
             **{f"{source}_{sigma:g}": x for (source, sigma), x in ends.items()}}
    if vectors and pairs.x0.shape[1] < 2:
        return {}
    if vectors:  # of more than two coordinates the first two
        shown = {"points": np.stack([x[:MOST_POINTS, :2].numpy() for x in named.values()])}
    else:
        shown = {"images": np.stack([context.training_set.to_uint8(x[:MOST_PICTURES]).numpy() for x in named.values()])}
    return {"names": np.array(list(named)), **shown}
