"""Every command that takes a checkpoint ends on a file that it cannot use: within seconds, on one line."""

import signal

import click
import pytest
import torch

from fmdiag.cli.main import commands
from fmdiag.cli.main import fmdiag as group

COMMAND = {"hybrid": ["--tau", "0.3"], "pairing": [], "checkpoint": []}
SECONDS = 30


@pytest.fixture(autouse=True)
def limit():
    """Turn a loop without an end into a failure."""
    def late(number, frame):
        raise TimeoutError(f"still running after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def with_checkpoint():
    """Return {command: words that come before a checkpoint} of every command that takes one."""
    found = {}
    for name in commands():
        parameters = group.get_command(click.Context(group), name).params
        # watch takes a folder, whose unusable files it skips: tests/monitoring
        if name != "watch" and any(parameter.name == "model" for parameter in parameters):
            takes = any(isinstance(p, click.Argument) and p.name in ("checkpoint", "file") for p in parameters)
            found[name] = [name, *COMMAND.get(name, [])] + ([] if takes else ["--from"])
    return found


@pytest.mark.parametrize(("name", "what"), [
    ("unknown", "no known family"), ("wrong family", "other.pt"), ("card key", "colour"), ("two tensors", "two.pt")])
@pytest.mark.parametrize("words", with_checkpoint().values(), ids=lambda words: words[0])
def test_fault_2_1_commands_end_on_files_that_they_cannot_use(tmp_path, fails_cleanly, words, name, what):
    torch.save({"a": torch.ones(3), "b": torch.ones(3)}, tmp_path / "two.pt")
    torch.save({"weights": {"a": torch.ones(3)}}, tmp_path / "other.pt")
    (tmp_path / "card.toml").write_text("colour = 1\n")
    file = tmp_path / ("two.pt" if name == "two tensors" else "other.pt")
    more = {"wrong family": ["--family", "sit"], "card key": ["--model", tmp_path / "card.toml"]}.get(name, [])
    twice = [file] if words[0] == "agreement" else []
    out = [] if words[0] == "checkpoint" else ["--out", "out"]
    fails_cleanly([*words, file, *twice, *more, *out], what)


def test_fault_2_1_commands_end_on_data_that_they_cannot_use(tmp_path, fails_cleanly):
    torch.save({"a": torch.ones(3), "b": torch.ones(4)}, tmp_path / "two.pt")
    for words in (["alignment"], ["memorization", "--samples", tmp_path / "two.pt"]):
        fails_cleanly([*words, "--dataset", tmp_path / "two.pt", "--out", "out"], "two.pt")
