"""Devices that fail: whether an exception is about a GPU, and so about no input, whatever was being computed."""

import re

from fmdiag.memory import is_out_of_memory

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
