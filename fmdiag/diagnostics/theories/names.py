"""Names of theories and of kinds of states, as tables hold them and as sentences and figures call them."""

OPTIMUM = "closed_form"
LABELS = {OPTIMUM: "û*", "wiener": "Wiener", "smoothed": "smoothed û*", "network": "network"}
KINDS = ("train", "heldout", "model")
WHERE = {"train": "on paths of training examples", "heldout": "on paths of held-out examples",
         "model": "on the model's own trajectories"}


def label(name):
    """Return what a theory is called in sentences and figures."""
    return LABELS.get(name, name)
