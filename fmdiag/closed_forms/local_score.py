"""Local score: the posterior mean of each pixel given the patch around it."""

from fmdiag.closed_forms.patch_field import PatchField


class LocalScoreField(PatchField):
    """Field of the local score, D(p) = sum_i w_i(p) X_i(p) with weights of patches at the same place; callable v(x, t).

    With k = 2 h - 1 it is û*. Parameters and errors are those of `PatchField`.

    References
    ----------
    Kamb and Ganguli, "An analytic theory of creativity in convolutional diffusion models", arXiv 2412.20292, section 4.
    """

    what = "the local score"

    def _means(self, x, alpha, sigma, ks):
        return self.engine.local_means(x, alpha, sigma, ks)

    def _curve_means(self, curve, x0, x1, s):
        return curve.local_means(x0, x1, s)
