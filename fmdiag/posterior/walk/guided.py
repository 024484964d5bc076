"""Walk of guided û*'s trajectories: both posteriors are asked at every step, and the guided mean is held fixed over it.

A sample has landed where the nearest row of all and the nearest of the class are one, and nothing else has weight.
"""

import torch

from fmdiag.posterior.guided import GuidedPosterior


class GuidedWalk:
    """Samples on their way along guided û*; used like `Walk`.

    Parameters
    ----------
    u_star : ClosedFormField
        Guided û*.
    x0 : Tensor, shape (b, *shape)
        Noise.
    """

    def __init__(self, u_star, x0):
        shared = u_star.posterior
        self.path, self.shape = u_star.path, x0.shape
        # Alone, as other ranks walk other samples.
        self.posterior = GuidedPosterior(u_star.training_set, self.path, memory=2 * shared.memory, device=shared.device)
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
        """Return the guided means of all active samples at time t, shape (b, dim)."""
        mean, going = torch.zeros_like(self.x), torch.nonzero(self.active).reshape(-1)
        if len(going):
            of_class, free, guided = self.posterior.parts(self.x[going].reshape(-1, *self.shape[1:]), t)
            mean[going] = guided.mean.flatten(1)
            apart = (of_class.mean - free.mean).flatten(1).square().sum(1)
            self.spread[going] = of_class.variance + free.variance + apart
        return mean

    def finish(self, points, target, t):
        """Take samples out: from time t on they go straight to their targets, shape (p, dim)."""
        alpha, sigma = self.at(t)
        self.target[points] = target
        self.noise[points] = (self.x[points] - alpha * target) / sigma
        self.active[points] = False

    def advance(self, mean, start, stop):
        """Move the active samples from `start` to `stop` with their guided means held fixed."""
        (alpha, sigma), (alpha_stop, sigma_stop) = self.at(start), self.at(stop)
        moved = alpha_stop * mean + sigma_stop / sigma * (self.x - alpha * mean)
        self.x = torch.where(self.active[:, None], moved, self.x)
