import pytest
from synthetic_run import point_arrays, write_run


@pytest.fixture(scope="session")
def synthetic_run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run") / "images")


@pytest.fixture(scope="session")
def synthetic_points_run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run") / "points", arrays=point_arrays, sizes=(8,))


@pytest.fixture(autouse=True)
def _all_formats(with_pdf):
    """Figures are tried in every format."""


@pytest.fixture(autouse=True)
def undrawn():
    """Everything is drawn here."""
