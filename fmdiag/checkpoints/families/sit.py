"""SiT and DiT checkpoints: one network, ``m(x, t, y)``, in two conventions, on latents.

    SiT    t in [0, 1], 0 = noise; path and output by args.path_type (Linear, GVP, VP) and args.prediction; in lower
           case (linear, cosine) they are REPA's or MeanFlow's, see `repa`
    DiT    integer steps, 0 = clean ... 999, linear betas; the first half of the channels is epsilon

File: {model, ema, opt, args}; released files are the bare averaged state dict, which does not tell DiT from SiT. The
data are latents of an autoencoder (times 0.18215), sampled anew in every epoch; label 1000 means no class.

References
----------
Ma et al., "SiT", arXiv 2401.08740. Peebles and Xie, "Scalable Diffusion Models with Transformers", arXiv 2212.09748.
"""

from fmdiag.checkpoints.calls import calling
from fmdiag.checkpoints.cautions import LATENTS
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families import repa, transformer
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.labels import label_dropout
from fmdiag.checkpoints.places import arguments_of, look_up
from fmdiag.checkpoints.schedules import PathSchedule, ddpm_schedule
from fmdiag.checkpoints.states import choose_state
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.paths import CosinePath, LinearPath, VPPath

PATHS = {"Linear": LinearPath(), "GVP": CosinePath(), "VP": VPPath()}
PREDICTIONS = {"velocity": "velocity", "noise": "epsilon", "score": "score"}


class DiT:
    """DiT's convention."""

    @staticmethod
    def recognise(source):
        """Return whether the file has DiT's network and its arguments name no path."""
        return _transformer_file(source) and not _is_sit(source) and "args" in source.keys()

    @staticmethod
    def load(source, choices):
        """Return the Foreign network of a DiT file."""
        return _foreign("dit", source, choices, Convention(ddpm_schedule(), "epsilon"), {})


class SiT:
    """SiT's convention."""

    @staticmethod
    def recognise(source):
        """Return whether the file has the network and arguments that name a path, or REPA's projectors."""
        return _transformer_file(source) and _is_sit(source) or is_bare(source) and repa.has_projectors(source.content)

    @staticmethod
    def load(source, choices):
        """Return the Foreign network of a SiT file."""
        arguments = _arguments(source)
        if arguments.get("path_type") in repa.PATHS or is_bare(source) and repa.has_projectors(source.content):
            return _foreign("sit", source, choices, *repa.convention_of(arguments))
        path = check_choice("SiT path_type", arguments.get("path_type", "Linear"), PATHS)
        prediction = check_choice("SiT prediction", arguments.get("prediction", "velocity"), PREDICTIONS)
        convention = Convention(PathSchedule(PATHS[path]), PREDICTIONS[prediction])
        read = {"path_type": path, "prediction": prediction} if "path_type" in arguments else {}
        return _foreign("sit", source, choices, convention, read)


class MeanFlow:
    """MeanFlow's convention: the network of SiT with a second time, as a velocity field or, by a card, as a sampler."""

    @staticmethod
    def recognise(source):
        """Return whether the file has that network, and arguments that name a path in lower case."""
        return (_transformer_file(source) and _arguments(source).get("path_type") in repa.PATHS
                and any(repa.SECOND in (look_up(source.content, key) or ()) for key in ("ema", "model")))

    @staticmethod
    def load(source, choices):
        """Return the Foreign network of a MeanFlow file."""
        arguments = _arguments(source)
        found = _foreign("meanflow", source, choices, *repa.convention_of(arguments))
        found.read["call"] = repa.CALL
        found.warnings += repa.cautions(arguments)
        return found


def is_bare(source):
    """Return whether the file is a bare state dict, which either family may have written."""
    return source.kind == "tensors" and transformer.looks_like(source.content)


def _foreign(family, source, choices, convention, read):
    chosen = choose_state(source, choices, bare="ema")  # the released files are averages
    chosen = chosen if choices.factory else repa.without_projectors(chosen)
    assumed = {"coupling": "independent", "hflip": False}
    if choices.factory:
        network, module = {"name": choices.factory, **choices.arguments}, chosen.module
        channels, n_labels, shape = None, choices.n_classes or 0, None
    else:
        network, module, assumed_heads = _inferred(family, chosen.inferred(transformer.MARKS), choices, source.file)
        assumed |= assumed_heads
        channels, n_labels = network["channels"], network["n_labels"]
        shape = (channels, None, None)
    latents = _latents(choices, channels)
    assumed["data_range"] = "latents × 0.18215" if latents else [-1, 1]
    module, facts = chosen.into(module)
    read = {"network": network, **facts, **read}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    if not choices.factory and network["out_channels"] == 2 * channels:
        read["learned_variance"] = True
    table = module.state_dict().get("y_embedder.embedding_table.weight")
    n_labels = n_labels if table is None else len(table)
    null, trained = _null(choices, _arguments(source), n_labels, label_dropout(source.content))
    return Foreign(family, module, CALLS[family], convention, read, assumed, shape, n_classes=n_labels,
                   null_label=null, null_trained=trained, warnings=[LATENTS] * latents,
                   convention_read="prediction" in read)


def _null(choices, arguments, n_labels, dropout):
    """Return (label for none, whether it was trained or None): the network has one only where training drops labels."""
    if choices.null_label is not None:
        return choices.null_label, None
    n_classes = choices.n_classes or arguments.get("num_classes")
    if not n_labels or n_classes == n_labels or (dropout == 0 and n_classes is None):
        return None, None
    return n_labels - 1, dropout > 0 if dropout is not None else (True if n_classes == n_labels - 1 else None)


def _latents(choices, channels):
    """Return whether the data are latents: three channels or one are pixels, as the card may say otherwise."""
    if "latents" in choices.data:
        return choices.data["latents"]
    shape = choices.data.get("shape")
    return (channels or (shape[0] if shape else None)) not in (1, 3)


def _inferred(family, state, choices, file):
    try:
        arguments = transformer.infer(state, choices.heads) | choices.arguments
    except FmdiagError as error:
        raise FmdiagError(f"{file}: {error}") from error
    module = NETWORKS[family](**arguments)
    # No tensor's shape tells the heads.
    heads = {"heads": arguments.pop("heads")}
    return {"name": "transformer", **arguments}, module, heads


def call_sit(module, x, time, labels):
    """Return the first C channels of the output at times in [0, 1]; REPA's projections beside it are left out."""
    found = module(x, time, labels)
    return (found[0] if isinstance(found, tuple) else found)[:, : x.shape[1]]


def call_dit(module, x, time, labels):
    """Return epsilon, the first C of 2C channels, at steps 0 ... 999."""
    return module(x, time, labels)[:, : x.shape[1]]


CALLS = {"sit": call_sit, "dit": call_dit, "meanflow": calling(repa.CALL, None, True)}
NETWORKS = {"sit": transformer.Transformer, "dit": transformer.Transformer,
            "meanflow": transformer.MeanFlowTransformer}


def _transformer_file(source):
    return source.kind == "tensors" and any(
        transformer.looks_like(look_up(source.content, key)) for key in ("ema", "model"))


def _arguments(source):
    return arguments_of(source.content)


def _is_sit(source):
    return "path_type" in _arguments(source)
