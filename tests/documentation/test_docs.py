"""The pages of docs/ say what the code says: made anew they are the same, and what they show and link to exists."""

import re
import sys
from pathlib import Path

import pytest

import fmdiag
from fmdiag.cli.main import commands
from fmdiag.diagnostics import DIAGNOSTICS

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
    for part in ("**Parameters**", "- `training_set : TrainingSet, array", "**Returns**", "**Raises**", ">>> ",
                 "**References**"):
        assert part in alignment


PARTS = ("## How to read it", "**Memorisation.**", "**Generalisation.**", "## Definition", "Reference: ", "## Cost")
STUDIES = [name for name in gallery.pages() if name.startswith("study_")]
# Pages whose two models are not the two that most pages show, and what they say these are.
OTHERS = {"alignment": ("16 digits", "1500 digits"), "agreement": ("disjoint",), "canaries": ("planted digits",),
          "pairing": ("100 permuted pairs",)}


def test_every_diagnostic_and_study_has_a_page():
    documented = {name for name in commands() if name not in (
        "report", "train", "study", "classifier", "checkpoint", "datasets", "compare", "figures")}
    documented.discard("duplicates")    # of a training set: no two models to show
    assert {name.removesuffix(".md") for name in gallery.pages()} == {
        *({*DIAGNOSTICS} - {"metrics", "duplicates"}), *documented, "study_size", "study_losses", "study_time"}


@pytest.mark.parametrize("name", sorted(gallery.pages().keys() - set(STUDIES)))
def test_a_gallery_page_shows_both_models_and_how_to_read_them(name):
    text, page = PAGES[f"gallery/{name}"], name.removesuffix(".md")
    assert len(re.findall(r"!\[[^]]{20,}\]\(figures/[\w]+-memorises\.png\)", text)) >= 1
    assert len(re.findall(r"!\[[^]]{20,}\]\(figures/[\w]+-generalises\.png\)", text)) >= 1
    for part in (*PARTS, f"    fmdiag {page} ", *OTHERS.get(page, ("16 training digits", "1500 training digits"))):
        assert part in text
    # A sentence or a number of each model, and none that is missing.
    assert len(re.findall(r"^  - .{20,}$", text, re.MULTILINE)) >= 2 and not re.search(r"\bnan\b", text)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_page_shows_its_series_and_how_to_read_it(name):
    text = PAGES[f"gallery/{name}"]
    assert re.search(r"!\[[^]]{20,}\]\([\w./-]+\.png\)", text) and "## What this study shows\n\n- " in text
    for part in (*PARTS, f"    fmdiag study {name[6:-3]} --dataset"):
        assert part in text


def test_pages_name_no_folder_of_the_machine_they_were_made_on():
    facts = (ROOT / "docs" / "gallery" / "facts.json").read_text(encoding="utf-8")
    for text in (facts, *(PAGES[f"gallery/{name}"] for name in gallery.pages())):
        assert str(ROOT) not in text and not re.search(r"[\s\"]/\w+/\w+", text)


def test_pictures_are_small():
    files = list((ROOT / "docs" / "gallery" / "figures").glob("*.png"))
    assert files and sum(file.stat().st_size for file in files) < 3_000_000


def test_the_readme_lists_the_diagnostics_as_their_cards_say():
    text = build.FIRST.read_text(encoding="utf-8")
    assert build.with_table(text) == text, "run: python -m docs.build"
