"""Every reader and loader, on thousands of hostile files each: read, or refused in one line; never anything else."""

import contextlib
import json
import os

import pytest

from checks.fuzz import loop
from checks.fuzz.guard import GUARD, peak_megabytes
from checks.fuzz.loop import MEGABYTES, fuzz, judge, work_folder
from checks.fuzz.targets import CORPUS, TARGETS, Target
from fmdiag.errors import FmdiagError

RESULTS = CORPUS.parents[1] / "results"
# Of the corpus must be refused: a trusted pickle, tensors that no family knows, and cards with code that nobody trusted.
REFUSED = {"edm/network.pkl", "foreign/dit.pt", "foreign/rectified.pth", "foreign/torchcfm.pt",
           "strange_card/0.toml", "strange_card/1.toml", "strange_card/2.toml"}
# Thousands of every reader take minutes: python -m checks.fuzz; the outcome is in checks/results/fuzz.json.
CASES = int(os.environ.get("FMDIAG_FUZZ_CASES", "100"))


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_files_are_refused_in_one_line(name):
    target = TARGETS[name]
    with work_folder() as work:
        counts, failures = fuzz(target, range(CASES), work)
    assert not failures, "\n".join(map(str, failures))
    assert sum(counts.values()) == CASES and counts["refused"] > CASES / 10


def test_thousands_of_cases_of_every_reader_were_run():
    results = json.loads((RESULTS / "fuzz.json").read_text())
    assert results.keys() == TARGETS.keys()
    assert all(found["cases"] >= 1000 and found["failed"] == found["hung"] == 0 for found in results.values())


@pytest.mark.parametrize(("name", "file"), [
    pytest.param(name, file, id=f"{name}/{file}") for name, target in TARGETS.items() for file in target.seeds()])
def test_the_files_that_mutation_starts_from_are_valid(name, file, tmp_path):
    expected = "refused" if f"{name}/{file}" in REFUSED else "valid"
    assert judge(TARGETS[name], file, TARGETS[name].seeds()[file], tmp_path.resolve()) == expected


REGRESSIONS = CORPUS.parent / "regressions"


@pytest.mark.parametrize("file", [pytest.param(file, id=str(file.relative_to(REGRESSIONS)))
                                  for file in sorted(REGRESSIONS.rglob("*")) if file.is_file()])
def test_what_once_failed_is_read_or_refused(file, tmp_path):
    target = TARGETS[file.relative_to(REGRESSIONS).parts[0]]
    inner = file.relative_to(REGRESSIONS / target.name)
    original = str(inner.parent / inner.name.split("-", 2)[2])
    before = peak_megabytes(reset=True)
    assert judge(target, original, file.read_bytes(), tmp_path.resolve()) in ("valid", "refused")
    assert peak_megabytes() < before + MEGABYTES


def test_a_case_is_its_number():
    for target in TARGETS.values():
        # torch's older format writes addresses: there two files of one case differ in some digits.
        cases = [[(name, len(content)) for name, content in map(target.case, range(20))] for _ in range(2)]
        assert all(a[0] == b[0] and abs(a[1] - b[1]) < 64 for a, b in zip(*cases, strict=True))
        assert len({target.case(k)[1] for k in range(200)}) > 100


def loop_with(read, tmp_path):
    target = Target("npy", "case.npy", lambda data, rng, other: data, read)
    return judge(target, "points.npy", b"x", tmp_path.resolve())


def test_the_loop_would_see_it(tmp_path):
    """Readers that do what none may: each is a failure of the loop."""
    import warnings

    def refuses(text):
        def read(path, work):
            raise FmdiagError(text)
        return read

    assert loop_with(lambda path, work: os.system("true"), tmp_path)[0].startswith("forbidden: [\"os.system")
    assert "forbidden: ['os.mkdir" in loop_with(lambda path, work: os.mkdir(tmp_path.parent / "outside"), tmp_path)[0]
    assert "forbidden: ['open" in loop_with(lambda path, work: open(tmp_path.parent / "out", "w").close(), tmp_path)[0]
    assert loop_with(lambda path, work: warnings.warn("x", stacklevel=1), tmp_path)[0].startswith("warning leaked")
    assert loop_with(lambda path, work: 1 / 0, tmp_path)[0].startswith("ZeroDivisionError")
    assert loop_with(refuses("bad file"), tmp_path)[0].startswith("message does not name the file")
    assert loop_with(refuses(f"{tmp_path} is bad"), tmp_path) == "refused"
    assert loop_with(lambda path, work: None, tmp_path) == "valid"
    assert loop_with(lambda path, work: bytearray(2 << 30), tmp_path)[0].startswith("MemoryError")
    assert GUARD.root is None


def test_a_reader_that_hangs_is_a_failure(tmp_path, monkeypatch):
    def hangs(path, work):
        while True:
            with contextlib.suppress(Exception):
                sum(range(1000))

    monkeypatch.setattr(loop, "SECONDS", 0.2)
    assert loop_with(hangs, tmp_path)[0].startswith("did not end")
    target = Target("npy", "case.npy", lambda data, rng, other: data, hangs)
    assert fuzz(target, range(2), tmp_path)[0] == {"valid": 0, "refused": 0, "failed": 0, "hung": 2}


def test_a_private_file_that_is_opened_is_a_failure(tmp_path, monkeypatch):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "x").touch()
    (tmp_path / "link").symlink_to(tmp_path / "private" / "x")
    monkeypatch.setattr(GUARD, "private", f"{tmp_path.resolve() / 'private'}/")
    assert "forbidden: [\"read " in loop_with(lambda path, work: open(tmp_path / "link").close(), tmp_path)[0]


def test_messages_are_one_short_printable_line():
    text = str(FmdiagError("a\nb\x1b[31mc\x00" + "x" * 5000))
    assert text.startswith("a b\\x1b[31mc\\x00xx") and text.isprintable() and len(text) < 1000
