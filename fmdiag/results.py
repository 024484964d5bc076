"""What is written down: intervals on every mean, tidy tables, and a run folder that is whole or absent.

A run folder holds `run.json` (command, versions, seed, fingerprints), `tables/NAME.parquet` (raw) and `NAME.csv`,
`arrays/NAME.npz` (pictures that figures show) and `figures/NAME.png`, `.pdf`. It is built under a temporary name beside
its destination and renamed when complete.
"""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from fmdiag.errors import FmdiagError

SUMMARY_COLUMNS = ["diagnostic", "quantity", "value", "low", "high", "level", "n", "interval"]


def mean_interval(values, *, level=0.95):
    """Return (mean, low, high): Student's t interval of the mean of independent values.

    Parameters
    ----------
    values : array_like, shape (n,)
        Independent observations; NaN is dropped.
    level : float
        Coverage in (0, 1).
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    mean = values.mean() if values.size else np.nan
    if values.size < 2:
        return mean, np.nan, np.nan
    half = stats.t.ppf((1 + level) / 2, values.size - 1) * values.std(ddof=1) / np.sqrt(values.size)
    return mean, mean - half, mean + half


def proportion_interval(successes, n, *, level=0.95):
    """Return (share, low, high): the exact interval of Clopper and Pearson (1934), never empty at 0 or n successes."""
    if n == 0:
        return np.nan, np.nan, np.nan
    low, high = stats.binomtest(int(successes), int(n)).proportion_ci(level, method="exact")
    return successes / n, low, high


def bootstrap_interval(values, *, level=0.95, n_resamples=1000, seed=0):
    """Return (mean, low, high): the percentile bootstrap over observations; its width is 0 when all values agree."""
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, values.size).mean() for _ in range(n_resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return values.mean(), low, high


def median_interval(values, *, level=0.95):
    """Return (median, low, high): the order statistics whose binomial coverage is at least `level`; NaN if n is small.

    The chance that the median lies below the r-th smallest value is at most P[Binomial(n, 1/2) < r].
    """
    values = np.sort(np.asarray(values, dtype=float))
    rank = int(stats.binom.ppf((1 - level) / 2, values.size, 0.5))
    if rank < 1:
        return np.median(values), np.nan, np.nan
    return np.median(values), values[rank - 1], values[values.size - rank]


def difference_interval(successes, n, null_successes, null_n, *, level=0.95):
    """Return (difference, low, high) of two independent shares: successes / n - null_successes / null_n.

    References
    ----------
    Newcombe 1998, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17,
    method 10: the two score intervals of Wilson, combined; its coverage stays near nominal at shares of 0 and 1.
    """
    share, null = successes / n, null_successes / null_n
    score = [stats.binomtest(int(k), int(m)).proportion_ci(level, method="wilson")
             for k, m in ((successes, n), (null_successes, null_n))]
    low = np.hypot(share - score[0].low, score[1].high - null)
    high = np.hypot(score[0].high - share, null - score[1].low)
    return share - null, share - null - low, share - null + high


INTERVALS = {"student": mean_interval, "bootstrap": bootstrap_interval, "median": median_interval}


def summary_row(diagnostic, quantity, values, *, interval="student", level=0.95, **keys):
    """Return one row of the summary table: mean of `values` with its interval.

    Parameters
    ----------
    diagnostic, quantity : str
        Which diagnostic and which column (or named quantity) the mean is of.
    values : array_like, shape (n,)
        Raw values, one per independent unit; booleans with ``interval="exact"`` for Clopper-Pearson.
    interval : str
        ``"student"``, ``"bootstrap"``, ``"exact"``, or ``"median"`` for the median instead of the mean.
    **keys
        What the row belongs to, e.g. ``t=0.5`` or ``source="model"``.
    """
    values = np.asarray(values)
    if interval == "exact":
        value, low, high = proportion_interval(values.sum(), values.size, level=level)
    else:
        value, low, high = INTERVALS[interval](values, level=level)
    return {"diagnostic": diagnostic, "quantity": quantity, **keys, "value": value, "low": low, "high": high,
            "level": level, "n": values.size, "interval": interval}


def summarise(diagnostic, table, columns, *, by, interval="student", level=0.95):
    """Return the summary rows of several columns of a raw table, grouped by other columns.

    Parameters
    ----------
    table : DataFrame
        Raw rows; within a group they are independent units.
    columns : list of str
        Columns whose means are wanted.
    by : list of str
        Grouping columns, kept as columns of the summary.
    """
    rows = []
    for keys, group in table.groupby(by, sort=True, observed=True):
        named = dict(zip(by, keys, strict=True))
        rows += [summary_row(diagnostic, c, group[c], interval=interval, level=level, **named) for c in columns]
    return pd.DataFrame(rows)


def replace_atomically(path, write):
    """Call `write(temporary_path)` and move the outcome to `path`; a failure leaves `path` as it was.

    A new file is as readable as the umask says, one that is replaced as readable as it was.

    Raises
    ------
    OSError
        As raised by `write` (full disk, read-only folder); the temporary file is removed first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.is_file() else 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def check_writable(path):
    """Raise FmdiagError if no file could be made at `path`, before work is spent on it; nothing is left behind.

    Parameters
    ----------
    path : path
        File or folder that is to be written; folders above it may be missing.
    """
    above = next(folder for folder in Path(path).absolute().parents if os.path.lexists(folder))
    if not above.is_dir():
        raise FmdiagError(f"{path}: {above} is a file, not a folder: choose another --out")
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise FmdiagError(f"{path} cannot be written ({error.strerror}); {remedy(error)}") from error


def remedy(error):
    """Return what to do about an OSError while writing."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space, or choose another folder with --out"
    if error.errno == errno.EROFS:
        return "make it writable, or choose another folder with --out"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "check its permissions, or choose another folder with --out"
    return "check the path and the disk, or choose another folder with --out"


def _umask():
    """Return the process's umask: mkstemp ignores it, and files of a run are to be as readable as any other file."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


class RunFolder:
    """A run folder under construction; use it as a context manager.

    Parameters
    ----------
    out : path
        Destination; it must not exist unless `overwrite`, which replaces it only once the new run is complete.
    overwrite : bool
        Whether an earlier *run folder* may be replaced; any other folder is never touched.

    Raises
    ------
    FmdiagError
        If the destination exists and may not be replaced.
    """

    def __init__(self, out, *, overwrite=False):
        self.out = Path(out)
        self.overwrite = overwrite
        self.path = None
        self.summaries = []
        self._check()

    def _check(self):
        if self.out.is_dir() and not (self.out / "run.json").is_file():
            raise FmdiagError(f"{self.out} exists and is not a run folder: choose another --out")
        if self.out.is_dir() and not self.overwrite:
            raise FmdiagError(f"{self.out} exists: choose another --out, or --overwrite to replace that run")
        if os.path.lexists(self.out) and not self.out.is_dir():
            raise FmdiagError(f"{self.out} is a file, not a folder: choose another --out")
        check_writable(self.out)

    def __enter__(self):
        """Create the temporary folder beside the destination."""
        self.made = [folder for folder in self.out.parents if not folder.exists()]
        with self._writing("the folder"):
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(dir=self.out.parent, prefix=f".{self.out.name}.", suffix=".partial"))
        self.path.chmod(0o777 & ~_umask())
        return self

    def __exit__(self, kind, error, traceback):
        """Rename on success, remove on failure."""
        if kind is None:
            try:
                self._publish()
            except BaseException:
                self._abandon()
                raise
        else:
            self._abandon()

    def _abandon(self):
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self.made:
            # Only empty folders can be removed this way: what others put there in the meantime stays.
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _publish(self):
        if self.out.exists():
            retired = Path(tempfile.mkdtemp(dir=self.out.parent, prefix=f".{self.out.name}.", suffix=".old"))
            try:
                os.replace(self.out, retired / "run")
                os.replace(self.path, self.out)
            except BaseException:
                if not self.out.exists():
                    os.replace(retired / "run", self.out)
                retired.rmdir()
                raise
            shutil.rmtree(retired)
        else:
            os.replace(self.path, self.out)

    @contextlib.contextmanager
    def _writing(self, what):
        # A failure names the destination, not the temporary folder, which is gone when the message is read.
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else error
            raise FmdiagError(f"{self.out}: {what} cannot be written ({reason}); {remedy(error)}") from error

    def add_table(self, name, table):
        """Write a raw table."""
        with self._writing(f"table {name}"):
            save_table(self.path, name, table)

    def add_summary(self, table):
        """Keep summary rows for `write_summary`."""
        self.summaries.append(table)

    def write_summary(self):
        """Write all summary rows as ``tables/summary``, the columns every version keeps first."""
        summary = pd.concat(self.summaries, ignore_index=True)
        further = [column for column in summary.columns if column not in SUMMARY_COLUMNS]
        self.add_table("summary", summary[["diagnostic", "quantity", *further, *SUMMARY_COLUMNS[2:]]])

    def add_array(self, name, **arrays):
        """Write arrays, e.g. the pictures of a strip, as ``arrays/NAME.npz``."""
        folder = self.path / "arrays"
        with self._writing(f"array {name}"):
            folder.mkdir(exist_ok=True)
            np.savez_compressed(folder / f"{name}.npz", **arrays)

    def add_json(self, name, content):
        """Write a JSON document at the top of the folder."""
        with self._writing(name):
            (self.path / name).write_text(json.dumps(content, indent=1, default=str) + "\n")


def save_table(run, name, table):
    """Write ``tables/NAME.parquet`` (raw) and ``tables/NAME.csv`` (nine digits) below the folder `run`."""
    folder = Path(run) / "tables"
    folder.mkdir(exist_ok=True)
    table.to_parquet(folder / f"{name}.parquet", index=False)
    table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")


def load_table(run, name):
    """Return the table NAME of the run folder `run`, or None where that run has none."""
    path = Path(run) / "tables" / f"{name}.parquet"
    return pd.read_parquet(path) if path.is_file() else None


def load_array(run, name):
    """Return the arrays saved as NAME as a dict, or None where that run has none."""
    path = Path(run) / "arrays" / f"{name}.npz"
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return {key: arrays[key] for key in arrays.files}


def load_run(run):
    """Return ``run.json`` of a run folder.

    Raises
    ------
    FmdiagError
        If the folder is not a run folder.
    """
    path = Path(run) / "run.json"
    if not path.is_file():
        raise FmdiagError(f"{run}: not a run folder (no run.json); give a folder that an fmdiag command wrote")
    return json.loads(path.read_text())
