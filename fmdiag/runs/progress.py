"""Progress of long loops and trainings, on a terminal or in a notebook, on stderr; nothing where nobody looks."""

import importlib.util
import logging
import time

PLAIN_LINE_SECONDS = 30


def shown(iterable, description, total=None):
    """Return `iterable`, its progress shown by rich."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    # In a notebook rich draws with ipywidgets, and without them leaves an empty output for every loop.
    visible = console.is_terminal or console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None
    if not visible:
        return iter(iterable)
    return track(iterable, description, total=total, console=console, transient=True)


class TrainingProgress:
    """Shows steps, loss and time left on stderr: a bar on a terminal, a line every half minute elsewhere."""

    def __enter__(self):
        from rich.console import Console

        self.console = Console(stderr=True)
        self.bar, self.first, self.start, self.shown = None, None, time.monotonic(), 0.0
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, step, loss, steps):
        """Show that `step` of `steps` steps are taken."""
        if self.console.is_terminal:
            self._draw(step, loss, steps)
            return
        if self.first is None:
            self.first, self.start = step, time.monotonic()
            return
        if step == steps or time.monotonic() - self.shown > PLAIN_LINE_SECONDS:
            rate = (time.monotonic() - self.start) / max(1, step - self.first)
            _say(f"step {step}/{steps}  loss {loss:.4g}  {rate * (steps - step):.0f} s left")
            self.shown = time.monotonic()

    def _draw(self, step, loss, steps):
        from rich import progress

        if self.bar is None:
            columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
                       progress.TimeElapsedColumn(), progress.TextColumn("left"), progress.TimeRemainingColumn())
            self.bar = progress.Progress(*columns, console=self.console)
            self.bar.start()
            self.task = self.bar.add_task("training", total=steps)
        self.bar.update(self.task, completed=step, description=f"loss {loss:.4g}")


def _say(text):
    logging.getLogger("fmdiag").info(text)
