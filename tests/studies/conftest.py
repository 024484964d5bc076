import pytest
from small_studies import STORY, TWO

from fmdiag.cli.main import run


@pytest.fixture(scope="session")
def digits_study(tmp_path_factory):
    """Return the folder of a finished study of size on digits."""
    out = tmp_path_factory.mktemp("study") / "size"
    assert run(["study", "size", *STORY, *TWO, "--evaluations", "4", "--out", str(out)]) == 0
    return out
