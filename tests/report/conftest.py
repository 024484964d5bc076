"""Report tests use the synthetic runs of the figure tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "figures"))

from synthetic_run import run_json, write_run  # noqa: E402

from fmdiag.report import write_report  # noqa: E402

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def reported_run(tmp_path_factory):
    """A complete run whose data set name, command and verdict try to be markup, with its page."""
    document = run_json(HOSTILE, command=f"fmdiag report {HOSTILE}")
    path = write_run(tmp_path_factory.mktemp("report") / "run", document=document)
    write_report(path)
    return path
