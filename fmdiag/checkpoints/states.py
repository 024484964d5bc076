"""State dict of the network, averaged or raw, among a file's tensors, and its way into the network."""

import os
from dataclasses import dataclass, replace

import torch

from fmdiag.checkpoints.candidates import Candidate, candidates, is_averaged
from fmdiag.checkpoints.factories import build_from_factory
from fmdiag.checkpoints.fitting import completed, fitted, found_for, listed, prefixes_of, under, with_shadow
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
    """

    kind: str
    assumed: bool
    candidate: Candidate
    raw: Candidate | None
    file: os.PathLike
    module: torch.nn.Module | None = None

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
        at = ", names after ".join(filter(None, [self.candidate.key or "the file itself", found.prefix]))
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
        Its `weights` and `weights_key` decide.
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
    return replace(find(source, choices, names, bare), module=module)


def _found(source, choices, names, bare):
    found = candidates(source.content, expected=names)
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
    key = choices.weights_key
    value = look_up(source.content, key)
    if value is None:
        places = [c.key for c in candidates(source.content) if c.key] or sorted(map(str, source.keys()))
        raise FmdiagError(f"{source.file} has nothing at weights_key {key!r}: it has {', '.join(places[:8])}")
    kind = "ema" if is_averaged(key) or choices.weights == "ema" else "raw"
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


def look_up(content, key):
    """Return the value at a dotted key, the content itself for the empty key, or None.

    A key of the file may have points of its own; a number chooses from a list; what remains of the key may be the
    beginning of the names in a state dict.
    """
    if key == "":
        return content
    if isinstance(content, list | tuple):
        first, _, rest = key.partition(".")
        return look_up(content[int(first)], rest) if first.isdigit() and int(first) < len(content) else None
    if not isinstance(content, dict):
        return None
    for name in sorted((str(name) for name in content if key == str(name) or key.startswith(f"{name}.")), key=len,
                       reverse=True):
        inner = next(value for other, value in content.items() if str(other) == name)
        if (found := look_up(inner, key[len(name) + 1:])) is not None:
            return found
    return under(content, f"{key}.") or None


def arguments_of(content):
    """Return the training script's arguments that a file keeps, a dict; empty where it keeps none."""
    for key in ("args", "hyper_parameters", "hparams", "config", "cfg"):
        found = content.get(key) if isinstance(content, dict) else None
        found = vars(found) if hasattr(found, "__dict__") else found
        if isinstance(found, dict) and found:
            return found
    return {}


def is_state(value):
    """Return whether a value is a dict of tensors."""
    return isinstance(value, dict) and bool(value) and all(isinstance(w, torch.Tensor) for w in value.values())


def outline(content):
    """Return in a few words what a loaded file is, for messages."""
    if isinstance(content, dict):
        keys = [str(key) for key in list(content)[:4]]
        return f"a dict with keys {', '.join(keys)}{', ...' if len(content) > len(keys) else ''}"
    if isinstance(content, list | tuple):
        kinds = sorted({type(part).__name__ for part in content[:100]})
        return f"a {type(content).__name__} of {len(content)} ({', '.join(kinds[:3]) or 'nothing'})"
    return f"a {type(content).__name__}"


def _keys(found):
    return ", ".join(candidate.key or "the file itself" for candidate in found[:6])
