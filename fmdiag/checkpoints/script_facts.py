"""Facts on its training that a file keeps among its script's arguments: data, mirrored copies, augmentation, coupling.

Only names that mean the same wherever they are used are looked for, at the top of args, hyper_parameters or config.
"""

from fmdiag.checkpoints.places import arguments_of

DATA = ("data_path", "data_dir", "dataset", "dataset_path", "dataset_name", "train_data_dir", "train_dir", "data_root",
        "dataset_dir")
FLIPS = ("hflip", "random_flip", "random_hflip", "xflip", "horizontal_flip", "random_horizontal_flip",
         "augment_horizontal_flip")
AUGMENTATIONS = ("random_crop", "color_jitter", "colour_jitter", "random_resized_crop", "random_rotation", "cutout",
                 "augment", "augmentation", "augmentations", "uniform_dequantization", "dequantize")
OT_SWITCHES = ("ot", "use_ot", "ot_coupling", "use_ot_coupling", "minibatch_ot", "use_minibatch_ot",
               "optimal_transport", "use_optimal_transport")
OT_CHOICES = ("coupling", "matcher", "flow_matcher", "cfm_type", "fm_type", "model", "loss", "objective")
OT_VALUES = ("ot", "otcfm", "minibatchot", "exactoptimaltransportconditionalflowmatcher", "optimaltransport")
OFF = ("", "0", "0.0", "false", "no", "none", "off")
LONGEST = 200


def script_facts(content):
    """Return the facts {trained_on, hflip, augmentation, coupling} that a file's arguments say, as far as they do."""
    arguments, facts = arguments_of(content), {}
    data = next((arguments[name] for name in DATA if isinstance(arguments.get(name), str) and arguments[name]), None)
    if data is not None:
        facts["trained_on"] = data[:LONGEST]
    flips = [arguments[name] for name in FLIPS if isinstance(arguments.get(name), bool)]
    if flips:
        facts["hflip"] = any(flips)
    used = [name if arguments[name] is True else f"{name} {arguments[name]}"[:LONGEST] for name in AUGMENTATIONS
            if isinstance(arguments.get(name), bool | int | float | str) and str(arguments[name]).lower() not in OFF]
    if used:
        facts["augmentation"] = ", ".join(used)
    if _transports(arguments):
        facts["coupling"] = "ot"
    return facts


def _transports(arguments):
    """Return whether the arguments say that noise and data were paired by optimal transport within a batch."""
    chosen = [arguments[name] for name in OT_CHOICES if isinstance(arguments.get(name), str)]
    named = any("".join(filter(str.isalnum, value.lower())) in OT_VALUES for value in chosen)
    return named or any(arguments.get(name) is True for name in OT_SWITCHES)
