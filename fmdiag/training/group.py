"""Data-parallel training: each process takes its share of every batch; gradients are averaged.

Every rank draws the whole batch from the step's own generator and takes its share of it, so that the loss and its
gradient are those of one process with the same batch, up to the order of summation. DistributedDataParallel averages
gradients over ranks: a share's sum is weighted by ranks / batch, which is right for shares of unequal length too.
"""

import torch

from fmdiag.errors import FmdiagError


def wrapped(module, group):
    """Return the module to call in training: itself, or one that averages gradients over the ranks of a Group."""
    if group.size == 1:
        return module
    # Weights are the same bits on every rank, because they follow from the seed: buffers need no exchange.
    return torch.nn.parallel.DistributedDataParallel(module, process_group=group.processes, broadcast_buffers=False)


def batch_mean(losses, n, group):
    """Return what to differentiate: over all ranks its average is the mean of the batch's n losses.

    Parameters
    ----------
    losses : Tensor, shape (m,)
        Of this rank's share.
    """
    return losses.mean() if group.size == 1 else losses.sum() * (group.size / n)


def averaged(value, group):
    """Return the average of a scalar tensor over ranks."""
    return value if group.size == 1 else group.sum(value.clone()) / group.size


def agreed_precision(precision, group):
    """Return bf16 if every rank found it faster, else fp32."""
    if group.size == 1:
        return precision
    return "bf16" if float(group.min(torch.tensor([float(precision == "bf16")]))) == 1 else "fp32"


def check_share(settings, group):
    """Raise FmdiagError if some rank would have nothing to train on."""
    if settings["batch_size"] < group.size:
        raise FmdiagError(f"a batch of {settings['batch_size']} rows cannot be shared by {group.size} ranks: give a "
                          "larger --batch-size, or fewer ranks")
