"""Couplings of a batch: which noise goes with which training row.

independent: as drawn, which û* belongs to. plan: pairs drawn with replacement from the batch's optimal transport plan
for the squared Euclidean cost, as torchcfm does (Tong et al., arXiv 2302.00482). assignment: the plan itself, each
noise and each row once. Between equally many points of equal mass an optimal plan is a permutation (Birkhoff).
"""

import torch
from scipy.optimize import linear_sum_assignment

COUPLINGS = ("independent", "plan", "assignment")


def optimal_permutation(x0, x1):
    """Return the permutation p that minimises sum_i ||x0_i - x1_p(i)||^2: int64 Tensor, shape (b,).

    Parameters
    ----------
    x0, x1 : Tensor, shape (b, *shape)
        On any device; the costs are formed in float64 (the squares of each side alone do not matter).
    """
    cost = -(x0.flatten(1).double() @ x1.flatten(1).double().T)
    return torch.from_numpy(linear_sum_assignment(cost.cpu().numpy())[1])


def couple(coupling, x0, x1, rows, *, generator):
    """Return (x0, x1, rows) paired as `coupling` says.

    Parameters
    ----------
    coupling : str
        One of `COUPLINGS`.
    x0, x1 : Tensor, shape (b, *shape)
        Noise and training rows, drawn independently.
    rows : Tensor of int, shape (b,)
        Row numbers of x1.
    generator : torch.Generator
        For the draws from the plan.
    """
    if coupling == "independent":
        return x0, x1, rows
    partner = optimal_permutation(x0, x1)
    if coupling == "plan":
        chosen = torch.randint(len(x0), (len(x0),), generator=generator)
        x0, partner = x0[chosen], partner[chosen]
    return x0, x1[partner], rows[partner]
