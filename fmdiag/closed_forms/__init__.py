"""Closed-form fields that are not û*: what theories say that a network does instead; one file each, one line here."""

from fmdiag.closed_forms.base import ClosedForm
from fmdiag.registry import Registry

CLOSED_FORMS = Registry("closed form", {
    "wiener": "fmdiag.closed_forms.wiener:WienerField",
    "smoothed": "fmdiag.closed_forms.smoothed:SmoothedField",
    "local-score": "fmdiag.closed_forms.local_score:LocalScoreField",
    "pspc-square": "fmdiag.closed_forms.pspc:PSPCField",
    "pca-locality": "fmdiag.closed_forms.pca_locality:PCALocalityField",
    "els": "fmdiag.closed_forms.equivariant:ELSField",
}, group="fmdiag.closed_forms")

__all__ = ["CLOSED_FORMS", "ClosedForm"]
