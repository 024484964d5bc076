"""What the shell is told at a press of Tab: commands, data sets, choices, and never an error."""

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from fmdiag.cli.main import commands, fmdiag


def completed(words, incomplete):
    found = ShellComplete(fmdiag, {}, "fmdiag", "_FMDIAG_COMPLETE").get_completions(words, incomplete)
    return [(item.value, item.type) for item in found]


def test_commands_and_data_sets():
    assert [name for name, _ in completed([], "")] == list(commands())
    assert completed([], "mem") == [("memorization", "plain"), ("membership", "plain")]
    for command in ("alignment", "report", "train", "checkpoint"):
        assert completed([command, "--dataset"], "im") == [("imagenette", "plain"), ("imagenette-full", "plain")]
    assert completed(["report", "--dataset"], "my_im") == [("my_im", "file")]


def test_options_choices_and_files():
    assert ("--n-samples", "plain") in completed(["memorization"], "--n-")
    assert completed(["alignment", "--split"], "te") == [("test", "plain")]
    assert completed(["report"], "ck") == [("ck", "file")]
    assert completed(["no-such-command"], "a") != [("a", "file")]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_answered(shell):
    asked = {"COMP_WORDS": "fmdiag alignment --dataset phot", "COMP_CWORD": "phot" if shell == "fish" else "3"}
    environment = {**os.environ, "_FMDIAG_COMPLETE": f"{shell}_complete", **asked}
    code = ("import sys; from fmdiag.cli.main import main\n"
            "try: main()\nfinally: assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert "photo-tiles" in done.stdout and done.stderr == ""
