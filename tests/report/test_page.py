"""The page: complete, self-contained, escaped, small, and structured for keyboards and screen readers."""

import base64
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthetic_run import run_json

from fmdiag.errors import FmdiagError
from fmdiag.figures import figure_cards
from fmdiag.figures.cards import cards
from fmdiag.report import write_report
from fmdiag.report.embed import embedded
from fmdiag.report.exploring import as_script
from fmdiag.results import save_table

VOID = {"meta", "link", "img", "br", "input", "hr"}


class Outline(HTMLParser):
    """Elements with attributes, and the text outside style and script."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(reported_run):
    return (reported_run / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page)


def test_every_tag_is_closed_and_ids_are_unique(outline):
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_is_fetched_from_outside(outline, page):
    for tag, attributes in outline.elements:
        for key in ("src", "href", "srcset", "action", "data"):
            target = attributes.get(key) or ""
            assert not re.match(r"\w+:|//", target) or target.startswith("data:"), f"{tag} {key}={target[:60]}"
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    assert "url(" not in style and "@import" not in style
    assert outline.all("script") == [{"type": "application/json", "id": "data"}, {}]


def test_policy_forbids_every_request(outline):
    policy = next(m["content"] for m in outline.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "http" not in policy and "unsafe" not in policy


def test_policy_names_our_style_and_our_script_by_hash_and_nothing_else(outline, page):
    policy = next(m["content"] for m in outline.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    for kind, content in (("style", re.search(r"<style>(.*?)</style>", page, re.S)[1]),
                          ("script", re.search(r"<script>(.*?)</script>", page, re.S)[1])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_data_for_the_script_can_end_no_element_and_says_what_was_given(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    assert not set("<>&\u2028\u2029") & set(text)
    assert set(json.loads(text)) == {"sources", "hybrid", "gallery", "provenance", "figures"}
    hostile = {"</script><!--<script>": ["\u2028&", np.int64(1), np.float64("nan"), np.array([0.123456789])]}
    hostile["</script><!--<script>"][2] = None
    assert json.loads(as_script(hostile)) == {"</script><!--<script>": ["\u2028&", 1, None, [0.12346]]}
    assert "<" not in as_script(hostile)


def test_hostile_names_appear_as_text(outline, page):
    assert page.count("<script>") == 1 and "onerror=alert" in "".join(outline.text)
    assert "<script>document.title='owned'</script>" in "".join(outline.text)
    assert all(attributes.get("src", "").startswith("data:image/") for attributes in outline.all("img"))
    assert not any(key.startswith("on") for _, attributes in outline.elements for key in attributes)


def test_every_figure_is_embedded_with_alternative_text_and_caption(outline, page):
    images = [image for image in outline.all("img") if "data-figure" in image]
    assert len(images) == len(figure_cards()) == len(outline.all("figcaption")) - 1, "and the picture of the top"
    assert all(len(image["alt"]) > 20 and int(image["width"]) > 0 for image in images)
    kinds = {image["data-figure"]: image["src"].partition(";")[0] for image in images}
    # Curves as drawings, which stay sharp at every size; what holds photographs as pictures.
    assert kinds["error"] == "data:image/svg+xml" and kinds["hybrid_strips"] == "data:image/png"
    strips = next(image for image in images if image["data-figure"] == "hybrid_strips")
    picture = base64.b64decode(strips["src"].split(",")[1])
    assert Image.open(io.BytesIO(picture)).size == (int(strips["width"]), int(strips["height"]))


def test_page_is_below_five_megabytes(reported_run):
    assert (reported_run / "index.html").stat().st_size < 5_000_000


def test_sections_in_the_order_of_a_paper_with_question_reading_table_and_command(outline):
    text = " ".join("".join(outline.text).split())
    assert [a["id"] for a in outline.all("section")] == [
        "verdict", "reasons", "data-chapter", "duplicates", "model-chapter", "loss", "watch", "study_size",
        "study_losses", "study_time", "samples-chapter", "memorization", "patches", "provenance", "canaries", "quality",
        "field-chapter", "error", "membership", "geometry", "agreement", "time-chapter", "alignment", "hybrid", "uturn",
        "symmetry", "theory-chapter", "theories", "pairing", "gradient-variance", "further", "limits", "glossary",
        "run"]
    for name in ("alignment", "error", "hybrid", "memorization", "quality"):
        card = cards()[name]
        for part in (card.question, card.memorization, card.generalization, card.definition, card.reference):
            assert part in text
        assert f"First rows of tables/{name}.csv" in text
        assert "tables/" + name + ".csv" in [a.get("href") for a in outline.all("a")]


def test_headings_descend_without_gaps_and_links_lead_somewhere(outline):
    levels = [int(tag[1]) for tag, _ in outline.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    ids = {attributes.get("id") for _, attributes in outline.elements}
    inner = [a["href"][1:] for a in outline.all("a") if a["href"].startswith("#")]
    assert inner and set(inner) <= ids


def test_screen_readers_and_keyboards_get_what_they_need(outline):
    assert outline.all("html")[0]["lang"] == "en" and len(outline.all("main")) == 1
    assert outline.all("a")[0]["href"] == "#content"
    assert all(th.get("scope") == "col" for th in outline.all("th"))
    assert len(outline.all("caption")) == len(outline.all("table")) > 0
    scrolled = [a for tag, a in outline.elements if tag == "pre" or a.get("class") == "scroll"]
    assert scrolled and all(a["tabindex"] == "0" and a["aria-label"] for a in scrolled)


def test_links_lead_to_files_of_the_run(outline, reported_run):
    files = [a["href"] for a in outline.all("a") if not a["href"].startswith("#")]
    drawn = {file for file in files if not file.endswith(".pdf")}   # tests write no PDF
    assert drawn and all((reported_run / file).exists() for file in drawn)


def test_command_of_a_diagnostic_is_its_own_where_recorded(reported_run, tmp_path):
    run = shutil.copytree(reported_run, tmp_path / "run")
    document = run_json()
    document["diagnostics"]["error"]["command"] = "fmdiag error ckpt.pt --n-pairs 40"
    (run / "run.json").write_text(json.dumps(document))
    text = write_report(run).read_text(encoding="utf-8")
    assert "<code>fmdiag error ckpt.pt --n-pairs 40</code>" in text
    assert "<code>fmdiag report data/digits.pt</code>" in text


def test_a_run_without_model_or_texts_still_has_a_page(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"fmdiag": "0.1.0", "command": "fmdiag other", "name": "other",
                                                   "diagnostics": {"other_thing": {}}, "checkpoint": None}))
    (tmp_path / "tables").mkdir()
    save_table(tmp_path, "other_thing", pd.DataFrame({"x": [1, 2], "good": [True, False], "y": [0.123456, np.nan]}))
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Other thing" in text and "0.1235" in text and "only the training set was measured" in text
    assert Outline(text).open == []


def test_a_figure_that_no_diagnostic_of_the_run_claims_is_shown_all_the_same(reported_run, tmp_path):
    run = shutil.copytree(reported_run, tmp_path / "run")
    document = run_json()
    del document["diagnostics"]["error"]
    (run / "run.json").write_text(json.dumps(document))
    found = Outline(write_report(run).read_text(encoding="utf-8"))
    assert len(found.all("img")) == len(figure_cards()) + 1 and "error" not in [a["id"] for a in found.all("section")]


def test_an_unknown_diagnostic_with_a_summary_gets_sortable_tables_and_its_command(tmp_path):
    """What other commands will measure needs no code here: curves over its axis, single numbers, raw rows, command."""
    rows = [{"diagnostic": "sharpness", "quantity": quantity, "t": t, "layer": layer, "value": value,
             "low": value - 0.1, "high": value + 0.1, "level": 0.95, "n": 9, "interval": "student"}
            for quantity, value in (("slope", 0.25), ("trace", 7.0)) for t in (0.1, 0.2, 0.3) for layer in ("a", "b")]
    rows.append(rows[0] | {"quantity": "total", "t": np.nan, "layer": None, "value": 3.0, "low": np.nan,
                           "high": np.nan})
    (tmp_path / "run.json").write_text(json.dumps({
        "fmdiag": "0.1.0", "command": "fmdiag sharpness", "name": "sharpness", "checkpoint": None,
        "diagnostics": {"sharpness": {"n_layers": 2, "command": "fmdiag sharpness --n-layers 2"}}}))
    (tmp_path / "tables").mkdir()
    save_table(tmp_path, "summary", pd.DataFrame(rows))
    save_table(tmp_path, "hessian", pd.DataFrame({"eigenvalue": [1.5, 2.5]}))
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Means and shares with their 95 % intervals" in text and "Single numbers" in text
    assert '<td data-value="0.25">0.25 <span class="interval">[0.15, 0.35]</span></td>' in text
    assert "All rows of tables/hessian.csv (2 rows)" in text and "fmdiag sharpness --n-layers 2" in text


def test_pictures_shrink_until_they_fit_the_budget(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    for name in ("a", "b"):
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    # Noise does not compress: 480 kB each; 200 kB for both needs both shrunk.
    images = embedded({name: tmp_path / f"{name}.png" for name in ("a", "b")}, budget=200_000)
    sizes = [len(base64.b64decode(image["src"].split(",")[1])) for image in images.values()]
    assert sum(sizes) <= 200_000 and min(sizes) > 20_000
    assert images["a"]["width"] == 400


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FmdiagError, match="not a run folder"):
        write_report(tmp_path)
