"""State dict of the network, averaged or raw, among a file's tensors, and its way into the network."""

import os
from dataclasses import dataclass, replace

import torch

from fmdiag.checkpoints.candidates import Candidate, candidates, is_averaged
from fmdiag.checkpoints.factories import build_from_factory
from fmdiag.checkpoints.fitting import completed, fitted, found_for, listed, prefixes_of, under, with_shadow
from fmdiag.checkpoints.places import look_up, matching, outline, with_prefix
from fmdiag.errors import FmdiagError

# Where raw weights lie, most likely first.
RAW = ("model", "net_model", "net", "network", "state_dict", "model_state_dict", "weights", "params", "module", "unet",
       "online_model", "online", "student", "raw_model", "current_model_state", "")


@dataclass(frozen=True)
class Chosen:
    """The weights that a checkpoint is measured with.

    Parameters
    ----------
    kind : str
        ``"ema"`` or ``"raw"``.
    assumed : bool
        Whether nothing in the file says so.
    candidate : Candidate
        The weights.
    raw : Candidate or None
        The raw weights beside averages: they have the buffers, and the names of averages that are a list.
    file : path
        Where from, for messages.
    module : Module or None
        What the model card's factory made, where there is one.
    prefix : str or None
        What the user says that the names of the network's tensors begin with: it is taken off already.
    """

    kind: str
    assumed: bool
    candidate: Candidate
    raw: Candidate | None
    file: os.PathLike
    module: torch.nn.Module | None = None
    prefix: str | None = None

    @property
    def state(self):
        """Named weights, those of the raw ones where the averages are a list."""
        if self.candidate.state is not None:
            return self.candidate.state
        if self.raw is None:
            raise FmdiagError(f"{self.file} holds averages as a list without names and no raw weights beside them: "
                              "name the network's class by --model card.toml with a factory")
        return self.raw.state

    def inferred(self, marks):
        """Return the named weights under the prefix at which the names `marks` lie; as they are where none does."""
        prefixes = prefixes_of(self.state, marks)
        return under(self.state, prefixes[0]) if prefixes else self.state

    def into(self, module):
        """Return (module with exactly these weights in float32, facts for the description)."""
        named = self.raw if self.candidate.state is None else self.candidate
        found = found_for(named, module, self.file)
        state = found.state
        if self.candidate.state is None:
            state = with_shadow(module, state, self.candidate.shadow, self.file)
        elif self.raw is not None:
            state = completed(module, state, self.raw, self.file)
        prefix = f"{self.prefix.rstrip('.')}.{found.prefix}" if self.prefix else found.prefix
        at = ", names after ".join(filter(None, [self.candidate.key or "the file itself", prefix]))
        left = [f"without {listed(found.left)}"] * bool(found.left) + [
            f"{listed(found.own)} from the factory"] * bool(found.own)
        facts = {"weights_at": ", ".join([at, *left])}
        if self.kind == "ema" and self.raw is not None:
            facts["other_weights"] = self.raw.key or "the file itself"
        return fitted(module, state, self.file), facts


def choose_state(source, choices, *, bare="raw"):
    """Return the `Chosen` weights: averages where the file has them, unless the raw ones are wanted.

    The card's factory runs first: which names the network has tells wrapped names and averages apart.

    Parameters
    ----------
    source : Source
        The checkpoint.
    choices : Choices
        Its `weights`, `weights_key` and `prefix` decide.
    bare : str
        What a bare state dict, which does not say, is taken to be.

    Raises
    ------
    FmdiagError
        If the file holds none of the wanted kind, or several among which nothing decides.
    """
    module = build_from_factory(choices) if choices.factory else None
    names = module.state_dict() if module is not None else ()
    find = _at_key if choices.weights_key is not None else _found
    return replace(find(source, choices, names, bare), module=module, prefix=choices.prefix)


def _found(source, choices, names, bare):
    content, averaged = source.content, None
    if choices.prefix:
        content, averaged = with_prefix(content, choices.prefix, source.file), is_averaged(choices.prefix) or None
    found = candidates(content, averaged=averaged, expected=names)
    raw = _raw(found)
    averages = _distinct(_averages_of(raw, [c for c in found if c.averaged]))
    wanted = choices.weights or ("ema" if averages else "raw")
    if wanted == "ema" and len(averages) > 1:
        raise FmdiagError(f"{source.file} holds {len(averages)} averages, {_keys(averages)}: name one in --model "
                          f"card.toml, e.g. weights_key = \"{averages[0].key}\"")
    if wanted == "ema" and averages:
        return Chosen("ema", False, averages[0], raw[0] if raw else None, source.file)
    if raw and raw[0].averaged is None:
        if choices.weights == "ema" and bare == "raw":
            raise FmdiagError(f"{source.file} is one bare state dict, which does not say that it is averaged: leave "
                              "out --weights ema")
        return Chosen(choices.weights or bare, True, raw[0], None, source.file)
    if not found:
        raise FmdiagError(f"{source.file} holds no state dict of a network ({outline(source.content)}): save "
                          "model.state_dict()")
    if wanted == "ema":
        raise FmdiagError(f"{source.file} holds only raw weights ({_keys(raw)}): leave out --weights ema")
    if not raw:
        raise FmdiagError(f"{source.file} holds only averaged weights ({_keys(averages)}): leave out --weights raw, or "
                          "give --weights ema")
    if len(raw) > 1:
        raise FmdiagError(f"{source.file} holds several networks, {_keys(raw)}: name one in --model card.toml, e.g. "
                          f"weights_key = \"{raw[0].key}\"")
    return Chosen("raw", False, raw[0], None, source.file)


def _at_key(source, choices, names, bare):
    """Return what lies at the key that the user names."""
    key = _key(source, choices.weights_key)
    value = look_up(source.content, key)
    averaged = is_averaged(key) or is_averaged(choices.prefix or "")
    if choices.prefix:
        value = with_prefix(value, choices.prefix, f"{source.file}, weights_key {key!r},")
    kind = "ema" if averaged or choices.weights == "ema" else "raw"
    if kind == "ema" and choices.weights == "raw":
        raise FmdiagError(f"weights_key {key!r} names averaged weights: leave out --weights raw")
    found = candidates(value, key, averaged=kind == "ema", expected=names)
    if not found:
        raise FmdiagError(f"{source.file} has no state dict at weights_key {key!r}: it is {outline(value)}")
    chosen = [c for c in found if bool(c.averaged) == (kind == "ema")] or found
    if len(chosen) > 1:
        raise FmdiagError(f"{source.file} holds several networks at weights_key {key!r}: name one of {_keys(chosen)}")
    raw = [c for c in _raw(candidates(source.content, expected=names)) if c.key != chosen[0].key]
    return Chosen(kind, False, chosen[0], raw[0] if raw and kind == "ema" else None, source.file)


def _key(source, key):
    """Return the one key that there is at a weights_key, which may have wildcards."""
    if look_up(source.content, key) is not None:
        return key
    found = matching(source.content, key)
    if len(found) > 1:
        raise FmdiagError(f"{source.file} has {len(found)} places at weights_key {key!r}: name one of "
                          f"{', '.join(found[:6])}")
    if found:
        return found[0]
    places = [c.key for c in candidates(source.content) if c.key] or sorted(map(str, source.keys()))
    raise FmdiagError(f"{source.file} has nothing at weights_key {key!r}: it has {', '.join(places[:8])}")


def _raw(found):
    """Return the raw candidates: only the most likely one where its key is among the usual ones."""
    raw = [c for c in found if not c.averaged and c.state is not None]
    for key in RAW:
        known = [c for c in raw if c.key.rpartition(".")[2] == key]
        if known:
            return known[:1]
    return raw


def _averages_of(raw, averages):
    """Return the averages that have the raw weights' names, where some have; else all."""
    if len(averages) < 2 or len(raw) != 1:
        return averages
    names = {name.rpartition(".")[2] for name in raw[0].state}
    same = [c for c in averages if (c.shadow is not None and len(c.shadow) <= len(raw[0].state))
            or (c.state is not None and {name.rpartition(".")[2] for name in c.state} <= names)]
    return same or averages


def _distinct(averages):
    """Return the averages without those that repeat an earlier one, tensor by tensor."""
    kept = []
    for one in averages:
        if not any(_equal(one, other) for other in kept):
            kept.append(one)
    return kept


def _equal(one, other):
    first, second = ([*c.state.values()] if c.state is not None else c.shadow for c in (one, other))
    return len(first) == len(second) and all(a.shape == b.shape and torch.equal(a, b)
                                             for a, b in zip(first, second, strict=True))


def _keys(found):
    return ", ".join(candidate.key or "the file itself" for candidate in found[:6])
