"""Closed-form field û*: what a model would do that fitted the flow matching objective perfectly.

    û*(x, t) = sum_i lambda_i(x, t) (X_i - x) / (1 - t)                                     (linear path)
    û*(x, t) = alpha'_t D(x, t) + (sigma'_t / sigma_t) (x - alpha_t D(x, t))                (any Gaussian path)

It ends on training points: a model that equals û* memorises. A model that is asked for class c with guidance w has

    û*_w = û*_∅ + w (û*_c - û*_∅),

û*_c over the rows of the class and û*_∅ over all rows.

References
----------
Bertrand, Gagneux, Massias, Emonet, "On the Closed-Form of Flow Matching: Generalization Does Not Arise from Target
Stochasticity", arXiv 2506.03719, section 2.
"""

from fmdiag.datasets import as_training_set
from fmdiag.datasets.condition import conditioned
from fmdiag.posterior.guided import posterior_of
from fmdiag.ranks.group import SINGLE


class ClosedFormField:
    """The minimiser û* of the flow matching loss over a training set; callable as v(x, t).

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        The rows that the model was trained on, flips included if it was trained with flips.
    path : GaussianPath, optional
        Default: the linear path.
    label : int, optional
        Class that the model is asked for: û*_c, over the rows of this label. A set of one class, as
        `TrainingSet.of_class` makes it, has its own.
    guidance : float, optional
        Scale w of classifier-free guidance, 1 for none; needs a class.
    memory, device, block_rows, group
        As in `EmpiricalPosterior`.

    Raises
    ------
    FmdiagError
        If no row has the label, or there are no labels, or guidance is given without a class.

    Examples
    --------
    >>> import fmdiag, torch
    >>> digits, x = fmdiag.load_dataset("digits"), torch.zeros(1, 1, 8, 8)
    >>> free, of_class = fmdiag.ClosedFormField(digits)(x, 0.3), fmdiag.ClosedFormField(digits, label=3)(x, 0.3)
    >>> guided = fmdiag.ClosedFormField(digits, label=3, guidance=2.0)(x, 0.3)
    >>> torch.allclose(guided, free + 2 * (of_class - free), atol=1e-5)
    True
    """

    keeps_contract = True

    def __init__(self, training_set, path=None, *, label=None, guidance=None, memory=None, device="cpu",
                 block_rows=None, group=SINGLE):
        training_set = conditioned(as_training_set(training_set), label, guidance)
        self.posterior = posterior_of(training_set, path, memory=memory, device=device, block_rows=block_rows,
                                      group=group)
        self.training_set = self.posterior.training_set
        self.path = self.posterior.path

    @property
    def fingerprint(self):
        """What tells this field from another: the content of its training set, its path, and its guidance."""
        condition = self.training_set.condition
        guided = f" {condition.facts()}" if condition is not None and condition.guidance != 1 else ""
        return f"{self.training_set.fingerprint} {self.path.describe()}{guided}"

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
