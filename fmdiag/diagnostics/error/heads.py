"""Error under other numbers of attention heads: the CFM loss of the same weights, cut in other ways.

No tensor's shape tells the number of heads, and every number that divides the width gives some output. The weights were
trained to make the loss small with one of them: where another has a clearly smaller loss, the assumption is wrong.
"""

import torch

from fmdiag.diagnostics.points.pairs import draw_pairs

TIMES = (0.1, 0.3, 0.6, 0.9)
CANDIDATES = (1, 2, 4, 8, 16)
# Less than this share of the loss tells nothing: 32 pairs have more noise, though all candidates share it.
MARGIN = 0.01


def losses(fields, training_set, *, times=TIMES, n_pairs=32, path, generator):
    """Return {name: mean squared difference to x1 - x0} for {name: field}, on the same pairs and times.

    Parameters
    ----------
    fields : dict of str to callable
        v(x, t) each; all are asked at every time in `times` that each of them reaches.
    training_set : TrainingSet
        The rows that the model was trained on.
    path, generator
        As in `fmdiag.approximation_error`.
    """
    ends = [getattr(field, "reachable", (0.0, 1.0)) for field in fields.values()]
    times = [t for t in times if all(low <= t <= high for low, high in ends)]
    pairs = draw_pairs(training_set, n_pairs, generator=generator)
    found = dict.fromkeys(fields, 0.0)
    for t in times:
        x, target = pairs.at(path, t)
        for name, field in fields.items():
            velocity = field(x.float(), torch.full((n_pairs,), t)).cpu().double()
            found[name] += (velocity - target).square().mean().item() / len(times)
    return found


def sentence(found):
    """Return (what the losses say, whether the assumption looks wrong); `found` has "assumed" and numbers of heads."""
    best = min(found, key=found.get)
    wrong = found[best] < (1 - MARGIN) * found["assumed"]
    listed = ", ".join(f"{loss:.4g} with {name}" for name, loss in found.items() if name != "assumed")
    advice = f"give --heads {best}" if wrong else "none is clearly better than what is assumed"
    return f"CFM loss {found['assumed']:.4g} with the assumed attention heads, {listed}: {advice}", wrong
