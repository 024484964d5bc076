"""PyTorch Lightning callback of the monitor: ``Trainer(callbacks=[lightning_callback(monitor)])``."""

import importlib
import sys

from fmdiag.errors import FmdiagError

PACKAGES = ("lightning.pytorch", "pytorch_lightning")   # two names of one library


def lightning_callback(monitor, field=None, ema=None):
    """Return a callback that calls the monitor after each optimizer step, and closes it at the end of training.

    Parameters
    ----------
    monitor : Monitor
    field : callable, optional
        Returns the velocity field v(x, t) of the LightningModule, e.g. ``lambda module: module.network``; default the
        module itself.
    ema : callable, optional
        Returns the averaged weights or network of the LightningModule; see `Monitor`.

    Raises
    ------
    FmdiagError
        If Lightning is not installed.
    """

    class MonitorCallback(_callback_class()):
        def on_train_batch_end(self, trainer, pl_module, *arguments):
            if trainer.global_step != self.seen:   # several batches may make one step
                self.seen = trainer.global_step
                monitor(self.seen, field(pl_module) if field else pl_module, ema=ema and ema(pl_module))

        def on_train_end(self, trainer, pl_module):
            monitor.close()

    MonitorCallback.seen = 0
    return MonitorCallback()


def _callback_class():
    names = [name for name in PACKAGES if name in sys.modules] or PACKAGES
    for name in names:
        try:
            return importlib.import_module(name).Callback
        except ModuleNotFoundError:
            continue
    raise FmdiagError("the callback needs PyTorch Lightning: pip install lightning")
