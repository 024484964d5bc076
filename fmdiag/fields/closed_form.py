"""Closed-form field û*: what a model would do that fitted the flow matching objective perfectly.

    û*(x, t) = sum_i lambda_i(x, t) (X_i - x) / (1 - t)                                     (linear path)
    û*(x, t) = alpha'_t D(x, t) + (sigma'_t / sigma_t) (x - alpha_t D(x, t))                (any Gaussian path)

It ends on training points: a model that equals û* memorises.

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching: Generalization Does Not Arise from Target
Stochasticity", arXiv 2506.03719, section 2.
"""

from fmdiag.posterior import EmpiricalPosterior
from fmdiag.ranks.group import SINGLE


class ClosedFormField:
    """The minimiser û* of the flow matching loss over a training set; callable as v(x, t).

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the model was trained on, flips included if it was trained with flips.
    path : GaussianPath, optional
        Default: the linear path.
    memory, device, block_rows, group
        As in `EmpiricalPosterior`.
    """

    keeps_contract = True

    def __init__(self, training_set, path=None, *, memory=None, device="cpu", block_rows=None, group=SINGLE):
        self.posterior = EmpiricalPosterior(training_set, path, memory=memory, device=device, block_rows=block_rows,
                                            group=group)
        self.training_set = self.posterior.training_set
        self.path = self.posterior.path

    @property
    def fingerprint(self):
        """What tells this field from another: the content of its training set, and its path."""
        return f"{self.training_set.fingerprint} {self.path.describe()}"

    def __call__(self, x, t):
        """Return û*(x, t) in the dtype and on the device of x.

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            Points in model range.
        t : float or Tensor, shape (b,)
            Times in [0, 1).

        Raises
        ------
        FmdiagError
            If sigma_t = 0 (t = 1), where û* is singular, or the shape is not the training set's.
        """
        return self.velocity(self.posterior(x, t), x, t)

    def velocity(self, posterior, x, t):
        """Return û* from a Posterior computed at (x, t); the difference D - x is formed in float64."""
        mean = posterior.mean.to(x.device)
        return self.path.velocity_from_mean(mean, x.double(), t).to(x.dtype)
