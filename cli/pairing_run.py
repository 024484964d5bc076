"""What `fmdiag pairing` does: make or load the pairs, train a model per noise, integrate, record."""

import contextlib
import json
import re
import shutil
from pathlib import Path

from .echo import echo
from .session import Session
from .training_run import Progress

# Files of an unfinished run.
OURS = re.compile(r"\.?(request\.json|pairs\.npz|sigma-\S+\.(state|checkpoint)\.pt)(\.\w{8}\.partial)?")
# What fixes the pairs and the training; anything else may differ when a stopped run goes on.
FIXED = ("pairs", "source", "crossing", "n_pairs", "sigmas", "noise", "kind", "width", "depth", "steps", "batch_size",
         "lr", "dataset", "split", "n_rows", "size", "hflip", "seed")


def run_pairing(options):
    """Run the pairing test as the options say; what was trained survives any interruption."""
    from fmdiag.diagnostics import pairing
    from fmdiag.errors import FmdiagError

    with Session("pairing", options, options["source"], rows=_own_rows(options)) as session:
        work = Work(Path(f"{session.folder.out}.training"), options)
        try:
            pairs = work.pairs(lambda: _pairs(session, options))
            fields = {sigma: _trained(work, pairs, sigma, session, options) for sigma in options["sigmas"]}
        except FmdiagError:
            # Wrong input leaves nothing behind; what was trained stays.
            work.discard_untrained()
            raise
        except KeyboardInterrupt:
            echo(f"training so far is kept in {work.path}/: the same command goes on from there", err=True)
            raise
        ends = pairing.integrate_noises(fields, pairs, closed_form=options["closed_form"], noise=options["noise"],
                                        n_steps=options["n_steps"])
        _record(session, pairs, ends, options)
        for file in work.path.glob("*.checkpoint.pt"):
            shutil.copy(file, session.folder.path / file.name.replace(".checkpoint", ""))
        session.page = True
    work.remove()


def _own_rows(options):
    """Return the targets as the data of the run where no data set is read; None where one is."""
    import torch

    from fmdiag.datasets import TrainingSet
    from fmdiag.diagnostics import pairing
    from fmdiag.diagnostics.couplings import load_pairs

    if options["pairs"] is not None:
        x1 = load_pairs(options["pairs"])[1]
        return TrainingSet(x1[: options["n_pairs"]].numpy(), name=str(options["pairs"]))
    if options["crossing"] is not None:
        pairs = pairing.crossing_pairs(options["n_pairs"] or 1000, options["crossing"],
                                       generator=torch.Generator().manual_seed(options["seed"]))
        return TrainingSet(pairs.x1.numpy(), name="half turn + 5")
    return None


def _pairs(session, options):
    """Return the FixedPairs of a new run."""
    import torch

    from fmdiag.diagnostics import pairing
    from fmdiag.diagnostics.couplings import load_pairs
    from fmdiag.sampling import draw_noise, sample

    generator = torch.Generator().manual_seed(options["seed"])
    if options["pairs"] is not None:
        x0, x1 = load_pairs(options["pairs"])
        return pairing.given_pairs(x0[: options["n_pairs"]], x1[: options["n_pairs"]])
    if options["crossing"] is not None:
        return pairing.crossing_pairs(options["n_pairs"] or 1000, options["crossing"], generator=generator)
    n = options["n_pairs"] or min(1000, session.training_set.n)
    if options["source"] is not None:
        x0 = draw_noise(n, session.training_set.shape, generator=generator)
        return pairing.given_pairs(x0, sample(session.checkpoint.field, x0, options["n_steps"]), "reflow")
    return pairing.permuted_pairs(session.training_set, n, generator=generator)


def _trained(work, pairs, sigma, session, options):
    """Return the field of the averaged weights after training with this noise, continued where it stopped."""
    from fmdiag.fields import NetworkField
    from fmdiag.training import choose_network
    from fmdiag.training.interpolants import Interpolant
    from fmdiag.training.pairs import train_pairs

    spec = choose_network(pairs.x0.shape[1:], options["kind"], width=options["width"], depth=options["depth"])
    with Progress() as progress:
        state = train_pairs(
            pairs.x0, pairs.x1, spec, interpolant=Interpolant(sigma, options["noise"]), steps=options["steps"],
            batch_size=options["batch_size"], lr=options["lr"], seed=options["seed"], device=session.device,
            dataset={**session.training_set.describe(), "source": options["dataset"], "pairs": pairs.kind},
            state=work.state(sigma, session.device), save=lambda state: work.save(sigma, state), progress=progress,
            save_seconds=options["save_seconds"])
    state.module.load_state_dict(state.ema)
    return NetworkField(state.module, pairs.x0.shape[1:])


class Work:
    """The folder of an unfinished run: request.json, pairs.npz, and per noise a state and a checkpoint.

    Parameters
    ----------
    path : Path
        The folder; it may be that of a run that was stopped.
    options : dict
        The command's options.

    Raises
    ------
    FmdiagError
        If the folder belongs to a run with other options, or is no such folder.
    """

    def __init__(self, path, options):
        from fmdiag.errors import FmdiagError
        from fmdiag.files.documents import read_document
        from fmdiag.results import replace_atomically

        self.path, request = path, self.path_of(path)
        wanted = json.loads(json.dumps({name: options[name] for name in FIXED}, default=str))
        if path.exists() and not request.is_file() and any(path.iterdir()):
            raise FmdiagError(f"{path} is not the folder of an unfinished pairing run: choose another --out")
        if request.is_file():
            kept = read_document(request, dict, then="remove that folder, or choose another --out")
            other = [name for name in FIXED if kept.get(name) != wanted[name]]
            if other:
                raise FmdiagError(f"{path} holds an unfinished run with {other[0]} {kept.get(other[0])}, not "
                                  f"{wanted[other[0]]}: repeat its options to finish it, remove it, or choose another "
                                  "--out")
        replace_atomically(request, lambda temporary: Path(temporary).write_text(json.dumps(wanted, indent=1) + "\n"))

    @staticmethod
    def path_of(path):
        """Return where the folder says which run it belongs to."""
        return path / "request.json"

    def discard_untrained(self):
        """Remove the folder unless a model has been saved in it."""
        if not any(self.path.glob("*.state.pt")):
            self.remove()

    def remove(self):
        """Remove the files of the run, and the folder if nothing else is in it."""
        for file in [*self.path.iterdir()] if self.path.is_dir() else []:
            if OURS.fullmatch(file.name):
                file.unlink()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def pairs(self, make):
        """Return the pairs, made once and then read: a resumed run trains on the same bits."""
        import numpy as np
        import torch

        from fmdiag.diagnostics.pairing import FixedPairs
        from fmdiag.files.npz import read_npz
        from fmdiag.results import replace_atomically

        file = self.path / "pairs.npz"
        if not file.is_file():
            pairs = make()
            def write(temporary):
                with open(temporary, "wb") as stream:
                    np.savez(stream, x0=pairs.x0.numpy(), x1=pairs.x1.numpy(), ot=pairs.ot.numpy(), kind=pairs.kind)

            replace_atomically(file, write)
        kept = read_npz(file)
        return FixedPairs(*(torch.from_numpy(kept[name]) for name in ("x0", "x1", "ot")), str(kept["kind"]))

    def state(self, sigma, device):
        """Return the saved TrainingState of one noise, or None."""
        from fmdiag.checkpoints.file import read_torch_file
        from fmdiag.training import restore

        file = self.path / f"sigma-{sigma:g}.state.pt"
        return restore(read_torch_file(file), device=device, file=file) if file.is_file() else None

    def save(self, sigma, state):
        """Write the state and, beside it, a checkpoint that every fmdiag command reads."""
        from fmdiag.checkpoints import save_checkpoint
        from fmdiag.checkpoints.file import write_torch_file
        from fmdiag.training.pairs import checkpoint_of

        write_torch_file(state.content(), self.path / f"sigma-{sigma:g}.state.pt")
        save_checkpoint(checkpoint_of(state), self.path / f"sigma-{sigma:g}.checkpoint.pt", raw=False)


def _record(session, pairs, ends, options):
    import numpy as np
    import pandas as pd

    from fmdiag.diagnostics import pairing

    table = pairing.measure(ends, pairs)
    summary, vectors = pairing.summarise(table), pairs.x0.ndim == 2
    if vectors:
        summary = pd.concat([summary, pairing.discrepancies(ends, pairs, _law(session, pairs))], ignore_index=True)
    parameters = {"kind": pairs.kind, "n_pairs": len(pairs.x0), **{name: options[name] for name in (
        "sigmas", "noise", "steps", "batch_size", "lr", "n_steps")}}
    session.record("pairing", table, summary, parameters, **_pictures(session, pairs, ends, vectors))
    np.savez_compressed(session.folder.path / "pairs.npz", x0=pairs.x0.numpy(), x1=pairs.x1.numpy(),
                        ot=pairs.ot.numpy())
    session.facts["verdict"] = pairing.verdict(summary)


def _law(session, pairs):
    """Return fresh rows of the law of the targets, None where there are none."""
    import torch

    if pairs.kind == "crossing":
        return 5 + torch.randn(2000, pairs.x0.shape[1], generator=torch.Generator().manual_seed(1))
    held_out = session.training_set.unseen if pairs.kind == "permuted" else None
    return None if held_out is None else held_out[:2000]


def _pictures(session, pairs, ends, vectors, most=8):
    """Return the arrays that the strip shows: names, and per name the pictures, or points, of the first noises."""
    import numpy as np

    named = {"memorised": pairs.x1, "ot": pairs.ot,
             **{f"{source}_{sigma:g}": x for (source, sigma), x in ends.items()}}
    if vectors:
        # More than two coordinates: the first two.
        shown = {"points": np.stack([x[:500, :2].numpy() for x in named.values()])}
        return {"names": np.array(list(named)), **shown} if pairs.x0.shape[1] >= 2 else {}
    images = np.stack([session.training_set.to_uint8(x[:most]).numpy() for x in named.values()])
    return {"names": np.array(list(named)), "images": images}
