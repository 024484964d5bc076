"""What does a command work on? Its checkpoint, training rows, decoder, device and free name, from its options."""

import itertools
import os
from pathlib import Path

from fmdiag.errors import FmdiagError
from fmdiag.files.destination import slug

from .options import CHOICES
from .parts import Parts

# Options that `load_dataset` takes under the same name.
READING = ("split", "size", "hflip", "held_out", "data_root", "skip_bad", "value_range", "offline", "verify",
           "orientation")


def open_checkpoint(session, **changes):
    """Return the checkpoint under the options, some of them changed; None for commands without one."""
    if session.checkpoint_file is None:
        return None
    from fmdiag.checkpoints import load_checkpoint

    choices = {name: session.options.get(name) for name in CHOICES}
    return load_checkpoint(session.checkpoint_file, device=session.device, **choices | changes)


def open_training_set(session):
    """Return the rows under the options; what was not given is as the checkpoint records it."""
    if session.rows is not None:
        return session.rows
    if session.checkpoint is not None:
        return session.checkpoint.training_set(session.options["dataset"], **given_reading(session.options),
                                               allow_mismatch=session.options.get("allow_mismatch", False),
                                               accept_reading=session.options.get("accept_reading", False))
    wanted = {"n": session.options["n_rows"], **{name: session.options[name] for name in READING}}
    from fmdiag.datasets import load_dataset

    wanted["hflip"] = bool(wanted["hflip"])
    return load_dataset(session.options["dataset"] or "digits", **wanted)


def given_reading(options):
    """Return how rows are to be read where the user says so: what was not given is as the checkpoint records it."""
    wanted = {"n": options["n_rows"], **{name: options[name] for name in READING}}
    # Only --no-hflip is given where it is False.
    given = {name: value for name, value in wanted.items()
             if value is not None and (value is not False or name == "hflip")}
    given.pop("split") if given["split"] == "train" else None
    return given


def sampling_times(session, n_steps):
    """Return the times of samples where --times-of-scheduler asks for the scheduler's own; else None."""
    from fmdiag.errors import FmdiagError

    if not session.options.get("times_of_scheduler"):
        return None
    times = getattr(getattr(session.checkpoint.field, "foreign", None), "times", None)
    if times is None:
        raise FmdiagError(f"--times-of-scheduler: {session.checkpoint.file} has no scheduler beside its network: leave "
                          "it out")
    return times(n_steps)


def open_decoder(session):
    """Return the decoder, tried on a training row, and note what the pictures show; None for other commands."""
    if "decoder" not in session.options:
        return None
    from fmdiag.checkpoints import is_latent, load_decoder
    from fmdiag.diagnostics.pictures import note

    file, trust_code = session.options["decoder"], session.options["trust_code"]
    decoder = None if file is None else load_decoder(file, device=session.device, trust_code=trust_code)
    if decoder is not None:
        decoder(session.training_set[[0]])
        session.facts["decoder"] = decoder.description
    said = note(session.training_set, latents=is_latent(session.checkpoint), decoder=decoder)
    session.facts |= {} if said is None else {"pictures": said}
    return decoder


def free_parts(session):
    """Take a name for a run that was given none: the first that is neither there nor being written."""
    base = Path("reports") / f"{session.name}-{slug(Path(session.training_set.name).stem)}"
    if session.options["overwrite"]:
        return session.enter_context(Parts(base))
    return first_free(session, (base if k == 1 else base.with_name(f"{base.name}-{k}") for k in itertools.count(1)))


def first_free(stack, paths, kind="run"):
    """Enter, on an ExitStack, the Parts of the first path that is neither there nor being written; return them."""
    for path in paths:
        if os.path.lexists(path):
            continue
        found = Parts(path, kind)
        try:
            return stack.enter_context(found)
        except FmdiagError:
            if not found.lock.taken:
                raise


def choose_device(name):
    """Return the torch device; ``auto`` is CUDA where there is one (MPS has no float64, which û* needs).

    Raises
    ------
    FmdiagError
        If the device is unknown or not on this machine.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise FmdiagError(f"--device {name}: no such device; use auto, cpu, cuda or cuda:1") from error
    try:
        torch.zeros(1, dtype=torch.float64, device=device).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].split(". ")[0][:80]
        raise FmdiagError(f"--device {name}: not usable on this machine ({reason}); use auto or cpu") from error
    return device
