"""Candidates for the network's state dict in a checkpoint, and which are averages, by the words of their keys.

Averages lie beside the raw weights under a key of their own (``ema``, ``model_ema``, ``swa_model``), as a list in the
order of ``parameters()`` (``ema.shadow_params``), as a dict in a dict (``ema.shadow``), or in one state dict with the
raw ones (``online_model.*`` and ``ema_model.*``; ``net.*`` and ``net_ema.*``; ``shadow_params.0``).
"""

import re
from dataclasses import dataclass, field, replace
from itertools import islice

import torch

AVERAGED = {"ema", "swa", "avg", "average", "averaged", "averages", "shadow", "teacher", "polyak", "ewma", "emamodel",
            "modelema", "netema", "emanet"}
# What lies beside networks and holds tensors too: an optimiser's moments ("exp_avg"), kept copies, other networks.
NO_NETWORK = {"opt", "optim", "optimizer", "optimizers", "optimiser", "sched", "scheduler", "schedulers", "scaler",
              "lr", "loss", "losses", "metrics", "discriminator", "disc", "exp", "grad", "grads", "momentum",
              "collected", "temp", "stored", "backup", "rng", "random", "vae", "args", "config"}
# Numbers that averaging libraries keep in a state dict.
COUNTERS = {"n_averaged", "num_updates", "initted", "step", "steps", "decay", "num_batches", "update_count",
            "optimization_step", "ema_step"}
WRAPPERS = ("module.", "_orig_mod.", "model.", "net.")
DEPTH, MOST = 4, 100  # of dicts in dicts, and of state dicts in a file


@dataclass(frozen=True)
class Candidate:
    """A network's weights in a file.

    Parameters
    ----------
    key : str
        Where, dotted; empty for a bare state dict.
    averaged : bool or None
        None where nothing says: a bare state dict.
    state : dict of str to Tensor, or None
        Named weights.
    shadow : list of Tensor, or None
        Averages in the order of ``parameters()``, where they are kept so.
    dropped : dict
        Counters of averaging libraries that lie among the weights, by name.
    """

    key: str
    averaged: bool | None
    state: dict | None = None
    shadow: list | None = None
    dropped: dict = field(default_factory=dict)


def is_averaged(key):
    """Return whether a key's words say that averages lie there; ``exp_avg`` is an optimiser's moment."""
    words = set(_words(key))
    return bool(words & AVERAGED) and not words & NO_NETWORK


def is_beside(key):
    """Return whether a key's words say that no network lies there: an optimiser, a schedule, kept copies."""
    return bool(set(_words(key)) & NO_NETWORK)


def candidates(content, key="", averaged=None, expected=()):
    """Return the `Candidate` list of what lies at a key of a loaded file, in its order.

    A state dict that has the `expected` names and no others is one network, whatever the names of its parts say.
    """
    found = list(islice(_walk(content, key, averaged, DEPTH, set(), set(expected)), MOST))
    if isinstance(content, dict) and "current_model_state" in content:
        # Lightning's weight averaging keeps the averages where the weights usually lie.
        found = [replace(c, averaged=c.key.startswith("state_dict")) for c in found]
    return found


def state_of(value):
    """Return (tensors by name, counters by name) of a state dict; None where a value is anything else."""
    if not isinstance(value, dict):
        return None
    counters = {str(name): number for name, number in value.items() if _counts(str(name), number)}
    tensors = {str(name): w for name, w in value.items() if str(name) not in counters}
    if not tensors or not all(isinstance(w, torch.Tensor) for w in tensors.values()):
        return None
    return tensors, counters


def _walk(value, key, averaged, depth, seen, expected):
    found = state_of(value)
    if found is not None:
        yield from _split(*found, key, averaged, expected)
    elif isinstance(value, list | tuple) and value and all(isinstance(w, torch.Tensor) for w in value):
        yield from [Candidate(key, True, shadow=list(value))] if averaged else []
    elif isinstance(value, dict | list | tuple) and depth and id(value) not in seen:
        seen.add(id(value))  # a file may hold one dict in itself, or a thousand times
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value[:MOST]):
            if not is_beside(name):
                yield from _walk(inner, _joined(key, str(name)), bool(averaged or is_averaged(name)), depth - 1, seen,
                                 expected)


def _split(state, dropped, key, averaged, expected):
    """Yield the networks of one state dict: its averages and the raw weights that they belong to, else itself."""
    shadows = sorted((int(n.rpartition(".")[2]), n) for n in state if re.fullmatch(r"(.*\.)?shadow_params\.\d+", n))
    if shadows:
        rest = {name: w for name, w in state.items() if not re.search(r"(^|\.)shadow_params\.\d+$", name)}
        if rest:
            yield Candidate(key, False, rest, dropped=dropped)
        yield Candidate(_joined(key, "shadow_params"), True, shadow=[state[name] for _, name in shadows],
                        dropped=dropped)
        return
    groups = {"": state} if _is_one(state, expected) else _groups(state)
    pairs = {name: partner for name in groups if is_averaged(name)
             for partner in [_partner(groups, name)] if partner is not None}
    if not pairs:
        yield Candidate(key, averaged, state, dropped=dropped)
        return
    for name, group in groups.items():
        if name in pairs:
            yield Candidate(_joined(key, name), True, _named_as(group, groups.get(pairs[name])), dropped=dropped)
        elif name in pairs.values():
            yield Candidate(_joined(key, name), False, group, dropped=dropped)


def _is_one(state, expected):
    """Return whether the names are those of one network, after one prefix or none."""
    first = next(iter(state))
    leads = {first[: -len(name)] for name in expected if first.endswith(name)}
    return any(not is_averaged(lead) and all(name.startswith(lead) and name[len(lead):] in expected for name in state)
               for lead in leads)


def _groups(state):
    groups = {}
    for name, tensor in state.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first if rest else "", {})[rest or name] = tensor
    return groups


def _partner(groups, name):
    """Return the group whose names an averaged group has; its own name where no other group is there; else None."""
    wanted = set(_bare(groups[name]))
    for other, group in groups.items():
        if other != name and not is_averaged(other) and wanted <= set(_bare(group)) | {
                inner.replace(".", "") for inner in group}:
            return other
    return name if all(is_averaged(other) for other in groups) else None


def _bare(group):
    """Return the names without wrappers that all of them have."""
    names = list(group)
    while found := next((w for w in WRAPPERS if names and all(n.startswith(w) for n in names)), None):
        names = [name[len(found):] for name in names]
    return names


def _named_as(group, partner):
    """Return averages by the names of the raw weights: some libraries leave out the points between names."""
    if partner is None or set(group) <= set(partner):
        return group
    spelt = {name.replace(".", ""): name for name in partner}
    if not set(group) <= set(spelt):
        return group
    return {spelt[name]: tensor for name, tensor in group.items()}


def _counts(name, value):
    """Return whether a value is one number under a counter's name."""
    single = value.numel() == 1 if isinstance(value, torch.Tensor) else isinstance(value, int | float | None)
    return single and name.rpartition(".")[2] in COUNTERS


def _words(key):
    split = re.sub(r"([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])", r"\1\3_\2\4", str(key))
    return [word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", split.lower())]


def _joined(key, name):
    return f"{key}.{name}" if key and name else key or name
