"""One run on several processes: who they are, who speaks, and how one that ends takes the others with it.

    torchrun --nproc-per-node 4 -m -- fmdiag.cli.main alignment --dataset imagenette
    torchrun --nproc-per-node 4 -- "$(which fmdiag)" alignment --dataset imagenette

Without "--" torchrun takes our --n for an abbreviation of its own options.

torchrun says in the environment which rank of how many a process is. All of them run the same command; rank 0 alone
writes, draws and prints. torchrun ends the others when one ends, and so does their next exchange with it.
"""

import contextlib
import datetime
import os
import signal
import sys
import time

ENVIRONMENT = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# For a machine that is cut off. A process that ends is noticed at once.
TIMEOUT = datetime.timedelta(minutes=30)
PATIENCE = 20.0  # seconds
_STORES = []


def world():
    """Return (rank, number of ranks)."""
    if not all(name in os.environ for name in ENVIRONMENT):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def check(arguments, shared):
    """Refuse commands that write without asking which rank they are; `shared` are those that ask."""
    from fmdiag.errors import FmdiagError

    if not arguments or arguments[0] not in shared:
        raise FmdiagError(f"fmdiag {' '.join(arguments[:1])} runs as one process: start it without torchrun, or with "
                          f"one rank; several ranks serve {', '.join(shared)}")


def own_device(device):
    """Return the device of this process: of several ranks that are to use CUDA each has the GPU of its local rank."""
    import torch

    if device.type == "cuda" and device.index is None and world()[1] > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    return device


def join(device):
    """Meet the other ranks; return (the Group of all, this rank's device)."""
    from fmdiag.ranks.group import SINGLE, Group

    if world()[1] == 1:
        return SINGLE, device
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    device = own_device(device)
    if device.type == "cuda":
        import torch

        torch.cuda.set_device(device)
    if not dist.is_initialized():
        store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
        _STORES.append(store)
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    return Group(dist.group.WORLD, _STORES[-1] if _STORES else None), device


def leave(group):
    """Part from the other ranks at the end of a run that went well."""
    if group.size > 1:
        import torch.distributed as dist

        dist.destroy_process_group()


def end(code):
    """End this process with an exit code.

    A rank ends at once, after everything is written: threads of torch.distributed outlive the group, and one that lets
    go of a Python object while the interpreter ends aborts the process, which torchrun then reports as a failed run.
    """
    if world()[1] == 1:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def one_first(group):
    """Let one process per machine go through the block before the others, so that a download is made once."""
    if group.size == 1:
        yield
        return
    key, first = _key(f"loaded on {os.environ.get('GROUP_RANK', 0)}"), os.environ.get("LOCAL_RANK", "0") == "0"
    # Asking again and again leaves room for signals, which waiting for the store would not.
    while not first and not _STORES[-1].check([key]):
        time.sleep(0.05)
    yield
    if first:
        _STORES[-1].set(key, "1")


def signed(message):
    """Return the message as the one rank that failed first is to print it; None on all others."""
    rank, size = world()
    if size == 1:
        return message
    # torchrun ends the ranks of a failed run; this one is ending, and first says why in a line.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not _STORES:
        return message if rank == 0 else _after_the_first(f"rank {rank} of {size}: {message}")
    try:
        earlier = _STORES[-1].add(_key("failed"), 1) > 1
    except RuntimeError:  # torchrun itself is gone
        earlier = rank > 0
    return None if earlier else f"rank {rank} of {size}: {message}"


def _after_the_first(message):
    """Return the message of a rank that failed before it met the others, once rank 0 had time to fail likewise.

    torchrun ends all ranks as soon as one has failed; where rank 0 fails too, it prints and this rank is ended here.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(PATIENCE)
    return message


def _key(name):
    return f"fmdiag/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}/{name}"
