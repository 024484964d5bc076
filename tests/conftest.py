"""Two cores serve every worker: one arithmetic thread each, and no window for figures."""

import os
import shutil

os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

import pytest  # noqa: E402
from few import thin  # noqa: E402
from filelock import FileLock  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# The same cases on every run and machine; how long they take says nothing about them.
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Spell out what a worker cannot send: names of files that are no UTF-8, in what a test logged or printed."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    if isinstance(report.longrepr, str):
        report.longrepr = report.longrepr.encode("utf-8", "backslashreplace").decode()
    return report


@pytest.fixture(autouse=True)
def _registered():
    """What a test registers is gone after it."""
    from fmdiag.diagnostics import DIAGNOSTICS

    before = dict(DIAGNOSTICS._entries)
    yield
    DIAGNOSTICS._entries.clear()
    DIAGNOSTICS._entries.update(before)


@pytest.fixture(autouse=True, scope="session")
def without_pdf():
    """Write no PDF, which takes as long as PNG and SVG together; the tests of figures do. Its metadata."""
    from fmdiag.figures import draw

    kept = draw.METADATA["pdf"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(draw.METADATA, "pdf")
        yield kept


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return a function that makes a folder once for all workers, and gives each a copy of it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name, make):
        folder, own = shared / f"made-{name}", tmp_path_factory.mktemp("own") / name
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                make(own)
                shutil.copytree(own, f"{folder}.partial")
                os.replace(f"{folder}.partial", folder)
                return own
        return shutil.copytree(folder, own)

    return made


@pytest.fixture(autouse=True)
def undrawn(request, monkeypatch):
    """Leave out figures and page, which take most of a small run's time and change no table, but where `drawn`.

    What a session's or a module's fixture makes is drawn; the tests of figures and of the page have another `undrawn`.
    """
    if request.node.get_closest_marker("drawn") is None:
        monkeypatch.setattr("fmdiag.figures.draw_all", lambda run, ahead=None: [])
        monkeypatch.setattr("fmdiag.report.write_report", lambda run: run)


@pytest.fixture
def few_times(monkeypatch):
    """Measure at few times what a test does not give times to; a process of its own takes the usual ones."""
    thin(monkeypatch)


@pytest.fixture
def with_pdf(without_pdf, monkeypatch):
    """Write PDF too."""
    monkeypatch.setattr("fmdiag.figures.draw.METADATA", {"png": {"Software": None}, "pdf": without_pdf,
                                                         "svg": {"Date": None, "Creator": "fmdiag"}})
