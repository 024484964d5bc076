"""PSPC-Square, the patch set posterior composite on squares: the mean of what all patches over a pixel expect there."""

from fmdiag.closed_forms.patch_field import PatchField


class PSPCField(PatchField):
    """Field of PSPC-Square: at each pixel the mean over the patches that cover it of their posterior means.

    With k = 2 h - 1 it is û*. Parameters and errors are those of `PatchField`.

    References
    ----------
    Niedoba, Zwartsenberg, Murphy and Wood, "Towards a mechanistic explanation of diffusion model generalization",
    arXiv 2411.19339, section 5.
    """

    what = "PSPC-Square"

    def _means(self, x, alpha, sigma, ks):
        return self.engine.averaged_means(x, alpha, sigma, ks)

    def _curve_means(self, curve, x0, x1, s):
        return curve.averaged_means(x0, x1, s)
