"""Scalars and figures where they are logged: plain callables, and real event files of TensorBoard."""

import pandas as pd
import pytest

import fmdiag
from fmdiag.figures.monitor import PANELS, along_training
from fmdiag.monitoring.measures import COLUMNS


@pytest.fixture(scope="module")
def digits():
    return fmdiag.load_dataset("digits", n=20)


def monitored(digits, log):
    monitor = fmdiag.Monitor(digits, every=10, budget=None, n=8, n_steps=2, measures=["f_mem"], log=log)
    for step in (10, 20):
        monitor(step, fmdiag.ClosedFormField(digits))
    return monitor


def test_callables_get_scalars_and_then_the_figure(digits):
    """As wandb.log, which names its step, and as a function of two arguments."""
    named, plain = [], []

    def log(data, commit=None, step=None):
        named.append((step, data))

    monitored(digits, [log, lambda values, number: plain.append((number, values))]).close()
    assert named == plain and [step for step, _ in named] == [10, 10, 20, 20, 20]
    assert named[0][1]["fmdiag/f_mem"] == 1 and all(isinstance(value, float) for value in named[0][1].values())
    assert list(named[1][1]) == ["fmdiag/curves"] and len(named[1][1]["fmdiag/curves"].axes) == len(PANELS)


def test_one_that_takes_no_figures_gets_the_scalars(digits):
    """As mlflow.log_metrics, which makes a float of each value."""
    got = []

    def log_metrics(metrics, step):
        got.append({name: float(value) for name, value in metrics.items()})

    monitor = monitored(digits, log_metrics)
    assert len(got) == 2 and [text for text in monitor.errors if "takes no figures" in text] == monitor.errors
    with pytest.warns(fmdiag.errors.FmdiagWarning, match="takes no figures"):
        monitor.close()


@pytest.mark.filterwarnings("ignore")    # MLflow's own
def test_mlflow_keeps_scalars_and_figure(digits, tmp_path, monkeypatch):
    """In files, which its light package mlflow-skinny can write."""
    for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "true")
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install mlflow-skinny")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    with mlflow.start_run() as run:
        monitor = monitored(digits, mlflow)
        monitor.close()
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "fmdiag/f_mem")
    assert not monitor.errors and [(one.step, one.value) for one in history] == [(10, 1.0), (20, 1.0)]
    assert next(tmp_path.rglob("curves.png")).read_bytes()[:4] == b"\x89PNG"


def test_tensorboard_files_hold_scalars_and_figure(digits, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        monitored(digits, writer).close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("fmdiag/f_mem")] == [(10, 1.0), (20, 1.0)]
    assert events.Images("fmdiag/curves")[-1].encoded_image_string.startswith(b"\x89PNG")


def test_the_figure_shows_the_looks():
    rows = [(step, quantity, 0.1 * step, 0, 1, 0.95, 9, "student", float("nan"), 0.1, "own", "")
            for step in (1, 2, 3) for _, quantities in PANELS for quantity in quantities]
    figure = along_training(pd.DataFrame(rows, columns=list(COLUMNS)))
    lines = [line for ax in figure.axes for line in ax.lines if len(line.get_xdata()) == 3]
    assert len(lines) == sum(len(quantities) for _, quantities in PANELS)
    assert all((line.get_ydata() == [0.1, 0.2, 0.1 * 3]).all() for line in lines)
    assert along_training(pd.DataFrame(columns=list(COLUMNS))).axes
