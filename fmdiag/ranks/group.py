"""Group of ranks: each process has its share of the rows, and their numbers are merged.

Every rank runs the same program and takes the same decisions, because it takes them from merged numbers. Rows are
shared out in contiguous runs; what is summed over rows is summed over ranks. A group of one does nothing.
"""

import itertools
import os
import time

import torch
import torch.distributed as dist

from fmdiag.errors import FmdiagError


class RankLost(FmdiagError):
    """Another rank ended, or did not answer in time."""


class Group:
    """The ranks of a torch.distributed process group, or the single process.

    Parameters
    ----------
    processes : torch.distributed.ProcessGroup, optional
        The ranks; ``torch.distributed.group.WORLD`` for all of them. Default: this process alone, whatever
        torch.distributed is used for otherwise.
    store : torch.distributed.Store, optional
        Where rank 0 leaves word that `once` has been done; without it the others wait as long as for any answer.

    Attributes
    ----------
    rank, size : int
        Number of this process, and of how many.
    """

    def __init__(self, processes=None, store=None):
        self.processes, self.store = processes, store
        self.rank = dist.get_rank(processes) if processes else 0
        self.size = dist.get_world_size(processes) if processes else 1

    def share(self, n):
        """Return the contiguous slice of range(n) that is this rank's; empty where there are more ranks than items."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum(self, x):
        """Return the sum of a tensor over ranks, the same bits on each; `x` itself may be overwritten, as below."""
        return self._reduce(x, dist.ReduceOp.SUM)

    def max(self, x):
        """Return the elementwise maximum of a tensor over ranks."""
        return self._reduce(x, dist.ReduceOp.MAX)

    def min(self, x):
        """Return the elementwise minimum of a tensor over ranks."""
        return self._reduce(x, dist.ReduceOp.MIN)

    def sum_where(self, x, present):
        """Return the sum over ranks of x, shape (b, dim); rows that are `present` (bool, shape (b,)) nowhere are kept.

        A row that no rank has anything to add to is the same on all of them, and is not sent.
        """
        if self.size == 1:
            return x
        some = self.max(present.to(torch.int32)) > 0
        if bool(some.any()):
            x = x.index_copy(0, torch.nonzero(some).reshape(-1), self.sum(x[some]))
        return x

    def same(self, x):
        """Return rank 0's tensor: for a number that decides what all ranks do next."""
        if self.size > 1:
            x = x.contiguous()
            _answered(dist.broadcast, x, group=self.processes, group_src=0)
        return x

    def gather(self, value):
        """Return the picklable values of all ranks, in order, on every rank."""
        if self.size == 1:
            return [value]
        values: list = [None] * self.size
        _answered(dist.all_gather_object, values, value, group=self.processes)
        return values

    def once(self, work):
        """Return ``work()`` of rank 0, picklable, on every rank: for what cannot be shared out; the others wait."""
        found = work() if self.rank == 0 else None
        if self.store is not None:
            _wait(self.store, self.rank == 0)
        return self.gather(found)[0]

    def spread(self, items, work):
        """Return ``work(part)`` of each rank's share of `items`, in order, as a list; empty shares are left out.

        Each rank works on its own share only.
        """
        if self.size == 1:
            return [work(items)]
        mine = items[self.share(len(items))]
        return [found for part in self.gather([work(mine)] if len(mine) else []) for found in part]

    def _reduce(self, x, operation):
        if self.size > 1:
            x = x.contiguous()
            _answered(dist.all_reduce, x, op=operation, group=self.processes)
        return x


SINGLE = Group()
_NUMBERS = itertools.count()   # ranks do the same in the same order


def _wait(store, done):
    """Wait until rank 0 is done, however long it takes: torchrun ends this process if that one ends."""
    key = f"fmdiag/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}/once/{next(_NUMBERS)}"
    if done:
        _answered(store.set, key, "1")
    while not _answered(store.check, [key]):
        time.sleep(0.05)


def _answered(call, *arguments, **options):
    """Make a collective call, or ask the store; raise RankLost where another rank is gone."""
    try:
        return call(*arguments, **options)
    except RuntimeError as error:
        raise RankLost(f"another rank ended or stopped answering ({str(error).splitlines()[0]}); the run needs all of "
                       "them, start it again") from error
