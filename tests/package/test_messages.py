"""Messages name options and card keys that exist: every text in the code is read, f-strings by their constant parts."""

import ast
import re
from functools import cache
from pathlib import Path

import click

from fmdiag.checkpoints.choices import CONVENTION, DATA, TOP
from fmdiag.cli.main import fmdiag

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "fmdiag").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
OTHERS = {"--no-deps", "--nproc-per-node", "--nnodes", "--standalone", "--rdzv-endpoint", "--index-url", "--user"}
GAP = "\0"  # what an f-string fills in
NO_KEYS = {"NAME", "one", "key"}  # words that stand where a key could


@cache
def options(without=()):
    """Return every option of every command, some left out."""
    found, commands = {"--help", "-h"}, [fmdiag]
    while commands:
        command = commands.pop()
        if isinstance(command, click.Group):
            context = click.Context(command)
            commands += [command.get_command(context, name) for name in command.list_commands(context)
                         if name not in without]
        for parameter in command.params:
            found.update([*parameter.opts, *parameter.secondary_opts])
    return found


def texts(file):
    """Return (line, text) of every text that is no docstring; adjacent parts are one, as Python joins them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside, said = set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(node.value)
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else GAP for part in node.values]
            inside.update(part for part in node.values if isinstance(part, ast.Constant))
            said.append((node.lineno, "".join(parts)))
    said += [(node.lineno, node.value) for node in ast.walk(tree)
             if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside]
    return said


def named_options(text):
    """Return the options that a text names; one whose name goes on in a gap is not known."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9](?![\w-]|-?\0)", text))


def named_keys(text):
    """Return the card keys that a text about model cards names."""
    if not re.search(r"card", text):
        return set()
    found = re.findall(r"(\w+) = (?:\"|\0|\d)", text) + re.findall(
        r"(\w+) in (?:the model card|the card|--model card\.toml|model card)", text)
    return {*found, *re.findall(r"\[([a-z_]+)\]", text)} - NO_KEYS


def test_fault_2_31_messages_name_what_exists():
    keys = {*TOP, *CONVENTION, *DATA}
    for file, line, text in ((path, *found) for path in FILES for found in texts(path)):
        # What a checkpoint raises is read by those who measure it: options of `fmdiag checkpoint` alone are not theirs.
        measuring = "checkpoints" in file.parts
        known = options(("checkpoint",) if measuring and "fmdiag checkpoint" not in text else ()) | OTHERS
        unknown = named_options(text) - known
        assert not unknown, f"{file}:{line}: {', '.join(unknown)} is no option: {text!r}"
        unknown = named_keys(text) - keys
        assert not unknown, f"{file}:{line}: {', '.join(unknown)} is no key of a model card: {text!r}"


def test_the_texts_are_found():
    text = 'give --no-ema, --size\0 or call in --model card.toml with factory = "x", [nothing] and [arguments]'
    assert named_options(text) == {"--no-ema", "--model"}
    assert named_keys(text) == {"call", "factory", "nothing", "arguments"}
    assert {"--weights", "--no-hflip", "--trust-pickle", "--model"} <= options()
    assert sum(len(texts(file)) for file in FILES) > 3000
