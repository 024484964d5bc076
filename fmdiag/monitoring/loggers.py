"""Loggers of training runs: where the monitor hands its scalars and its figure.

Any ``log(dict, step)`` will do, a `torch.utils.tensorboard.SummaryWriter`, and the module mlflow:

    log=wandb.log            Weights & Biases, scalars and figure
    log=mlflow               MLflow, scalars, and the figure as artifact; log=mlflow.log_metrics: scalars alone
    log=SummaryWriter(...)   TensorBoard
"""

import inspect

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fmdiag.errors import FmdiagError

PREFIX, FIGURE = "fmdiag/", "fmdiag/curves"


def as_logger(log):
    """Return a Logger of what the user gave.

    Raises
    ------
    FmdiagError
        If it is neither callable, nor a SummaryWriter, nor mlflow.
    """
    if hasattr(log, "add_scalar") and hasattr(log, "add_figure"):
        return TensorBoard(log)
    if hasattr(log, "log_metrics") and hasattr(log, "log_figure"):
        return MLflow(log)
    if callable(log):
        return Logger(log)
    raise FmdiagError(f"log: a {type(log).__name__} takes no scalars: give a callable log(dict, step), such as "
                      "wandb.log, the module mlflow, or a torch.utils.tensorboard.SummaryWriter")


def scalars(table):
    """Return {name: float} of the rows of one look: values, p-values as NAME_p, seconds of all; none that is NaN.

    Examples
    --------
    >>> import pandas as pd
    >>> scalars(pd.DataFrame({"quantity": ["gap", "d1"], "value": [0.5, 2.0], "p": [0.25, float("nan")],
    ...                       "measure": ["gap", "f_mem"], "seconds": 0.5}))
    {'fmdiag/gap': 0.5, 'fmdiag/gap_p': 0.25, 'fmdiag/d1': 2.0, 'fmdiag/seconds': 1.0}
    """
    found = {}
    for quantity, value, p in zip(table["quantity"], table["value"], table["p"], strict=True):
        found |= {f"{PREFIX}{quantity}": float(value), f"{PREFIX}{quantity}_p": float(p)}
    found[f"{PREFIX}seconds"] = float(table.groupby("measure")["seconds"].first().sum())
    return {name: value for name, value in found.items() if np.isfinite(value)}


class Logger:
    """Hands dictionaries to a callable log(dict, step).

    Parameters
    ----------
    log : callable
        The dictionary holds floats, or the figure alone.
    """

    def __init__(self, log):
        self.log, self.takes_figures = log, True

    def scalars(self, values, step):
        """Log floats by name."""
        self.log(values, step=step) if _names_step(self.log) else self.log(values, step)

    def figure(self, figure, step):
        """Log the figure where figures are taken."""
        if self.takes_figures:
            try:
                self.scalars({FIGURE: _picture(figure) if _is_of_wandb(self.log) else figure}, step)
            except Exception as error:
                self.takes_figures = False
                raise FmdiagError(f"it takes no figures ({type(error).__name__}); scalars alone are logged") from error


class TensorBoard:
    """Writes scalars and figures with a SummaryWriter."""

    def __init__(self, writer):
        self.writer = writer

    def scalars(self, values, step):
        """Log floats by name."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def figure(self, figure, step):
        """Log the figure."""
        self.writer.add_figure(FIGURE, figure, step, close=False)
        self.writer.flush()


class MLflow:
    """Logs scalars and figures with the module mlflow, or a client that has its functions."""

    def __init__(self, mlflow):
        self.mlflow = mlflow

    def scalars(self, values, step):
        """Log floats by name."""
        self.mlflow.log_metrics(values, step=step)

    def figure(self, figure, step):
        """Keep the figure as the run's artifact, in place of the last one."""
        self.mlflow.log_figure(figure, f"{FIGURE}.png")


def _is_of_wandb(log):
    return (getattr(log, "__module__", None) or "").startswith("wandb.")


def _picture(figure):
    """Return a figure as Weights & Biases takes it: as pixels, since it makes plotly figures of those of matplotlib."""
    import wandb

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return wandb.Image(np.asarray(canvas.buffer_rgba()))


def _names_step(log):
    """Whether a callable has a parameter named step: some take others in between."""
    try:
        return "step" in inspect.signature(log).parameters
    except (TypeError, ValueError):
        return False
