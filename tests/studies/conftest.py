import pytest
from small_studies import STORY, TWO

from fmdiag.cli.main import run


@pytest.fixture(scope="session")
def digits_study(made_once):
    """Return the folder of a finished study of size on digits."""
    def make(out):
        assert run(["study", "size", *STORY, *TWO, "--evaluations", "4", "--out", str(out)]) == 0

    return made_once("size", make)
