"""Options that several commands share, so that the same thing has the same name everywhere."""

import math

import click


class Size(click.ParamType):
    """A number of bytes such as 500MB or 1GB."""

    name = "size"
    units = {"": 1, "B": 1, "K": 10**3, "KB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9, "GIB": 2**30,
             "MIB": 2**20, "T": 10**12, "TB": 10**12}

    def convert(self, value, parameter, context):
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        number = value.rstrip("BKMGTIbkmgti ")
        unit = value[len(number):].strip().upper()
        try:
            size = int(float(number) * self.units[unit])
        except (ValueError, KeyError, OverflowError):
            self.fail(f"{value!r} is not a size; give for example 500MB or 1GB", parameter, context)
        if size < 10**7:
            self.fail(f"{value!r} is too small; give at least 10MB", parameter, context)
        return size


class Numbers(click.ParamType):
    """One number, or a grid LOW:HIGH:COUNT of evenly spaced ones, each in [0, 1]."""

    name = "number|low:high:count"
    most = 10_000

    def convert(self, value, parameter, context):
        """Return a list of floats."""
        if isinstance(value, list):
            return value
        parts = value.split(":")
        try:
            if len(parts) == 3:
                numbers = self._grid(float(parts[0]), float(parts[1]), int(parts[2]))
            else:
                numbers = [float(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is neither a number nor LOW:HIGH:COUNT, such as 0:1:11", parameter, context)
        if not numbers:
            self.fail(f"{value!r}: COUNT must be from 1 to {self.most}", parameter, context)
        if not all(0 <= number <= 1 for number in numbers):
            self.fail(f"{value!r}: values must be in [0, 1]", parameter, context)
        return numbers

    def _grid(self, low, high, count):
        """Return `count` evenly spaced numbers, rounded so that 0:1:11 holds the 0.3 that a user types."""
        if not 1 <= count <= self.most:
            return []
        return [round(low + (high - low) * k / max(1, count - 1), 12) for k in range(count)]


class PoolSize(click.ParamType):
    """A number of rows, or all."""

    name = "m|all"

    def convert(self, value, parameter, context):
        """Return an int, 1 or more, or "all"."""
        if value == "all" or isinstance(value, int):
            return value
        if not value.isdigit() or int(value) < 1:
            self.fail(f"{value!r} is not a whole number, 1 or more, or all", parameter, context)
        return int(value)


class Range(click.ParamType):
    """Two numbers LOW,HIGH."""

    name = "low,high"

    def convert(self, value, parameter, context):
        """Return (low, high)."""
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not LOW,HIGH, such as 0,255", parameter, context)
        if not -math.inf < low < high < math.inf:
            self.fail(f"{value!r}: LOW must be less than HIGH, both finite", parameter, context)
        return low, high


METHODS = ("euler", "midpoint", "heun2", "rk4", "dopri5")
SEED = click.IntRange(0, 2**63 - 1)

DATA = [
    click.option("--dataset", metavar="NAME|PATH", help="Named set, folder of images, or file (npy, npz, pt, "
                 "safetensors, idx, Parquet, Arrow). Default: the checkpoint's own, or digits."),
    click.option("--split", type=click.Choice(["train", "test"]), default="train", show_default=True,
                 help="Which part plays the training set."),
    click.option("--held-out", metavar="FRACTION|PATH", help="Held-out rows for sets that bring none."),
    click.option("--n", "n_rows", type=click.IntRange(1), help="Use a nested random subset of n rows."),
    click.option("--size", type=click.IntRange(1), help="Image side that pictures are cropped and resized to."),
    click.option("--hflip/--no-hflip", default=None, help="Count mirror images as rows. Default: as the checkpoint "
                 "was trained, else no."),
    click.option("--value-range", type=Range(), metavar="LOW,HIGH", help="Stored values that stand for black and "
                 "white, for arrays that do not say, e.g. 0,1."),
    click.option("--data-root", type=click.Path(file_okay=False), help="Folder of downloaded data sets.  "
                 "[default: FMDIAG_DATA_ROOT, else the user's data folder]"),
    click.option("--offline", is_flag=True, help="Never download."),
    click.option("--orientation", type=click.Choice(["upright", "stored"]), help="Turn pictures as their EXIF "
                 "orientation says, or keep them as stored.  [default: as the checkpoint was trained, else upright]"),
    click.option("--skip-bad", is_flag=True, help="Skip pictures that cannot be read instead of stopping."),
    click.option("--verify", is_flag=True, help="Hash the content of all files of a data set before its decoded "
                 "copy in the cache is used, instead of looking at their inodes, sizes and times."),
]

RUN = [
    click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of everything random."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ..."),
    click.option("--memory", type=Size(), help="Memory that û* may use, in every process, e.g. 1GB.  "
                 "[default: a quarter of what is free, at least 1GiB]"),
    click.option("--out", type=click.Path(file_okay=False), help="Run folder.  [default: reports/COMMAND-DATASET]"),
    click.option("--overwrite", is_flag=True, help="Replace an earlier run folder once the new one is complete."),
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout."),
]

# Names: `fmdiag.features.FEATURES`, which is not imported here as it needs torch.
SPACES = [
    click.option("--feature-weights", multiple=True, metavar="NAME=PATH", help="Weights of a feature: file, or folder "
                 "(dinov2).  [default: in the data root's folder weights, else downloaded]"),
    click.option("--feature-size", type=click.IntRange(1), help="Image side that torchscript and onnx want."),
    click.option("--feature-normalisation", type=click.Choice(["model", "unit", "symmetric", "imagenet", "uint8"]),
                 help="Values that torchscript and onnx want.  [default: model, as they are]"),
    click.option("--pca-components", type=click.IntRange(1), help="Dimensions of pca.  [default: 64]"),
    click.option("--no-cache", is_flag=True, help="Neither read nor keep features in FMDIAG_CACHE."),
]
NEIGHBOURS = [
    click.option("--index", default="flat", show_default=True, metavar="KIND", help="flat (exact), ivf or hnsw "
                 "(faster, recall is measured); ivf:32 visits 32 cells, hnsw:128 keeps 128 candidates."),
    click.option("--duplicate-tolerance", type=click.FloatRange(0), default=0.0, show_default=True,
                 help="Rows within this distance of the nearest one count as its duplicates, as equal rows do."),
]

# What is not given is read from the file or assumed; `fmdiag checkpoint FILE` says which.
CONVENTION = [
    click.option("--family", metavar="NAME", help="Family of CHECKPOINT instead of the recognised one: torchcfm, "
                 "flow_matching, rectified_flow, diffusers, sit, dit, edm, module."),
    click.option("--weights", type=click.Choice(["ema", "raw"]), help="Which weights.  [default: ema where present]"),
    click.option("--parameterisation", type=click.Choice(["velocity", "-velocity", "epsilon", "x1", "v", "score"]),
                 help="What the network returns; velocity is the derivative along its own time."),
    click.option("--time-direction", type=click.Choice(["noise-to-data", "data-to-noise"]),
                 help="Whether the network's time 0 is noise or data."),
    click.option("--time-scale", type=click.FloatRange(0, min_open=True), help="The network's last time, e.g. 1000."),
    click.option("--path", "path_name", metavar="NAME", help="Probability path that the network was trained on: "
                 "linear, cosine, vp, linear-vp, polynomial:N; ddpm (1000 steps, linear betas) or edm."),
    click.option("--class-label", type=click.IntRange(0), help="Class that samples are conditioned on."),
    click.option("--guidance", type=float, help="Classifier-free guidance scale.  [default: 1, none]"),
    click.option("--coupling", type=click.Choice(["independent", "ot"]), help="How noise and data were paired."),
    click.option("--heads", type=click.IntRange(1), help="Attention heads, which no tensor's shape tells."),
    click.option("--model", type=click.Path(dir_okay=False), help="Model card (TOML or YAML): factory, arguments, "
                 "weights key, convention."),
    click.option("--trust-code", "--trust-pickle", "trust_code", is_flag=True, help="Run the code in files: pickles "
                 "(EDM), TorchScript, torch.export, a card's factory; only for files whose origin you trust."),
]
CHOICES = ("family", "weights", "parameterisation", "time_direction", "time_scale", "path_name", "class_label",
           "guidance", "coupling", "heads", "model", "trust_code")


def data_options(command):
    """Add the options that choose a training set."""
    return _add(DATA, command)


def run_options(command):
    """Add the options that every measurement has: data, seed, device, memory, out, json."""
    return _add([*DATA, *RUN], command)


def feature_options(command):
    """Add the options that choose feature spaces and how neighbours are searched in them; see `cli.spaces`."""
    return _add([_feature("pixels"), *SPACES, *NEIGHBOURS], command)


def space_options(default):
    """Return a decorator that adds the options that choose feature spaces, `default` without any."""
    return lambda command: _add([_feature(default), *SPACES], command)


def _feature(default):
    return click.option("--feature", "features", multiple=True, default=(default,), show_default=default,
                        metavar="NAME", help="Space of the comparison, several may be given: pixels, pca, inception, "
                        "dinov2, sscd, lpips, torchscript, onnx.")


def method_option():
    """Return a decorator that adds the solver, one of `fmdiag.sampling.METHODS` (not imported: it needs torch)."""
    return click.option("--method", type=click.Choice(METHODS), default="euler", show_default=True, help="Solver.")


def scheduler_times_option():
    """Return a decorator that adds the choice of a scheduler's own times for the samples."""
    return click.option("--times-of-scheduler", is_flag=True, help="Draw samples at the times of the scheduler beside "
                        "the network (diffusers folders) instead of evenly spaced ones.")


def decoder_option():
    """Return a decorator that adds the decoder of a latent model."""
    return click.option("--decoder", type=click.Path(), metavar="PATH", help="Decoder of latents, for the pictures "
                        "only: a diffusers autoencoder folder, a TorchScript or a .pt2 file.")


def checkpoint_argument(*, required=True):
    """Return a decorator that adds the CHECKPOINT argument and what goes with it."""
    return lambda command: _add([
        click.argument("checkpoint", required=required, type=click.Path()),
        click.option("--allow-mismatch", is_flag=True, help="Accept rows other than those CHECKPOINT was trained on."),
        _accept_reading(),
        *CONVENTION,
    ], command)


def reading_options(command):
    """Add the options that choose the rows on which a checkpoint's reading is tested."""
    return _add([*DATA, _accept_reading()], command)


def _accept_reading():
    return click.option("--accept-reading", is_flag=True, help="Measure a network that, as it is read, fits its "
                        "training rows worse than the zero field does.")


def convention_options(command):
    """Add the options that say what a checkpoint's file does not."""
    return _add(CONVENTION, command)


def _add(options, command):
    for option in reversed(options):
        command = option(command)
    return command
