"""Walk of û*'s trajectories by posteriors that no candidate list serves: guided ones, and those of sampled examples.

Every step asks the posterior about all samples, and holds its mean fixed. A sample has landed where nothing of its end
is undecided any more.
"""

import torch

from fmdiag.posterior.guided import posterior_of


class PlainWalk:
    """Samples on their way along û*; used like `Walk`.

    Parameters
    ----------
    u_star : ClosedFormField
        Its posterior has `settling`.
    x0 : Tensor, shape (b, *shape)
        Noise.
    """

    def __init__(self, u_star, x0):
        shared = u_star.posterior
        self.path, self.shape = u_star.path, x0.shape
        # Alone, as other ranks walk other samples.
        self.posterior = shared if shared.group.size == 1 else posterior_of(
            u_star.training_set, self.path, memory=shared.memory, device=shared.device)
        self.x = x0.reshape(len(x0), -1).to(shared.device, torch.float64)
        self.target, self.noise = torch.zeros_like(self.x), torch.zeros_like(self.x)
        self.active = torch.ones(len(x0), dtype=torch.bool, device=shared.device)
        self.spread = torch.full_like(self.x[:, 0], torch.inf)

    def at(self, t):
        """Return (alpha, sigma) at a time, floats."""
        t = torch.tensor(t, dtype=torch.float64)
        return float(self.path.alpha(t)), float(self.path.sigma(t))

    def state(self, t):
        """Return the points, float64, shape (b, *shape); finished ones on their lines at time t."""
        alpha, sigma = self.at(t)
        line = alpha * self.target + sigma * self.noise
        return torch.where(self.active[:, None], self.x, line).reshape(self.shape)

    def means(self, t):
        """Return the posterior means of all active samples at time t, shape (b, dim)."""
        mean, going = torch.zeros_like(self.x), torch.nonzero(self.active).reshape(-1)
        if len(going):
            found, self.spread[going] = self.posterior.settling(self.x[going].reshape(-1, *self.shape[1:]), t)
            mean[going] = found.flatten(1)
        return mean

    def finish(self, points, target, t):
        """Take samples out: from time t on they go straight to their targets, shape (p, dim)."""
        alpha, sigma = self.at(t)
        self.target[points] = target
        self.noise[points] = (self.x[points] - alpha * target) / sigma
        self.active[points] = False

    def advance(self, mean, start, stop):
        """Move the active samples from `start` to `stop` with their posterior means held fixed."""
        (alpha, sigma), (alpha_stop, sigma_stop) = self.at(start), self.at(stop)
        moved = alpha_stop * mean + sigma_stop / sigma * (self.x - alpha * mean)
        self.x = torch.where(self.active[:, None], moved, self.x)
