"""Inception feature of the Fréchet inception distance: Inception-V3, pool3, 2048 numbers.

Either the TorchScript file `inception-2015-12-05.pt`, which resizes and normalises itself and is called as
module(pictures, return_features=True), or a state dict as `pt_inception-2015-12-05-6726825d.pth` for our own network
(`inception_network`). Both are the network that FID was defined with; no other Inception gives comparable numbers.

References
----------
Heusel et al. 2017. Karras et al. 2020 (the TorchScript file).
"""

import torch

from fmdiag.checkpoints.source import open_checkpoint
from fmdiag.errors import FmdiagError
from fmdiag.features.feature import Feature
from fmdiag.features.inception_network import DIM, FIDInception
from fmdiag.features.preparation import Preparation, declared_range
from fmdiag.features.weights import Published, weights_file

FILE = "pt_inception-2015-12-05-6726825d.pth"
PUBLISHED = Published("https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights")
SKIPPED = ("fc.", "AuxLogits.")  # of the classifier


def load(*, weights=None, training_set=None, device="cpu", data_root=None, offline=False, trust_code=False):
    """Return the Feature of dimension 2048; parameters as in `load_feature`."""
    file = weights_file("inception", weights, PUBLISHED, FILE, data_root=data_root, offline=offline)
    source = open_checkpoint(file, trust_code=trust_code)
    prepare = Preparation(*declared_range(training_set), normalisation="uint8")
    if source.kind == "script":
        module = source.content.eval().to(device)
        network, kind = (lambda x: module(prepare(x), return_features=True)), "torchscript"
    else:
        module = fid_inception(source.content, file).to(device)
        network, kind = (lambda x: module(prepare(x))), "state dict"
    return Feature("inception", network, {**prepare.describe(), "network": kind}, DIM, source.sha256, source.trusted,
                   device=device, batch_size=32)


def fid_inception(state, file):
    """Return the FIDInception with the weights of a state dict.

    Raises
    ------
    FmdiagError
        If a tensor is missing, of another shape, or unknown.
    """
    with torch.device("meta"):
        network = FIDInception()
    if not isinstance(state, dict):
        raise FmdiagError(f"{file}: neither a TorchScript file nor a state dict; expected {FILE} or "
                          "inception-2015-12-05.pt")
    state = {name: tensor for name, tensor in state.items()
             if not name.startswith(SKIPPED) and not name.endswith("num_batches_tracked")}
    expected = {name: tensor for name, tensor in network.state_dict().items() if "num_batches_tracked" not in name}
    wrong = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    wrong += [name for name in state if name not in expected]
    if wrong:
        raise FmdiagError(f"{file}: not the FID network: tensor {wrong[0]} is missing, unknown or of another shape "
                          f"({len(wrong)} are); expected {FILE}")
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    return network.eval().requires_grad_(False)
