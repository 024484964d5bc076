"""Monitoring of a training run: looks at the network while it is trained, or at its checkpoints."""

from fmdiag.monitoring.accelerate import accelerated
from fmdiag.monitoring.lightning import lightning_callback
from fmdiag.monitoring.monitor import Monitor
from fmdiag.monitoring.transformers import trainer_callback

__all__ = ["Monitor", "accelerated", "lightning_callback", "trainer_callback"]
