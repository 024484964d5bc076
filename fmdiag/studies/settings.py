"""Settings of a study as a user gives them: the data set and feature space, and the plan over sizes and objectives."""

import importlib

from fmdiag.checkpoints.recorded import source_record
from fmdiag.datasets import load_dataset
from fmdiag.errors import FmdiagError, check_choice
from fmdiag.studies import STUDIES
from fmdiag.studies.data import StudyData, choose_feature
from fmdiag.studies.plan import Measures, Plan, check_plan, evaluation_steps, parse_objective
from fmdiag.training import choose_network

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


def make_plan(kind, data, *, sizes=None, losses=None, seeds=3, steps=10_000, evaluations=None, network="auto",
              width=None, depth=None, dropout=0.0, channels=None, attention=True, batch_size=128, lr=2e-4,
              warmup=None, ema_decay=0.9999, precision="fp32", **measures):
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
        Times along training that samples are judged, halving back from the end; default that of the kind.
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
    spec = choose_network(data.training_set.shape, network, width=width, depth=depth, dropout=dropout,
                          channels=channels, attention=attention)
    training = {"network": spec, "warmup": min(5000, steps // 20) if warmup is None else warmup, "clip": CLIP,
                "batch_size": batch_size, "lr": lr, "ema_decay": ema_decay, "precision": precision}
    names = losses or module.DEFAULT_LOSSES
    names = names.split(",") if isinstance(names, str) else names
    plan = Plan(kind, parse_sizes(sizes, n_stored) if sizes else module.default_sizes(n_stored),
                tuple(parse_objective(name.strip()) for name in names), tuple(range(seeds)), training,
                evaluation_steps(steps, evaluations or module.DEFAULT_EVALUATIONS), Measures(**measures),
                data.describe(), data.feature_key)
    check_plan(plan)
    return plan


def parse_sizes(sizes, n_stored):
    """Return the sizes in "10,100,all", or of a sequence of them, ascending."""
    words = sizes.split(",") if isinstance(sizes, str) else sizes
    try:
        numbers = [n_stored if str(word).strip() == "all" else int(word) for word in words]
    except ValueError:
        raise FmdiagError(f"--sizes {sizes}: give whole numbers separated by commas, or all, e.g. 10,100,1000,all"
                          ) from None
    return tuple(sorted(numbers))
