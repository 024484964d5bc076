"""Drawing a run folder: complete, repeatable, without torch, whole or not at all."""

import io
import json
import re
import shutil
import subprocess
import sys
import zlib

import pytest
from click.testing import CliRunner
from fontTools.subset import Options
from fontTools.ttLib import TTFont
from synthetic_run import run_json

from fmdiag.errors import FmdiagError
from fmdiag.figures import draw_all, figure_cards

FIGURES = figure_cards()


@pytest.fixture
def copied_run(synthetic_run, tmp_path):
    return shutil.copytree(synthetic_run, tmp_path / "run")


@pytest.fixture
def small_run(tmp_path):
    """A run with one table, so that a test which draws takes a second."""
    import pandas as pd

    from fmdiag.results import save_table

    (tmp_path / "run.json").write_text(json.dumps(run_json()))
    save_table(tmp_path, "loss", pd.DataFrame({"step": [1, 2, 3], "loss": [1.0, 0.5, 0.4]}))
    return tmp_path


def test_every_figure_is_written_in_three_formats_with_captions_and_nothing_else(copied_run, monkeypatch):
    """Every tenth one: each is drawn by a test of its own, and as PNG and SVG for the page of the report's tests."""
    some = dict(list(FIGURES.items())[::10])
    monkeypatch.setattr("fmdiag.figures.draw.figure_cards", lambda: some)
    written = draw_all(copied_run)
    expected = {f"{name}.{kind}" for name in some for kind in ("png", "pdf", "svg")}
    assert {path.name for path in written} == expected
    assert {path.name for path in (copied_run / "figures").iterdir()} == expected | {"captions.json",
                                                                                            "readings.json"}
    assert set(json.loads((copied_run / "figures" / "captions.json").read_text())) == set(some)


def test_drawing_twice_gives_the_same_bytes(small_run):
    first = {path: path.read_bytes() for path in draw_all(small_run)}
    assert {path: path.read_bytes() for path in draw_all(small_run)} == first


def test_fonts_in_a_pdf_hold_the_glyphs_and_no_rules_of_setting_text(small_run, with_pdf):
    draw_all(small_run)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", (small_run / "figures" / "loss.pdf").read_bytes(), re.S)
    unpacked = [zlib.decompressobj().decompress(stream) for stream in streams if stream[:1] == b"x"]
    fonts = [TTFont(io.BytesIO(data)) for data in unpacked if data[:4] == b"\0\1\0\0"]
    assert fonts and all({"glyf", "loca", "head", "hhea", "hmtx", "maxp"} <= set(font.keys()) for font in fonts)
    assert not any({"GSUB", "GPOS", "GDEF", "kern"} & set(font.keys()) for font in fonts)
    assert "GPOS" not in Options().drop_tables   # as before, for whoever else cuts fonts


def test_figures_are_as_readable_as_the_run(small_run):
    (small_run / "run.json").chmod(0o644)
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in draw_all(small_run))


def test_drawing_imports_neither_torch_nor_a_display(small_run):
    code = ("import sys; from fmdiag.figures import draw_all; files = draw_all(sys.argv[1]); assert files; "
            "print('torch' in sys.modules, 'faiss' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code, str(small_run)], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_caller_keeps_his_own_style(small_run):
    import matplotlib

    before = matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]
    draw_all(small_run)
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]) == before


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FmdiagError, match="not a run folder"):
        draw_all(tmp_path)


@pytest.mark.parametrize("file", ["run.json", "tables/loss.parquet"])
def test_a_damaged_file_is_named(small_run, file):
    (small_run / file).write_bytes(b"{broken")
    with pytest.raises(FmdiagError, match=f"{file}.*cannot be read"):
        draw_all(small_run)


def test_a_table_without_its_column_is_named(small_run):
    import pandas as pd

    from fmdiag.results import save_table

    save_table(small_run, "loss", pd.DataFrame({"step": [1, 2]}))
    with pytest.raises(FmdiagError, match="'loss' needs .*'loss'"):
        draw_all(small_run)


def test_a_failed_write_leaves_the_old_figure(small_run, monkeypatch):
    old = {path: path.read_bytes() for path in draw_all(small_run)}

    def full(self, file, **options):
        with open(file, "wb") as out:
            out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.backends.backend_pdf.FigureCanvasPdf.print_pdf", full)
    with pytest.raises(FmdiagError, match="No space left"):
        draw_all(small_run)
    assert {path: path.read_bytes() for path in old} == old
    assert not list((small_run / "figures").glob(".*"))


def test_command_lists_what_it_drew(small_run):
    from fmdiag.cli.figures import command

    result = CliRunner().invoke(command, [str(small_run)])
    assert result.exit_code == 0
    assert result.output.split() == [str(small_run / "figures" / f"loss.{kind}") for kind in ("png", "pdf", "svg")]


def test_python_draws_again_what_the_command_draws(small_run):
    from fmdiag.report import redraw

    written = redraw(small_run)
    assert written == [small_run / "figures" / f"loss.{kind}" for kind in ("png", "pdf", "svg")]
    shutil.rmtree(small_run / "tables")
    with pytest.raises(FmdiagError, match="holds nothing that is drawn"):
        redraw(small_run)


def test_command_renews_the_page_of_a_run_that_has_one(small_run):
    from fmdiag.cli.figures import command

    (small_run / "index.html").write_text("old")
    result = CliRunner().invoke(command, [str(small_run)])
    assert result.output.split()[-1] == str(small_run / "index.html")
    assert "data:image/svg+xml;base64" in (small_run / "index.html").read_text(encoding="utf-8")


def test_command_line_needs_no_torch(small_run):
    code = ("import sys; from fmdiag.cli.main import run; code = run(['figures', sys.argv[1]]); "
            "print(code, 'torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code, str(small_run)], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr
