"""Files of LightningDiT: {model, ema, opt, config}, ``m(x, t, y)`` in SiT's convention: t in [0, 1], 0 = noise.

Its configurations train the velocity on the straight path, or what config.transport says. The data are latents that
were stored once, of each picture and of its mirror image, normalised by statistics beside them and not by one factor.
The last row of the labels' table is the one for no class.

References
----------
Yao, Yang, Wang, "Reconstruction vs. Generation: Taming Optimization Dilemma in Latent Diffusion Models",
arXiv 2501.01423.
"""

from fmdiag.checkpoints.calls import calling, order_of
from fmdiag.checkpoints.candidates import candidates
from fmdiag.checkpoints.convention import Convention
from fmdiag.checkpoints.families import lightning_transformer
from fmdiag.checkpoints.families.sit import PATHS, PREDICTIONS
from fmdiag.checkpoints.fitting import prefixes_of, under
from fmdiag.checkpoints.foreign import Foreign
from fmdiag.checkpoints.places import look_up
from fmdiag.checkpoints.schedules import PathSchedule
from fmdiag.checkpoints.states import choose_state
from fmdiag.errors import FmdiagError, check_choice


def recognise(source):
    """Return whether a state dict in the file, under any prefix, has its network."""
    return source.kind == "tensors" and any(lightning_transformer.looks_like(under(found.state, prefix))
                                            for found in candidates(source.content)[:3] if found.state
                                            for prefix in prefixes_of(found.state, lightning_transformer.MARKS)[:1])


def load(source, choices):
    """Return the Foreign network of a file."""
    chosen = choose_state(source, choices, bare="ema")  # the released files are averages
    assumed, order, channels = {"coupling": "independent", "hflip": False}, "x, t, y", None
    if choices.factory:
        network, module = {"name": choices.factory, **choices.arguments}, chosen.module
        order, _ = order_of(module, choices)
    else:
        network = _inferred(chosen, choices, source.file)
        module, channels = lightning_transformer.Transformer(**network), network["channels"]
        if not network["rotated"]:
            assumed["heads"] = network.pop("heads")  # only the rotation tells them
        network = {"name": "LightningDiT", **network}
    latents = choices.data.get("latents", channels not in (1, 3))
    assumed["data_range"] = "latents, normalised" if latents else [-1, 1]
    module, facts = chosen.into(module)
    read = {"network": network, **facts}
    (assumed if chosen.assumed else read)["weights"] = chosen.kind
    convention, said = _convention(source)
    n_labels = network.get("n_labels", choices.n_classes or 0)
    null = choices.null_label if choices.null_label is not None or choices.factory else n_labels - 1
    return Foreign("lightningdit", module, calling(order, choices.output, True, choices.conditions),
                   convention, read, assumed, channels and (channels, None, None), n_classes=n_labels, null_label=null,
                   convention_read=said)


def _convention(source):
    """Return (Convention, whether the configuration in the file says it)."""
    given = look_up(source.content, "config.transport")
    given = given if isinstance(given, dict) else {}
    path = check_choice("LightningDiT path_type", given.get("path_type", "Linear"), PATHS)
    prediction = check_choice("LightningDiT prediction", given.get("prediction", "velocity"), PREDICTIONS)
    return Convention(PathSchedule(PATHS[path]), PREDICTIONS[prediction]), {"path_type", "prediction"} <= set(given)


def _inferred(chosen, choices, file):
    state = chosen.inferred(lightning_transformer.MARKS)
    try:
        return lightning_transformer.infer(state, choices.heads) | choices.arguments
    except FmdiagError as error:
        raise FmdiagError(f"{file}: {error}") from error
