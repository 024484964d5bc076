"""A command in a process of its own that need not import what it needs: forked from one that has, and has run nothing."""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

# What takes most of a command's start; on one thread nothing of it starts another.
PRELOADED = ["torch", "torch._dynamo", "numpy", "pandas", "pyarrow.parquet", "sklearn.metrics", "sklearn.datasets",
             "sklearn.decomposition", "sklearn.isotonic", "scipy.stats", "scipy.optimize", "matplotlib.pyplot", "seaborn",
             "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg",
             "faiss", "jinja2", "click", "safetensors.torch", "torchdiffeq", "msgspec", "pooch", "requests",
             "fmdiag.runs.run", "fmdiag.training", "fmdiag.figures", "fmdiag.report"]


class Child:
    """`fmdiag` with `words` as its arguments, seen as `subprocess.Popen` would show it."""

    def __init__(self, words):
        os.environ.update(OMP_NUM_THREADS="1", MPLBACKEND="Agg")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        handle, self.errors = tempfile.mkstemp(prefix="errors-")
        os.close(handle)
        self.process = context.Process(target=command, args=(words, self.errors), daemon=True)
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self):
        return self.process.exitcode

    def poll(self):
        """Return the exit code, None while it runs."""
        return self.process.exitcode

    def communicate(self):
        """Wait for the end; return None and what stood on stderr."""
        self.process.join()
        errors = Path(self.errors)
        text = errors.read_text() if errors.exists() else ""
        errors.unlink(missing_ok=True)
        return None, text


def command(words, errors):
    """Become the command: its stdout goes nowhere, its stderr into a file."""
    from fmdiag.cli.main import main

    os.setsid()
    for stream, place in ((1, os.devnull), (2, errors)):
        handle = os.open(place, os.O_WRONLY)
        os.dup2(handle, stream)
        os.close(handle)
    sys.argv = ["fmdiag", *words]
    main()
