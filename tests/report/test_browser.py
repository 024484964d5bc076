"""The page in a real browser, opened from disk: what moves moves, what is hostile stays text, nothing is fetched.

Screenshots are left in tests/artefacts/ (not committed).
"""

import importlib.util
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.realdata
ARTEFACTS = Path(__file__).parents[1] / "artefacts"
SIZES = (1440, 768, 390)


@pytest.fixture(scope="module")
def page(browser, reported_run):
    opened = browser.open(reported_run / "index.html")
    opened.until("!document.getElementById('explore-gallery').hidden")
    return opened


def greys(page, selector):
    """Return the grey level of every canvas within `selector`, once all are drawn."""
    canvases = f"[...document.querySelectorAll({json.dumps(selector + ' canvas')})]"
    page.until(f"{canvases}.every(c => c.dataset.drawn === c.dataset.place)")
    return page.run(f"{canvases}.map(c => c.getContext('2d').getImageData(0, 0, 1, 1).data[0])")


def test_opens_from_disk_without_complaint_or_request(page):
    assert page.complaints() == [] and page.requests() == []
    assert page.run("location.protocol") == "file:"


def test_a_forbidden_request_and_a_foreign_script_would_be_noticed(browser, reported_run, tmp_path):
    text = (reported_run / "index.html").read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    foreign = '<img src="http://127.0.0.1:9/x.png" alt=""><script>document.title = "owned"</script></main>'
    broken.write_text(text.replace("</main>", foreign), encoding="utf-8")
    page = browser.open(broken)
    complaints = json.dumps(page.complaints())
    assert "127.0.0.1:9" in complaints and "script-src" in complaints
    assert page.run("document.title") != "owned", "the policy refuses scripts that it does not name"


def test_a_hostile_data_set_name_is_text(page, hostile):
    assert hostile in page.run("document.querySelector('h1').textContent")
    assert page.run("document.title").startswith("report-digits: </script>")
    assert page.run("document.querySelectorAll('script').length") == 2
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0


def test_the_slider_changes_pictures_numbers_and_what_is_spoken(page):
    page.run("document.getElementById('tau').focus()")
    page.press("Home", 36)
    first = greys(page, "#tau-pictures"), page.run("document.getElementById('tau-readout').textContent")
    assert first[1].startswith("τ = 0: mean distance") and "memorised share" in first[1]
    page.press("ArrowRight", 39)
    second = greys(page, "#tau-pictures"), page.run("document.getElementById('tau-readout').textContent")
    assert page.run("document.getElementById('tau').getAttribute('aria-valuetext')") == "τ = 0.2"
    assert second[1].startswith("τ = 0.2") and second[0] != first[0]
    page.press("End", 35)
    last = greys(page, "#tau-pictures")
    # At τ = 1 every sample is its nearest training image.
    assert last[::2] == last[1::2] and len(last) == 8
    assert "distance 0, row" in page.run("document.querySelector('#tau-pictures figcaption').textContent")


def test_the_play_button_moves_the_slider_to_the_end(page):
    page.run("document.getElementById('tau').value = 3")
    page.click("#tau-play")
    page.until("document.getElementById('tau').value === '5'")
    page.until("document.getElementById('tau-play').getAttribute('aria-pressed') === 'false'")


def choose(page, **fields):
    """Set fields of the gallery as a user does and return (numbers d1/d2, sample numbers, count) of the cards."""
    for name, value in fields.items():
        page.run(f"(() => {{ const f = document.getElementById('gallery-controls').elements[{json.dumps(name)}];"
                 f"f.value = {json.dumps(value)}; f.dispatchEvent(new Event('input', {{bubbles: true}})) }})()")
    texts = page.run("[...document.querySelectorAll('#gallery-cards .card')].map(c => c.textContent)")
    ratios = [float(text.split("d1/d2 ")[1].split("memorised")[0].split("row")[0]) for text in texts]
    samples = [int(text.split("row")[0].removeprefix("no. ")) for text in texts]
    return ratios, samples, page.run("document.getElementById('gallery-count').textContent")


EVERYTHING = {"source": "0", "feature": "pixels", "order": "ratio", "show": "all", "most": "1"}


def test_the_gallery_sorts_filters_and_counts(page):
    ratios, _, count = choose(page, **EVERYTHING)
    assert ratios == sorted(ratios) and len(ratios) == 24
    assert count.startswith("60 of 180 pictured samples, the first 24 below. Measured: 60 model, 60 held-out examples")
    ratios, _, _ = choose(page, order="-ratio")
    assert ratios == sorted(ratios, reverse=True) and ratios[0] > 0.9
    _, samples, count = choose(page, order="sample", show="memorized")
    assert samples == list(range(0, 60, 5)) and count.startswith("12 of 180")
    assert choose(page, show="copies")[1] == [5], "row 5 is stored three times"
    assert all(ratio <= 0.6 for ratio in choose(page, show="other", most="0.6")[0])
    assert choose(page, show="all", most="1", source="2", order="sample")[2].startswith("60 of 180")


def test_the_gallery_changes_feature_space(page):
    _, first, _ = choose(page, **EVERYTHING)
    _, second, _ = choose(page, feature="reversed", order="-ratio")
    assert first == second, "the second space has the ratios of the first, subtracted from 1"


def test_cards_show_the_pictures_of_their_sample_and_row(page):
    _, samples, _ = choose(page, **EVERYTHING)
    shown = greys(page, "#gallery-cards")
    # Grey levels tell the number of the sample (counting up) and of its row, which is the same (counting down).
    assert shown[::2] == samples and shown[1::2] == [255 - sample for sample in samples]


def test_a_sample_opens_with_its_numbers_and_its_provenance(page):
    choose(page, **EVERYTHING | {"order": "sample"})
    page.click("#gallery-cards li:nth-child(2) button")
    assert page.run("document.getElementById('gallery-dialog').open")
    text = page.run("document.getElementById('gallery-dialog').innerText")
    assert "Sample 1, model" in text and "reversed" in text and "row 3" in text
    assert page.run("document.querySelectorAll('#gallery-dialog polygon').length") == 6
    page.screenshot(ARTEFACTS / "sample.png", whole=False)
    page.press("Escape", 27)
    assert not page.run("document.getElementById('gallery-dialog').open")


def test_more_cards_are_shown_on_demand_and_keep_the_focus(page):
    choose(page, **EVERYTHING)
    page.click("#gallery-more")
    assert page.run("document.querySelectorAll('#gallery-cards .card').length") == 60
    assert page.run("document.activeElement === document.querySelector('#gallery-cards li:nth-child(25) button')")


def test_provenance_shows_the_chosen_sample(page):
    page.click("#provenance-samples button:nth-child(2)")
    assert page.run("document.querySelector('#provenance-samples [aria-pressed=true]').textContent") == "sample 1"
    said = page.run("[...document.querySelectorAll('#provenance-plots svg')].map(s => s.getAttribute('aria-label'))")
    assert len(said) == 2 and all("sample 1" in text and "row 3 has the weight 0.792" in text for text in said)
    # The areas of one time add up to 1: the last one's upper edge lies at the top of the plot, 10 units down.
    tops = page.run("document.querySelector('#provenance-plots polygon:last-of-type').getAttribute('points')")
    assert [float(point.split(",")[1]) for point in tops.split()[:3]] == [10.0, 10.0, 10.0]


def column(page, number):
    return page.run("[...document.querySelector('#alignment table.sortable').tBodies[0].rows]"
                    f".map(row => Number(row.cells[{number}].dataset.value))")


def test_tables_sort_by_click_and_by_keyboard(page):
    page.run("document.querySelector('#alignment details').open = true")
    heading = "#alignment table.sortable th:nth-child(4)"
    before = column(page, 3)
    page.click(f"{heading} button")
    assert column(page, 3) == sorted(before) != before
    assert page.run(f"document.querySelector({json.dumps(heading)}).getAttribute('aria-sort')") == "ascending"
    page.run(f"document.querySelector({json.dumps(heading + ' button')}).focus()")
    page.press("Enter", 13)
    assert column(page, 3) == sorted(before, reverse=True)
    assert page.run(f"document.querySelector({json.dumps(heading)}).getAttribute('aria-sort')") == "descending"


def test_figures_tell_their_values_under_the_pointer_and_to_the_keyboard(page):
    chart = "document.querySelector('[data-figure=error]').parentElement"
    page.run(f"{chart}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    x, y, width, height = page.run(f"(r => [r.x, r.y, r.width, r.height])({chart}.getBoundingClientRect())")
    page.point(x + 0.5 * width, y + 0.3 * height)
    tip = page.run(f"{chart}.querySelector('.tip').innerText")
    assert tip.startswith("t = 0.") and "squared error per coordinate: 0." in tip and "[" in tip
    page.run(f"{chart}.focus()")
    page.press("ArrowRight", 39)
    page.press("ArrowDown", 40)
    spoken = page.run(f"{chart}.querySelector('[aria-live]').textContent")
    assert "conditional variance" in spoken and "CFM loss" in spoken
    page.press("Escape", 27)
    assert page.run(f"{chart}.querySelector('.tip').hidden")


@pytest.mark.parametrize("width", SIZES)
def test_nothing_is_wider_than_the_screen(page, width):
    page.resize(width)
    page.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
    try:
        assert page.run("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    finally:
        page.resize(1440)


def lightness(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)   # our own picture of a long page
        return np.asarray(Image.open(path).convert("L"), dtype=float).mean()


def test_light_dark_and_print_render(page):
    page.run("document.querySelectorAll('details').forEach(d => { d.open = false })")
    for width in (1440, 390):
        page.resize(width)
        for scheme in ("light", "dark"):
            page.media(scheme=scheme)
            # The whole page once: of tens of thousands of lines of pixels each picture takes seconds.
            page.screenshot(ARTEFACTS / f"page-{width}-{scheme}.png", whole=(width, scheme) == (1440, "dark"))
        assert lightness(ARTEFACTS / f"page-{width}-light.png") > 190
        # Figures keep their white ground, so that captions that name black lines are true.
        assert lightness(ARTEFACTS / f"page-{width}-dark.png") < lightness(ARTEFACTS / f"page-{width}-light.png") - 40
        assert page.run("getComputedStyle(document.querySelector('.paper')).backgroundColor") == "rgb(255, 255, 255)"
    page.resize(1440)
    page.media(scheme="dark", kind="print")
    page.screenshot(ARTEFACTS / "page-print.png", whole=False)
    assert lightness(ARTEFACTS / "page-print.png") > 200, "paper stays white whatever the theme"
    assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.run("getComputedStyle(document.getElementById('explore-gallery')).display") == "none"
    assert page.run("document.querySelector('[data-figure=memorization_gallery]').getBoundingClientRect().height") > 0
    page.media()


def test_printing_unfolds_every_part(page):
    page.run("document.querySelectorAll('details').forEach(d => { d.open = false })")
    assert page.pdf().startswith(b"%PDF")
    assert page.run("[...document.querySelectorAll('details')].every(d => d.open)")
    page.run("document.querySelectorAll('details').forEach(d => { d.open = false })")


QUESTIONS = ["Is it memorising?", "How sure is that?", "What was compared?", "What would have been missed?",
             "What was assumed?"]
PARTS = ("header", "nav", "#verdict", "#reasons", "#data-chapter", "#limits", "#glossary", "#run")


def test_the_first_screen_answers_five_questions(page):
    page.resize(1440)
    page.run("scrollTo(0, 0)")
    seen = page.run("[...document.querySelectorAll('.questions dt, .first img, .numbers dd, #verdict-title')].map(e => "
                    "[e.textContent, e.getBoundingClientRect().bottom])")
    questions = [text for text, bottom in seen if bottom <= 900]
    assert set(QUESTIONS) <= set(questions) and "" in questions, "the picture is among them"
    assert page.run("getComputedStyle(document.getElementById('verdict')).borderLeftColor") == "rgb(168, 71, 10)"
    for width in SIZES:
        page.resize(width)
        assert page.run("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen"
    page.run("document.querySelector('.term').focus()")
    page.press("Enter", 13)
    page.until("location.hash === '#term-nearest'")
    page.resize(1440)


def test_axe_finds_nothing_serious(page):
    """axe-core of Deque Systems, run in the page: from the package axe-core-python."""
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None:
        pytest.skip("no axe-core: pip install axe-core-python")
    page.run((Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8") + ";1")
    include = json.dumps([[part] for part in PARTS])
    for scheme in ("light", "dark"):
        page.media(scheme=scheme)
        found = page.run(f"axe.run({{include: {include}}}).then(r => r.violations.map(v => [v.id, v.impact]))")
        assert not [name for name, impact in found if impact in ("serious", "critical")], found
    page.media()


def test_the_theme_button_overrules_the_system(page):
    def background():
        return page.run("getComputedStyle(document.body).backgroundColor")

    page.media(scheme="light")
    light = background()
    page.click("#theme")
    page.click("#theme")
    assert page.run("document.getElementById('theme').textContent") == "Theme: dark" and background() != light
    page.click("#theme")
    assert background() == light


def test_without_a_script_everything_is_there(browser, reported_run, tmp_path):
    """A copy whose script is not allowed to run shows every figure, and no control that would do nothing."""
    text = (reported_run / "index.html").read_text(encoding="utf-8")
    copy = tmp_path / "still.html"
    copy.write_text(text.replace("script-src", "other-src"), encoding="utf-8")
    page = browser.open(copy)
    controls = page.run("[...document.querySelectorAll('.explore, #theme')].map(e => e.getBoundingClientRect().height)")
    assert controls == [0, 0, 0, 0]
    assert page.run("[...document.querySelectorAll('figure img')].every(i => i.complete && i.naturalWidth > 0 && "
                    "i.getBoundingClientRect().height > 0)")


def test_points_in_the_plane_have_a_slider_too(browser, points_run):
    page = browser.open(points_run / "index.html")
    before = page.run("document.querySelector('#tau-pictures svg').innerHTML")
    page.run("document.getElementById('tau').focus()")
    page.press("End", 35)
    assert page.run("document.querySelector('#tau-pictures svg').innerHTML") != before
    assert page.run("document.querySelectorAll('#tau-pictures circle').length") == 8
    assert page.run("document.getElementById('explore-gallery') === null") and page.complaints() == []
