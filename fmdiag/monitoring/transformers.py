"""Hugging Face Trainer callback of the monitor: ``Trainer(..., callbacks=[trainer_callback(monitor)])``."""

from fmdiag.errors import FmdiagError


def trainer_callback(monitor, field=None, ema=None):
    """Return a callback that calls the monitor after each optimizer step, and closes it at the end of training.

    Parameters
    ----------
    monitor : Monitor
    field : callable, optional
        Returns the velocity field v(x, t) of the Trainer's model, e.g. ``lambda model: model.network``; default the
        model itself.
    ema : callable, optional
        Returns the averaged weights or network of the model; see `Monitor`.

    Raises
    ------
    FmdiagError
        If transformers is not installed.
    """
    try:
        from transformers import TrainerCallback
    except ModuleNotFoundError:
        raise FmdiagError("the callback needs transformers: pip install transformers") from None

    class MonitorCallback(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **others):
            monitor(state.global_step, field(model) if field else model, ema=ema and ema(model))

        def on_train_end(self, args, state, control, **others):
            monitor.close()

    return MonitorCallback()
