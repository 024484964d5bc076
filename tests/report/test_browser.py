"""The page in a real browser, from disk: no console errors, nothing wider than the screen."""

import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--v=0", "--dump-dom",
         "--virtual-time-budget=5000", "--hide-scrollbars"]

pytestmark = [pytest.mark.realdata,
              pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")]


def browse(page, profile):
    """Return (document after loading, console messages) of a file opened in Chromium."""
    done = subprocess.run([CHROMIUM, *FLAGS, f"--user-data-dir={profile}", page.as_uri()], capture_output=True,
                          text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_page_opens_from_disk_without_console_errors_and_runs_no_injected_script(reported_run, tmp_path):
    # The policy forbids every request, and the browser reports each attempt on the console: silence means none.
    document, console = browse(reported_run / "index.html", tmp_path / "profile")
    assert console == []
    assert "Verdict" in document and "<title>owned" not in document


def test_a_forbidden_request_would_be_noticed(reported_run, tmp_path):
    text = (reported_run / "index.html").read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("</main>", '<img src="http://127.0.0.1:9/x.png" alt=""></main>'), encoding="utf-8")
    assert any("Content Security Policy" in line for line in browse(broken, tmp_path / "profile")[1])


def test_page_fits_telephones_and_desktops(reported_run, tmp_path):
    """The page is shown in frames of both widths; a script (in a copy without the policy) reports the overflow."""
    text = (reported_run / "index.html").read_text(encoding="utf-8").replace("Content-Security-Policy", "X-None")
    script = "<script>onload = () => parent.postMessage(`${innerWidth}:${document.documentElement.scrollWidth}`, '*')"
    (tmp_path / "copy.html").write_text(text.replace("</body>", script + "</script></body>"), encoding="utf-8")
    frames = "".join(f'<iframe src="copy.html" style="width:{width}px;height:800px;border:0"></iframe>'
                     for width in (390, 1440))
    listener = "<script>onmessage = e => { document.getElementById('o').append(e.data + ' ') }</script><p id=o></p>"
    (tmp_path / "frames.html").write_text("<!doctype html>" + listener + frames)
    document, _ = browse(tmp_path / "frames.html", tmp_path / "profile")
    assert "390:390 " in document and "1440:1440 " in document
