"""Names of theories and of kinds of states, as tables hold them and as sentences and figures call them."""

OPTIMUM = "closed_form"
LABELS = {OPTIMUM: "û*", "wiener": "Wiener", "smoothed": "smoothed û*", "local-score": "local score",
          "pspc-square": "PSPC-Square", "pca-locality": "PCA-locality", "els": "ELS"}
KINDS = ("train", "heldout", "model")
WHERE = {"train": "on paths of training examples", "heldout": "on paths of held-out examples",
         "model": "on the model's own trajectories"}

# Of the network's squared norm: a distance from û* below this share of it is rounding in float32, nothing to explain.
ROUNDING = 1e-10


def place(name):
    """Return where a theory stands in figures: ours in their order, then others by name."""
    known = list(LABELS)
    return (known.index(name), "") if name in known else (len(known), name)


def label(name):
    """Return what a theory is called in sentences and figures."""
    return LABELS.get(name, name)
