"""Options that several commands share, so that the same thing has the same name everywhere."""

import click

from .completion import DataSet
from .echo import HIDDEN
from .grouped import RARE, option
from .types import Range, Size

SEED = click.IntRange(0, 2**63 - 1)

DATA = [
    option("Data", "--dataset", type=DataSet(), metavar="NAME|PATH", help="Named set, folder of images, or file (npy, "
           "npz, pt, safetensors, idx, Parquet, Arrow). Default: the checkpoint's own, or digits."),
    option("Data", "--split", type=click.Choice(["train", "test"]), default="train", show_default=True,
                 help="Which part plays the training set."),
    option("Data", "--held-out", metavar="FRACTION|PATH", help="Held-out rows for sets that bring none."),
    option("Data", "--groups", metavar="COLUMN|PATTERN|folder:N", help="Which rows belong together, of one patient, "
           "video or photograph: a column (npz, Parquet, ...), the folder of a level (folder, folder:2), or a pattern "
           "on paths with one part in round brackets, such as '(patient_\\d+)'. Whole groups are held out, and none "
           "may be in both sets.  [default: as the checkpoint was trained, or as the set's card says, else none]"),
    option("Data", "--n", "n_rows", type=click.IntRange(1), help="Use a nested random subset of n rows."),
    option("Data", "--size", type=click.IntRange(1), help="Image side that pictures are cropped and resized to."),
    option("Data", "--hflip/--no-hflip", default=None, help="Count mirror images as rows. Default: as the checkpoint "
                 "was trained, else no."),
    option("Data", "--value-range", type=Range(), metavar="LOW,HIGH", help="Stored values that stand for black and "
                 "white, for arrays that do not say, e.g. 0,1."),
    option("Data", "--moments", metavar="FORMAT[:SCALE]", help="Rows are moments of latents that training sampled "
           "anew, 2C channels: mean-logvar or mean-std; with the factor of latents: mean-logvar:0.18215."),
    option("Data", "--data-root", type=click.Path(file_okay=False), help="Folder of downloaded data sets.  "
                 "[default: FMDIAG_DATA_ROOT, else the user's data folder]"),
    option("Data", "--offline", is_flag=True, help="Never download."),
    option("Data", "--orientation", type=click.Choice(["upright", "stored"]), help="Turn pictures as their EXIF "
           "orientation says, or keep them as stored.  [default: as the checkpoint was trained, else upright]"),
    option("Data", "--skip-bad", is_flag=True, help="Skip pictures that cannot be read instead of stopping."),
    option("Data", "--verify", is_flag=True, help="Hash the content of all files of a data set before its decoded copy "
           "in the cache is used, instead of looking at their inodes, sizes and times."),
]

COMPUTING = [
    option("Run", "--seed", type=SEED, default=0, show_default=True, help="Seed of everything random."),
    option("Run", "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ..."),
    option("Run", "--memory", type=Size(), help="Memory that every process may use, e.g. 1GB.  "
           "[default: for arrays a quarter of what is free, at least 1GiB]"),
]
OUT = [   # of commands that go on in their folder, and replace none
    option("Run", "--out", type=click.Path(file_okay=False), help="Run folder.  [default: reports/COMMAND-DATASET]"),
    option("Run", "--json", "as_json", is_flag=True, help="Print verdict, headline numbers and, under details, the "
           "summary as JSON on stdout."),
    option("Run", "--verbose", is_flag=True, help="Print the whole summary, not the headline numbers alone."),
]


def _anonymous(context, parameter, value):
    context.meta[HIDDEN] = value


ANONYMOUS = option("Run", "--anonymous", is_flag=True, expose_value=False, callback=_anonymous, is_eager=True,
                   help="Name files without their folders, and neither user nor host, in what is written and printed.")
DRY = option("Run", "--dry-run", is_flag=True, help="Measure and write nothing: print what would be measured, and an "
             "estimate of its time and memory.")
RUN = [
    *COMPUTING,
    option("Run", "--times-of-scheduler", is_flag=True, help="Draw samples at the times of the scheduler beside the "
           "network (diffusers folders) instead of evenly spaced ones."),
    OUT[0],
    option("Run", "--overwrite", is_flag=True, help="Replace an earlier run folder once the new one is complete."),
    *OUT[1:],
    ANONYMOUS,
    DRY,
]

# What is not given is read from the file or assumed; `fmdiag checkpoint FILE` says which.
CONVENTION = [
    option(RARE, "--family", metavar="NAME", help="Family of CHECKPOINT instead of the recognised one: torchcfm, "
                 "flow_matching, rectified_flow, diffusers, sit, dit, meanflow, guided_diffusion, "
                 "lightningdit, denoising_diffusion, minrf, edm, module."),
    option(RARE, "--weights", type=click.Choice(["ema", "raw"]), help="Which weights.  [default: ema where present]"),
    option(RARE, "--weights-key", metavar="KEY", help="Where in CHECKPOINT the weights lie: dotted, with list indices "
                 "and wildcards, e.g. 'callbacks.EMA*.ema_state_dict'.  [default: averages, else raw weights]"),
    option(RARE, "--prefix", metavar="TEXT", help="What the names of the network's tensors begin with, e.g. net.  "
                 "[default: the one after which all of them fit]"),
    option(RARE, "--parameterisation", type=click.Choice(["velocity", "-velocity", "epsilon", "x1", "v", "score"]),
                 help="What the network returns; velocity is the derivative along its own time."),
    option(RARE, "--time-direction", type=click.Choice(["noise-to-data", "data-to-noise"]),
                 help="Whether the network's time 0 is noise or data."),
    option(RARE, "--time-scale", type=click.FloatRange(0, min_open=True), help="The network's last time, e.g. 1000."),
    option(RARE, "--path", "path_name", metavar="NAME", help="Probability path that the network was trained on: "
                 "linear, cosine, vp, linear-vp, polynomial:N; or diffusion schedule: ddpm-linear (ddpm), ddpm-cosine, "
                 "ddpm-sigmoid, scaled-linear (each NAME:STEPS, 1000 by default), edm, edm-vp, edm-ve, ve."),
    option(RARE, "--class-label", type=click.IntRange(0), help="Class that samples are conditioned on."),
    option(RARE, "--guidance", type=float, help="Classifier-free guidance scale.  [default: 1, none]"),
    option(RARE, "--coupling", type=click.Choice(["independent", "ot"]), help="How noise and data were paired."),
    option(RARE, "--heads", type=click.IntRange(1), help="Attention heads, which no tensor's shape tells."),
    option(RARE, "--model", type=click.Path(dir_okay=False), help="Model card (TOML or YAML): factory, arguments, "
                 "weights key, convention."),
    option(RARE, "--condition", type=click.Path(dir_okay=False), metavar="FILE", help="Tensors that the network is "
           "given with every sample, by the names of its arguments: text embeddings, masks (safetensors, npz)."),
    option(RARE, "--trust-code", "--trust-pickle", "trust_code", is_flag=True, help="Run the code in files: pickles "
           "(EDM), TorchScript, torch.export, a card's factory; only for files whose origin you trust."),
]
ACCEPT_READING = option("Data", "--accept-reading", is_flag=True, help="Measure a network that, as it is read, fits "
                        "its training examples worse than the zero field does.")
MISMATCH = option("Data", "--allow-mismatch", is_flag=True, help="Accept rows other than those CHECKPOINT was trained "
                  "on.")
MISMATCHES = [MISMATCH, ACCEPT_READING]
DECODER = option("Run", "--decoder", type=click.Path(), metavar="PATH", help="Decoder of latents, for the pictures "
                 "only: a diffusers autoencoder folder, a TorchScript or a .pt2 file.")


def data_options(command):
    """Add the options that choose a training set."""
    return added(DATA, command)


def reading_options(command):
    """Add the options that choose the examples on which a checkpoint's reading is tested."""
    return added([*DATA, ACCEPT_READING], command)


def convention_options(command):
    """Add the options that say what a checkpoint's file does not."""
    return added(CONVENTION, command)


def added(options, command):
    """Add options to a function, or to a command, in their order."""
    for add in options if isinstance(command, click.Command) else reversed(options):
        command = add(command) or command
    return command
