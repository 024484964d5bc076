"""Anonymous copies of run.json and the page of a run: names of files alone, no folders, hosts or user names."""

import json
import shutil
import tempfile
from pathlib import Path

from fmdiag.files.anonymous import anonymous, anonymous_table, own_names
from fmdiag.files.documents import as_json
from fmdiag.report.page import write_report
from fmdiag.results.tables import read_parquet, save_table


def copies(run, folder):
    """Write run.json, and the page where the run has one, into `folder` without paths, hosts and user names."""
    run, names = Path(run), own_names()
    with tempfile.TemporaryDirectory(prefix="fmdiag-") as made:
        copy = Path(made) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*.pt", "index.html", ".fmdiag*"))
        for file in copy.glob("*.json"):
            content = anonymous(json.loads(file.read_text(encoding="utf-8")), names)
            file.write_text(as_json(content, indent=1) + "\n", encoding="utf-8")
        for file in sorted((copy / "tables").glob("*.parquet")):
            save_table(copy, file.stem, anonymous_table(read_parquet(file), names))
        shutil.copyfile(copy / "run.json", folder / "run.json")
        if (run / "index.html").is_file():
            write_report(copy)
            shutil.copyfile(copy / "index.html", folder / "index.html")
