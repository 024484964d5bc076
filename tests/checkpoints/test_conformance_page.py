"""The page docs/conformance.md says what is measured: every layout is read as it says, and is û*."""

import layouts
import pytest

from checks.conformance import HEAD, PAGE, refusal, row

CASES = {**layouts.FAMILIES, **layouts.SCHEDULES, **layouts.CONTAINERS}
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [tuple(cell.strip().replace("û\\*", "û*") for cell in line.strip("|").split(" | ")) for line in TEXT.splitlines()
        if line.startswith("| ") and not line.startswith(("| ---", "| layout", "| file"))]


def test_every_layout_has_its_row():
    assert [cells[0] for cells in ROWS] == [*CASES, *layouts.REFUSED] and TEXT.startswith(HEAD)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("torch.export", "TorchScript")])
@pytest.mark.filterwarnings("ignore")
def test_a_layout_is_read_as_the_page_says(name):
    """Errors are of rounding, which machines do differently; 1e-5 as in test_conformance."""
    if not layouts.installed(name):
        pytest.skip(f"{layouts.NEEDS[name]} is not installed")
    found, written = row(name, CASES[name]), next(cells for cells in ROWS if cells[0] == name)
    assert found[:-1] == written[:-1] and float(found[-1]) < 1e-5 and float(written[-1]) < 1e-5


@pytest.mark.parametrize("name", layouts.REFUSED)
def test_a_refusal_is_what_the_page_says(name):
    said = refusal(layouts.REFUSED[name])
    assert said == next(cells[1] for cells in ROWS if cells[0] == name) and "\n" not in said
