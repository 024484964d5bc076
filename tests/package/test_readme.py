"""What the README and the recipes of docs/ say runs: its Python recipes, and the options of its commands."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fmdiag.cli.main import fmdiag as group

ROOT = Path(__file__).parents[2]
README = "".join((ROOT / name).read_text() for name in (
    "README.md", "docs/README.md", "docs/recipes.md", "docs/paper_figures.md"))
COMMANDS = sorted(set(re.findall(r"(?:^    |`)(fmdiag [a-z][a-z-]*[^`\n#]*)", README, flags=re.M)))


def test_python_recipes_run(few_times, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "my_images").mkdir()
    for k in range(12):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"my_images/{k}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FMDIAG_DATA_ROOT", str(tmp_path))
    namespace = {"net": lambda t, x: -x}
    for block in re.findall(r"```python\n(.*?)```", README, flags=re.S):
        exec(block.replace("size=32", "size=8"), namespace)   # a sixteenth of the work
    assert set(namespace["copies"]["source"]) >= {"model", "closed_form"}
    assert namespace["v"].shape == (64, 3, 8, 8)
    assert namespace["posterior"].ess.shape == torch.Size([64])


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_have_the_options_that_are_shown(line):
    _, name, *arguments = shlex.split(line.strip())
    command = group.get_command(None, name)
    assert command is not None, name
    command.make_context(name, arguments)


def test_commands_are_found():
    assert len(COMMANDS) > 12
