"""SSCD feature for copies that were cropped, recoloured or overlaid: 512 numbers of norm 1.

The similarity of the literature is the dot product, 1 - d²/2; copies have more than 0.75 (precision 90 % on
photographs), and memorised samples of diffusion models were called so from 0.5 on.

References
----------
Pizzi et al. 2022, arXiv 2202.10261. Somepalli et al. 2023, arXiv 2212.03860 (the threshold of 0.5).
"""

from torch.nn import functional

from fmdiag.checkpoints.container import PROGRAMS
from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.preparation import Preparation, declared_range
from fmdiag.features.weights import Published, weights_file
from fmdiag.files.trust import check_trust

FILE = "sscd_disc_mixup.torchscript.pt"
PUBLISHED = Published("https://dl.fbaipublicfiles.com/sscd-copy-detection")
SIDE, DIM = 288, 512


def load(*, weights=None, training_set=None, device="cpu", data_root=None, offline=False, trust_code=False):
    """Return the Feature of an SSCD TorchScript file; parameters as in `load_feature`."""
    if weights is None and not trust_code and not offline:
        # Nor downloaded: no hash is published that would tell whose code it is.
        check_trust(f"feature sscd: {FILE}", PROGRAMS["script"], trust_code)
    file = weights_file("sscd", weights, PUBLISHED, FILE, data_root=data_root, offline=offline)
    source = open_checkpoint(file, trust_code=trust_code)
    if source.kind != "script":
        raise FmdiagError(f"feature sscd: {file} is no TorchScript file; expected one as {FILE}")
    module = source.content.eval().to(device)
    prepare = Preparation(*declared_range(training_set), SIDE, "bilinear", "imagenet")
    return Feature("sscd", lambda x: functional.normalize(module(prepare(x))), prepare.describe(), DIM, source.sha256,
                   facts=source.trusted, device=device, batch_size=32)
