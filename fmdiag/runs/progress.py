"""Progress of long loops, on a terminal or in a notebook, on stderr; nothing where nobody looks."""


def shown(iterable, description, total=None):
    """Return `iterable`, its progress shown by rich."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    visible = console.is_terminal or console.is_jupyter
    return track(iterable, description, total=total, console=console, transient=True, disable=not visible)
