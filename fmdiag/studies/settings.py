"""Settings of a study as a user gives them: the data set and feature space, and the plan over sizes and objectives."""

import importlib

from fmdiag.checkpoints.recorded import source_record
from fmdiag.datasets import load_dataset
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.studies import STUDIES
from fmdiag.studies.data import StudyData, choose_feature
from fmdiag.studies.plan import Measures, Plan, check_plan, evaluation_steps, parse_objective
from fmdiag.training import choose_network, parameters_of

WIDENED = ("size", "time")
CLIP = 1.0  # largest norm of a gradient


def load_data(dataset="digits", *, feature="auto", trust_code=False, data_root=None, offline=False, **reading):
    """Return the StudyData of a data set.

    Parameters
    ----------
    dataset : str or path
        A named set, a folder of images or a file; it must have a test part.
    feature : str
        Space of the Fréchet distances; see `fmdiag.studies.data.choose_feature`.
    trust_code : bool
        Whether a feature that is a program may run.
    data_root : path, optional
        Folder of downloaded data sets.
    offline : bool
        Whether downloads are refused.
    **reading
        size, held_out, skip_bad, value_range, orientation and groups, as `fmdiag.load_dataset` takes them.
    """
    training_set = load_dataset(dataset, data_root=data_root, offline=offline, **reading)
    space = choose_feature(feature, training_set, data_root, trust_code)
    return StudyData(training_set, space, source_record(dataset, training_set, **reading))


def make_plan(kind, data, *, sizes=None, losses=None, seeds=3, steps=10_000, evaluations=None, spacing=2.0,
              network="auto", width=None, widths=None, depth=None, dropout=0.0, channels=None, attention=True,
              batch_size=128, lr=2e-4, warmup=None, ema_decay=0.9999, precision="fp32", **measures):
    """Return the checked Plan of a study.

    Parameters
    ----------
    kind : str
        ``"size"``, ``"losses"`` or ``"time"``.
    data : StudyData
    sizes : str or sequence of int, optional
        Numbers of training examples, as a text ``"10,100,all"``; default those of the kind.
    losses : str or sequence of str, optional
        Objectives by their short names (see `fmdiag.studies.plan.parse_objective`); default those of the kind.
    seeds : int
        Models per size and objective.
    steps : int
        Training steps of each model.
    evaluations : int, optional
        Times along training that samples are judged, falling back from the end by `spacing`; default that of the kind.
    widths : sequence of int, optional
        Widths of the network, increasing, in place of `width`, for ``"size"`` and ``"time"``: a model per size and
        width. With `channels`, every level of the U-Net grows in proportion to the first.
    spacing : float
        Factor between evaluations.
    network, width, depth, dropout, channels, attention
        As `fmdiag.training.choose_network` takes them.
    batch_size, lr, ema_decay, precision
        As `fmdiag.train` takes them.
    warmup : int, optional
        Steps of warm-up; default a twentieth of the steps, at most 5000.
    **measures
        Fields of `fmdiag.studies.plan.Measures`.

    Raises
    ------
    FmdiagError
        If the kind is unknown, or a size, an objective or their combination is not to be had.
    """
    module = importlib.import_module(STUDIES[check_choice("study", kind, STUDIES)])
    n_stored = data.training_set.n_stored
    shape, chosen = data.training_set.shape, {"depth": depth, "dropout": dropout, "attention": attention}
    networks = widened(shape, network, check_widths(kind, widths, width), channels, **chosen) if widths else ()
    spec = networks[-1] if widths else choose_network(shape, network, width=width, channels=channels, **chosen)
    training = {"network": spec, "warmup": min(5000, steps // 20) if warmup is None else warmup, "clip": CLIP,
                "batch_size": batch_size, "lr": lr, "ema_decay": ema_decay, "precision": precision}
    names = losses or module.DEFAULT_LOSSES
    names = names.split(",") if isinstance(names, str) else names
    plan = Plan(kind, parse_sizes(sizes, n_stored) if sizes else module.default_sizes(n_stored),
                tuple(parse_objective(name.strip()) for name in names), tuple(range(seeds)), training,
                evaluation_steps(steps, evaluations or module.DEFAULT_EVALUATIONS, spacing), Measures(**measures),
                data.describe(), data.feature_key, networks)
    check_plan(plan)
    return plan


def check_widths(kind, widths, width):
    """Return the widths as a tuple.

    Raises
    ------
    FmdiagError
        If they are not increasing whole numbers, stand beside a single width, or the kind has no such axis.
    """
    if kind not in WIDENED:
        raise FmdiagError(f"a study of {kind} compares models of one width: leave --widths out, or study "
                          f"{' or '.join(WIDENED)}")
    if width is not None:
        raise FmdiagError(f"--width {width} and --widths {','.join(map(str, widths))} both say how wide networks are: "
                          "give one")
    if list(widths) != sorted(set(widths)) or min(widths) < 1:
        raise FmdiagError(f"--widths {','.join(map(str, widths))}: give increasing whole numbers, e.g. 64,256,1024")
    return tuple(map(int, widths))


def widened(shape, network, widths, channels, **chosen):
    """Return the network of every width; `channels` in proportion, the first being the width.

    Raises
    ------
    FmdiagError
        If a width gives no network, such as one with half a channel.
    """
    networks = tuple(_of_width(shape, network, width, channels, chosen) for width in widths)
    for width, spec in zip(widths, networks, strict=True):
        try:
            parameters_of(spec)
        except FmdiagError as error:
            raise FmdiagError(f"--widths {width}: {error}") from error
    return networks


def _of_width(shape, network, width, channels, chosen):
    if not channels:
        return choose_network(shape, network, width=width, **chosen)
    if any(count * width % channels[0] for count in channels):
        raise FmdiagError(f"--widths {width} with --channels {','.join(map(str, channels))}: channels in this "
                          "proportion are no whole numbers; give widths that the first level divides")
    return choose_network(shape, network, channels=[count * width // channels[0] for count in channels], **chosen)


def parse_sizes(sizes, n_stored):
    """Return the sizes in "10,100,all", or of a sequence of them, ascending."""
    words = sizes.split(",") if isinstance(sizes, str) else sizes
    try:
        numbers = [n_stored if str(word).strip() == "all" else int(word) for word in words]
    except ValueError:
        raise FmdiagError(f"--sizes {sizes}: give whole numbers separated by commas, or all, e.g. 10,100,1000,all"
                          ) from None
    return tuple(sorted(numbers))
