"""Monitor in a loop of Hugging Face accelerate: ``look = accelerated(monitor, accelerator)``, then as the monitor."""


def accelerated(monitor, accelerator):
    """Return ``look(step, network, ema=None)``, which calls the monitor after whole optimizer steps.

    Parameters
    ----------
    monitor : Monitor
    accelerator : accelerate.Accelerator
        Says which batches complete a step, where gradients are accumulated; takes its wrappers off the network.
    """

    def look(step, network, ema=None):
        return monitor(step, accelerator.unwrap_model(network), ema=ema) if accelerator.sync_gradients else None

    return look
