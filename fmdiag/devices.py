"""Devices: which one is used, and whether an exception is about one that failed, and so about no input."""

import re
from typing import TYPE_CHECKING

from fmdiag.errors import FmdiagError
from fmdiag.memory import is_out_of_memory

if TYPE_CHECKING:
    import torch

# How torch begins the message of a call that a device no longer answers, and of one between devices.
LOST = re.compile(r"\s*(CUDA|HIP|XPU|MPS) error\b|\bNCCL [Ee]rror\b|"
                  r"\bCU(BLAS|DNN|SOLVER)_STATUS_(EXECUTION|INTERNAL|MAPPING|NOT_INIT)")


def is_lost_device(error: BaseException) -> bool:
    """Return whether an exception says that a GPU failed: it fell off its bus, was reset, or met an illegal access."""
    import torch

    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    return isinstance(error, getattr(torch, "AcceleratorError", ())) or LOST.search(str(error)) is not None


def is_of_the_machine(error: BaseException) -> bool:
    """Return whether an exception is about memory or a device, whatever was being computed."""
    return is_out_of_memory(error) or is_lost_device(error)


def choose_device(name: "str | torch.device", dtype: "torch.dtype | None" = None) -> "torch.device":
    """Return the torch device; ``auto`` is CUDA where there is one, else Apple's GPU where `dtype` allows it.

    Parameters
    ----------
    name : str or torch.device
    dtype : torch.dtype, optional
        Of numbers that it must have; default float64.

    Raises
    ------
    FmdiagError
        If the device is unknown, not on this machine, or has no numbers of this dtype.
    """
    import torch

    if str(name) == "cpu":
        return torch.device("cpu")
    dtype = dtype or torch.float64
    if name == "auto":
        apple = dtype != torch.float64 and torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if apple else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise FmdiagError(f"--device {name}: no such device; use auto, cpu, cuda or cuda:1") from error
    try:
        torch.zeros(1, dtype=dtype, device=device).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].split(". ")[0][:80]
        raise FmdiagError(f"--device {name}: not usable on this machine ({reason}); use auto or cpu") from error
    return device


def closed_form_device(device: "torch.device") -> "torch.device":
    """Return where û* is computed beside a network on `device`: the CPU for Apple's GPU, which has no float64."""
    import torch

    return torch.device("cpu") if device.type == "mps" else device
