"""Fields of patch posteriors: what a local network would do that fitted its training set perfectly.

A network whose output at a pixel sees only the k x k patch around it cannot compute û*; the best it can do within its
patch is the local score, and averages of patch posteriors describe what trained networks do at intermediate times.
"""

import torch

from fmdiag.closed_forms.base import ClosedForm
from fmdiag.closed_forms.boxes import check_size, image_shape
from fmdiag.closed_forms.image_rows import ImageRows
from fmdiag.closed_forms.patch_curve import PatchCurve, curve_dtype
from fmdiag.closed_forms.patch_posterior import PatchPosterior
from fmdiag.closed_forms.patch_sizes import PatchSizes
from fmdiag.memory import with_less
from fmdiag.paths import times_like

LEAST_MEMORY = 10**6   # bytes: below it, less would not help
K = 7


class PatchField(ClosedForm):
    """A field whose posterior mean is made from patch posteriors; callable as v(x, t).

    Parameters
    ----------
    training_set : TrainingSet, array, torch Dataset, name or path
        n images, flips counted.
    path : GaussianPath, optional
        Default: the linear path.
    k : int or sequence of int
        Odd size of patches in pixels, or one for each of `times`.
    times : sequence of float, optional
        Times of a schedule k(t); the nearest counts.
    memory : int, optional
        Bytes that may be used.
    device : str or torch.device
        Where the arithmetic is done.
    block_rows : int, optional
        Images at a time; it changes results by rounding only.

    Raises
    ------
    FmdiagError
        If the rows are no images, or sizes do not fit them.
    """

    def __init__(self, training_set, path=None, *, k=K, times=None, memory=None, device="cpu", block_rows=None):
        super().__init__(training_set, path, memory=memory, device=device)
        self.image_shape = image_shape(self.training_set, self.what)
        self.sizes = PatchSizes(k, times, *self.image_shape[1:])
        self.settings = {"k": str(self.sizes)}
        self._block_rows, self._engine = block_rows, None

    def denoised(self, x, t, alpha, sigma):
        """Return D by the schedule of patch sizes; see the base."""
        sizes, mean = self.sizes.at(t), torch.empty_like(x)
        for k in sizes.unique().tolist():
            chosen = sizes == k
            mean[chosen] = self._fitting(x[chosen], alpha[chosen], sigma[chosen], [k])[k]
        return mean

    def mean_of(self, x, t, ks):
        """Return D(x, t) for each of several patch sizes, whatever the schedule, for less than one after the other.

        Parameters
        ----------
        x : Tensor, shape (b, *shape)
            Points in model range.
        t : float or Tensor, shape (b,)
            Times with sigma_t > 0.
        ks : sequence of int
            Odd patch sizes.

        Returns
        -------
        dict of int to Tensor
            For each k, float64 of the shape of x.
        """
        self._check(x)
        ks = list(dict.fromkeys(check_size(k, *self.image_shape[1:]) for k in ks))
        alpha, sigma = self._schedule(times_like(t, x).to(self.device))
        found = self._fitting(x.to(self.device, torch.float64), alpha, sigma, ks)
        return {k: mean.to(x.device) for k, mean in found.items()}

    def _fitting(self, x, alpha, sigma, ks):
        points = x.reshape(len(x), *self.image_shape)
        found = self._in_memory(lambda: self._means(points, alpha, sigma, ks))
        return {k: mean.reshape(x.shape) for k, mean in found.items()}

    def curve(self, x0, x1, rows, times):
        """Return D along the paths of pairs (x0, x1), for much less than one time after the other costs.

        Parameters
        ----------
        x0, x1 : Tensor, shape (b, *shape)
            Noise and data. For float32 noise and small patches what is formed per example is float32: weights are off
            by about 1e-6 of themselves, at all times alike.
        rows : Tensor of int64, shape (b,), or None
            Which training example each x1 is; None where some are none, and each time is answered by itself.
        times : sequence of float
            Times in [0, 1] with sigma_t > 0; each takes its own patch size of the schedule.

        Returns
        -------
        Tensor, float64, shape (times, b, *shape)
        """
        self._check(x0)
        self._check(x1)
        t = torch.as_tensor(times, dtype=torch.float64, device=self.device).reshape(-1)
        alpha, sigma = self._schedule(times_like(t, t))
        sizes, means = self.sizes.at(t), torch.empty(len(t), *x0.shape, dtype=torch.float64, device=self.device)
        pairs = [x.reshape(-1, *self.image_shape).to(self.device) for x in (x0, x1)]
        for k in sizes.unique().tolist():
            at = torch.nonzero(sizes == k).reshape(-1)
            dtype = None if rows is None else curve_dtype(pairs[0], k, self.engine.boxes, self.training_set.n)
            if dtype is None:
                for j in at.tolist():
                    x = alpha[j] * x1.to(self.device, torch.float64) + sigma[j] * x0.to(self.device, torch.float64)
                    means[j] = self._fitting(x, alpha[j].expand(len(x)), sigma[j].expand(len(x)), [k])[k]
                continue
            means[at] = self._in_memory(lambda k=k, dtype=dtype, at=at: self._curve_means(
                PatchCurve(self.engine.rows, k, dtype), *pairs, alpha[at] / sigma[at])).reshape(-1, *x0.shape)
        return means.to(x0.device)

    @property
    def engine(self):
        """The PatchPosterior, made when it is first used."""
        if self._engine is None:
            self._engine = PatchPosterior(ImageRows(self.training_set, self.image_shape, self.memory, self.device,
                                                    self._block_rows))
        return self._engine

    def _in_memory(self, work):
        return with_less(work, self._use_less, lambda: self.memory, f"bytes of memory for {self.what}", LEAST_MEMORY)

    def _means(self, x, alpha, sigma, ks):
        raise NotImplementedError

    def _curve_means(self, curve, x0, x1, s):
        raise NotImplementedError

    def _use_less(self):
        self._engine = None
        self.memory //= 2
        self._block_rows = self._block_rows and max(1, self._block_rows // 2)
