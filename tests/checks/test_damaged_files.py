"""Some damaged files in every place where a command takes one; 200 of each by `python -m checks.hostile.damaged_files`."""

import json

import click
import pytest

from checks.hostile.damaged_files import PLACES, RESULTS, over_files, places
from fmdiag.cli.main import fmdiag

# Options that name where something is written, or a folder of downloads, or are read as another option's value is.
WRITTEN = {"out", "data_root", "parts", "write_card", "compact", "overwrite"}


def test_two_hundred_damaged_files_in_every_place_were_refused_in_a_line():
    found = json.loads(RESULTS.read_text())
    assert found.keys() == {line for _, line in places()}
    for line, counts in found.items():
        assert counts["files"] == counts["refused"] == 200 and not counts["failures"] and counts["slowest"] < 5, line


@pytest.mark.parametrize("line", [
    "error {file}", "alignment --dataset {file}", "checkpoint {digits} --model {file}", "figures {file}",
    "train --held-out {file}", "train --resume --out {file}"])
def test_damaged_files_are_refused_in_a_line(line):
    role, = [role for role, lines in PLACES.items() if line in lines]
    found = over_files(role, line, 16)
    assert found["refused"] == 16, found["failures"]


def commands(group, words=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield from commands(command, (*words, name)) if isinstance(command, click.Group) else [((*words, name), command)]


# Damaged runs and checkpoints of these: tests/report/test_export.py, tests/cli/test_rerun.py, tests/monitoring.
ELSEWHERE = {"export", "rerun", "watch"}


def test_every_command_that_takes_a_file_is_tried():
    tried = {line.split()[0] for _, line in places()}
    takes = {words[0] for words, command in commands(fmdiag) if any(
        isinstance(p.type, click.Path) and p.name not in WRITTEN for p in command.params)}
    assert takes and takes <= tried | ELSEWHERE
