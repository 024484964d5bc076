"""The documentation site: it builds without a warning, its links lead somewhere, and it says what the code says."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch

import fmdiag
from docs import ext, readme
from docs.ext import definitions, docstrings, gallery
from fmdiag.cli.main import commands
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.metrics import METRICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ext.pages()
FACTS = gallery.read_facts()


class Links(HTMLParser):
    """Anchors of a page, what it links to and what it shows."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.targets = {""}, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        self.targets += [found[name] for name in ("href", "src") if found.get(name)]


def broken(folder):
    """Return (page, target) of every relative link whose file or anchor is not there."""
    pages = {path.resolve(): Links(path) for path in folder.rglob("*.html")}
    found = []
    for path, page in pages.items():
        for target in page.targets:
            if not re.match(r"\w+:|//", target):
                place, _, anchor = target.partition("#")
                file = (path.parent / unquote(place.partition("?")[0])).resolve() if place else path
                if not file.exists() or file in pages and unquote(anchor) not in pages[file].anchors:
                    found.append((path.name, target))
    return found


@pytest.mark.slow
def test_the_site_builds_and_every_link_leads_somewhere(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path / "site", "-d",
               tmp_path / "trees"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not broken(tmp_path / "site")
    alignment = (tmp_path / "site/api/fmdiag.alignment.html").read_text(encoding="utf-8")
    for part in ("Parameters", "Returns", "Raises", "References", "&gt;&gt;&gt; "):
        assert part in alignment


def test_a_broken_link_would_be_seen(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"><a href="b.html#y">1</a><a href="#x">2</a><img src="c.png">')
    (tmp_path / "b.html").write_text('<a href="a.html#x">1</a><a href="a.html#z">2</a><a href="https://x.org">3</a>')
    assert set(broken(tmp_path)) == {("a.html", "b.html#y"), ("a.html", "c.png"), ("b.html", "a.html#z")}


def test_every_name_command_diagnostic_and_study_has_its_page():
    assert {f"api/fmdiag.{name}.rst" for name in fmdiag.__all__ if not name.startswith("_")} <= set(PAGES)
    assert all(f"## fmdiag {name}\n" in PAGES["made/commands.md"] for name in commands())
    shown = {*(name for name in DIAGNOSTICS if name != "metrics"), "audit", "watch", "study_size", "study_losses",
             "study_time"}
    assert {f"gallery/{name}.md" for name in shown} | {"gallery/index.md"} == {
        name for name in PAGES if name.startswith("gallery/")}
    assert set(FACTS) <= shown and set(gallery.NOTES) <= shown


@pytest.mark.parametrize("name", gallery.shown())
def test_a_page_of_the_gallery_says_how_to_read_it_and_shows_what_was_measured(name):
    text, measured = PAGES[f"gallery/{name}.md"], FACTS.get(name, {})
    for part in ("```console\n$ fmdiag ", "## How to read it", "**Memorisation.**", "**Generalisation.**",
                 "## Definition", "Reference: ", "## Cost"):
        assert part in text
    assert not re.search(r"\bnan\b|[\s\"]/\w+/\w+", text) and str(ROOT) not in text
    # A picture of each model with a text in its place, and a sentence or a number of each.
    for model in measured:
        ending = "" if model == "study" else f"-{model}"
        assert re.search(rf"```{{image}} \S+{ending}\.png\n:alt: .{{20,}}\n", text)
    assert len(re.findall(r"^ *- .{20,}$", text, re.MULTILINE)) >= len(measured)


def test_pictures_are_small_and_each_is_shown():
    files = list((DOCS / "gallery" / "figures").glob("*.png"))
    text = "".join(PAGES[name] for name in PAGES if name.startswith("gallery/"))
    assert files and sum(file.stat().st_size for file in files) < 4_000_000
    assert not [file.name for file in files if f"figures/{file.name}" not in text]


def test_every_id_that_a_metric_gives_is_defined():
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=(n, 3)) for n in (60, 120, 60))
    ids = [one for module in definitions.modules() for one in definitions.ids(module)]
    known = [re.sub(r"\\\{[^}]*\\\}", r"[\\w.]+", re.escape(one)) + r"(/[\w-]+)?" for one in ids]
    for metric in METRICS.values():
        for name in metric.measure(a, b, c, generator=torch.Generator().manual_seed(0)).definition.unique():
            assert any(re.fullmatch(one, name) for one in known), name
    assert all(f"(metric-{name})=" in PAGES["made/definitions.md"] for name in METRICS)


def test_docstrings_are_plain_text_with_code_and_links():
    lines = ["Return û* of `x_t`, |v| and ``a*b``, see `fmdiag.Run`; x_ too.", "", "    a * b", "",
             "More *x, a *word*.", "", "Parameters", "----------",
             "x : Tensor, shape (b, *shape)", "    Stars *.", "", ">>> 2 * 3", "6"]
    docstrings.as_restructured_text(None, "function", "f", None, None, lines)
    assert lines == ["Return û\\* of ``x_t``, \\|v\\| and ``a*b``, see :py:obj:`fmdiag.Run`; x\\_ too.", "", "::", "",
                     "    a * b", "", "More \\*x, a *word*.", "", "Parameters", "----------",
                     "x : Tensor, shape (b, \\*shape)", "    Stars \\*.", "", ">>> 2 * 3", "6"]


def test_the_readme_lists_the_diagnostics_as_their_cards_say():
    text = readme.FIRST.read_text(encoding="utf-8")
    assert readme.with_table(text) == text, "run: python -m docs.readme"


@pytest.mark.parametrize("path", [ROOT / "README.md", DOCS / "README.md"], ids=["README", "docs/README"])
def test_links_of_the_readmes_exist(path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
