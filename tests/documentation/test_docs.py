"""The pages of docs/ say what the code says: made anew they are the same, and what they show and link to exists."""

import re
import sys
from pathlib import Path

import pytest

import fmdiag

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from docs import api, build, gallery  # noqa: E402

PAGES = {"README.md": build.readme(), **{f"gallery/{name}": text for name, text in gallery.pages().items()},
         **{f"api/{name}": text for name, text in api.pages().items()}}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_those_that_the_command_makes(name):
    path = ROOT / "docs" / name
    assert path.is_file() and path.read_text(encoding="utf-8") == PAGES[name], "run: python -m docs.build"


@pytest.mark.parametrize("name", PAGES)
def test_links_and_pictures_exist(name):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[name]):
        if re.match(r"[\w./-]+\.(md|png)$", target):
            assert (ROOT / "docs" / name).parent.joinpath(target).resolve().is_file(), target


def test_every_public_name_is_described_with_its_parameters():
    text = PAGES["api/README.md"]
    for name in fmdiag.__all__:
        assert name.startswith("_") or f"## fmdiag.{name}\n" in text
    alignment = text.partition("## fmdiag.alignment\n")[2].partition("\n## ")[0]
    for part in ("**Parameters**", "- `training_set : TrainingSet`", "**Returns**", "**Raises**", ">>> ",
                 "**References**"):
        assert part in alignment


@pytest.mark.parametrize("name", gallery.pages())
def test_a_gallery_page_shows_both_models_and_how_to_read_them(name):
    text = PAGES[f"gallery/{name}"]
    assert len(re.findall(r"!\[[^]]{20,}\]\(figures/[\w]+-memorises\.png\)", text)) >= 1
    assert len(re.findall(r"!\[[^]]{20,}\]\(figures/[\w]+-generalises\.png\)", text)) >= 1
    for part in ("## How to read it", "**Memorisation.**", "**Generalisation.**", "## Definition", "Reference: ",
                 "## Cost", f"fmdiag {name.removesuffix('.md')} ckpt.pt", "16 training digits", "1500 training digits"):
        assert part in text


def test_pictures_are_small():
    files = list((ROOT / "docs" / "gallery" / "figures").glob("*.png"))
    assert files and sum(file.stat().st_size for file in files) < 3_000_000
