"""Training state that a look leaves as it was: random generators, modes, buffers, gradients and torch's switches.

A network may draw random numbers, count calls in a buffer or set a switch when it is asked; training that goes on
afterwards must give the same bits as without the look.
"""

import random
import warnings
from contextlib import contextmanager

import numpy as np
import torch

from fmdiag.fields.held_modules import held_modules


@contextmanager
def untouched(*held):
    """Put everything that training depends on back as it was, whatever happens within; yield the warnings met.

    Parameters
    ----------
    *held
        Networks or fields that are asked within; see `fmdiag.fields.held_modules`.
    """
    modules = list({id(module): module for one in held for module in held_modules(one)}.values())
    buffers = [(buffer, buffer.detach().clone()) for module in modules for buffer in module.buffers(recurse=False)]
    modes = [(module, module.training) for module in modules]
    parameters = [parameter for module in modules for parameter in module.parameters(recurse=False)]
    state = [(parameter, parameter.grad, parameter.requires_grad) for parameter in parameters]
    switches, generators = _switches(), _generators()
    try:
        for parameter in parameters:
            parameter.grad = None   # nothing can be added to what is not there
        with warnings.catch_warnings(record=True) as met, torch.no_grad(), _in_full_precision(parameters):
            warnings.simplefilter("always")
            yield met
    finally:
        for parameter, grad, wanted in state:
            parameter.requires_grad_(wanted)
            parameter.grad = grad
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, kept in buffers:
                if not torch.equal(buffer, kept):
                    buffer.copy_(kept)
        _put_back(switches, generators)


@contextmanager
def _in_full_precision(parameters):
    """Switch autocast off, in which a loop may call."""
    kinds = {"cpu", *(parameter.device.type for parameter in parameters)} - {"meta"}
    if not kinds:
        yield
        return
    with torch.autocast(kinds.pop(), enabled=False):
        if kinds:
            with torch.autocast(kinds.pop(), enabled=False):
                yield
        else:
            yield


def _generators():
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    return torch.get_rng_state(), cuda, np.random.get_state(), random.getstate()  # noqa: NPY002  the global one


def _switches():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return {"threads": torch.get_num_threads(), "dtype": torch.get_default_dtype(),
            "deterministic": (torch.are_deterministic_algorithms_enabled(),
                              torch.is_deterministic_algorithms_warn_only_enabled()),
            "cudnn": (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32), "tf32": matmul.allow_tf32}


def _put_back(switches, generators):
    cpu, cuda, of_numpy, of_python = generators
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)
    np.random.set_state(of_numpy)  # noqa: NPY002
    random.setstate(of_python)
    now = _switches()
    if now["threads"] != switches["threads"]:
        torch.set_num_threads(switches["threads"])
    if now["dtype"] != switches["dtype"]:
        torch.set_default_dtype(switches["dtype"])
    if now["deterministic"] != switches["deterministic"]:
        torch.use_deterministic_algorithms(switches["deterministic"][0], warn_only=switches["deterministic"][1])
    cudnn = torch.backends.cudnn
    if now["cudnn"] != switches["cudnn"]:
        cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = switches["cudnn"]
    if now["tf32"] != switches["tf32"]:
        torch.backends.cuda.matmul.allow_tf32 = switches["tf32"]
