"""Exports: the run's own numbers, texts that LaTeX takes, legible figures, whole or absent."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.text import Text

from fmdiag.cli.main import run
from fmdiag.diagnostics import DIAGNOSTICS
from fmdiag.figures import RunData, figure_cards
from fmdiag.figures.draw import drawn_figure
from fmdiag.figures.style import legible, printed
from fmdiag.files.anonymous import anonymous
from fmdiag.files.marker import write_marker
from fmdiag.report.export import export
from fmdiag.report.export.bibliography import citations
from fmdiag.report.export.tex import tex
from fmdiag.results import load_table, save_table
from fmdiag.results.headline import headline
from fmdiag.studies.cards import STUDIES as STUDY_CARDS

sys.path.insert(0, str(Path(__file__).parents[1] / "figures"))
from synthetic_run import run_json, write_run  # noqa: E402

NAME = r"50%_of {A}&B #1 \~^ <数> é $x$"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run") / "digits", document=run_json(NAME))


@pytest.fixture
def small(whole, tmp_path, with_pdf):
    """Return a run of a few rows of the summary alone, of which hardly anything is drawn."""
    summary = load_table(whole, "summary")
    few = summary["diagnostic"].eq("memorization") | summary["quantity"].eq("collapse_time_measured")
    (tmp_path / "r_1" / "tables").mkdir(parents=True)
    save_table(tmp_path / "r_1", "summary", summary[few])
    shutil.copy(whole / "run.json", tmp_path / "r_1")
    return tmp_path / "r_1"


def test_texts_for_latex():
    assert tex("û* at τ = 5 % & x_1") == r"$\hat{u}^*$ at $\tau$ = 5 \% \& x\_1"
    assert tex("Fréchet Bińkowski ï 数\n") == r"Fr\'{e}chet Bi\'{n}kowski \"{\i} \texttt{U+6570} "
    assert tex(NAME).isascii()


def test_references_become_entries():
    found = citations("Q. Bertrand, A. Gagneux, “On $it”, NeurIPS 2025, arXiv 2506.03719, figure 2; T. Yoon et al. "
                      "2023; N. Carlini et al. 2019, 2023; Roe 2020; see there")
    assert list(found) == ["bertrand2025-03719", "yoon2023", "carlini2019", "carlini2023", "roe2020"]
    assert "author = {Q. Bertrand and A. Gagneux}" in found["bertrand2025-03719"]
    assert r"title = {{On \$it}}" in found["bertrand2025-03719"] and "note = {Roe 2020}" in found["roe2020"]
    assert "Fail to Memorize" in found["yoon2023"] and "USENIX Security 2023" in found["carlini2023"]


def test_every_work_that_a_card_cites_has_a_title_or_a_number():
    cards = [*DIAGNOSTICS.values(), *STUDY_CARDS.values()]
    entries = [entry for card in cards for entry in citations(card.reference or "").values()]
    assert len(entries) > 40
    for entry in entries:
        assert "  title = {" in entry or "  howpublished = {arXiv:" in entry, entry


def test_the_tables_have_the_headline_numbers(small, tmp_path):
    numbers = headline(load_table(small, "summary"), {})
    rows = list(csv.DictReader(io.StringIO(export(small, "csv", tmp_path / "csv").table)))
    assert [(row["quantity"], float(row["value"])) for row in rows] == [
        (entry["quantity"], pytest.approx(entry["value"])) for entry in numbers]
    table = export([small, small], "markdown", tmp_path / "md", labels=["a", "b|c"]).table.splitlines()
    assert table[0] == r"| Quantity | a | b\|c |" and len(table) == 2 + len(numbers)
    assert NAME in (tmp_path / "md" / "methods.md").read_text(encoding="utf-8")
    table = export(small, "latex", tmp_path / "tex").table
    assert table.count(r" \\") == 1 + len(numbers) and r"r\_1" in table and r"$\hat{u}^*$" in table
    cited = (tmp_path / "tex" / "methods.tex").read_text()
    assert r"50\%\_of \{A\}\&B \#1" in cited and "fmdiag 0.1.0" in cited and "torch 2.13.0" in cited
    assert all(f"@misc{{{key}," in (tmp_path / "tex/references.bib").read_text()
               for part in cited.split(r"\cite{")[1:] for key in part.partition("}")[0].split(","))


@pytest.mark.parametrize("name", figure_cards())
def test_no_text_of_a_column_s_figure_is_below_six_points(name, whole):
    with printed(3.25, 7):
        figure = drawn_figure(RunData(whole), name, figure_cards()[name])
        if figure is None:
            pytest.skip("this run has nothing to draw there")
        legible(figure, 7)
    assert figure.get_figwidth() == 3.25
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    assert sizes and 6 <= min(sizes) and max(sizes) <= 7


@pytest.mark.realdata
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not here: Debian package texlive-latex-base")
def test_the_latex_compiles(small, tmp_path):
    out = export([small, small], "latex", tmp_path / "out", labels=["a_1", "b"]).folder
    for words in (["pdflatex"], ["bibtex"], ["pdflatex"], ["pdflatex"]):
        options = ["-interaction=nonstopmode", "-halt-on-error"] if words == ["pdflatex"] else []
        done = subprocess.run([*words, *options, "main"], cwd=out, capture_output=True, timeout=100)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert b"undefined" not in done.stdout and (out / "main.pdf").stat().st_size > 5000


def test_wrong_input_is_one_line_and_writes_nothing(small, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unfinished").mkdir()
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(small / "run.json", old)
    edited = shutil.copytree(small, tmp_path / "edited")
    write_marker(edited, "run")
    (edited / "tables/summary.csv").write_text("mine")
    for words, said in ((["unfinished"], "no run.json"), (["nowhere"], "no run.json"),
                        (["old"], "has no table summary (written by fmdiag 0.1.0): run again: fmdiag report"),
                        (["edited"], "tables/summary.csv, which was changed"), (["r_1", "--width", "0"], "--width"),
                        (["r_1", "--font-size", "5"], "--font-size"), (["r_1", "--word"], "--word"),
                        (["r_1", "--labels", "a,b"], "one per run, 1, got 2")):
        assert run(["export", *words, "--out", "out"]) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1 and said in error, error
        assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="format of an export"):
        export(small, "word", tmp_path / "out")


def test_anonymous_copies_name_files_alone(small, tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "janedoe")
    monkeypatch.setattr("socket.gethostname", lambda: "secrethost")
    record = run_json() | {"command": "fmdiag error models/a.pt --dataset=/home/janedoe/x --out 'reports/my run'",
                           "cautions": ["by janedoe on secrethost in ../data/x.npy; d1/d2 below 1/3"]}
    (small / "run.json").write_text(json.dumps(record))
    export(small, "csv", tmp_path / "out", anonymous=True)
    copied = json.loads((tmp_path / "out" / "run.json").read_text())
    assert copied["command"] == "fmdiag error a.pt --dataset=x --out 'my run'"
    assert copied["cautions"] == ["by anonymous on anonymous in x.npy; d1/d2 below 1/3"]
    assert anonymous("fid/heusel-2017 and models/a.pt, /data/b", []) == "fid/heusel-2017 and a.pt, b"
