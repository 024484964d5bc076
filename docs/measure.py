"""What do the diagnostics show of a model that memorises and of one that generalises? Both measured, figures kept.

The memorising model is trained here, on 16 digits (about four minutes on one core); the other is the bundled one. Runs
stay in docs/runs/ and are not made twice; docs/gallery/ receives the figures and facts.json.
"""

import json
import sys
from pathlib import Path

from PIL import Image

from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.cli.main import run
from fmdiag.figures import RunData
from fmdiag.report.verdict import verdict

HERE = Path(__file__).parent
RUNS, GALLERY = HERE / "runs", HERE / "gallery"
FACTS = GALLERY / "facts.json"
TRAINING = ["train", "--dataset", "digits", "--n", "16", "--network", "mlp", "--width", "256", "--depth", "4",
            "--steps", "6000"]
# Diagnostic -> arguments of its command beside the checkpoint.
MEASURED = {"alignment": [], "error": [], "hybrid": [], "memorization": [], "quality": [],
            "membership": [], "provenance": []}
COLORS = 96


def measure():
    """Train and measure what is missing in docs/runs/ and renew the figures and facts.json of docs/gallery/."""
    facts = {}
    for name, arguments in MEASURED.items():
        facts[name] = {}
        for model, checkpoint in (("memorises", _memorising()), ("generalises", bundled_checkpoint())):
            out = RUNS / model / name
            if not (out / "run.json").is_file():
                _run([name, str(checkpoint), *arguments, "--out", str(out)])
            facts[name][model] = _facts(out, model)
    FACTS.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _memorising():
    folder = RUNS / "memorises" / "model"
    if not (folder / "run.json").is_file():
        _run([*TRAINING, "--out", str(folder), *(["--resume"] if (folder / "state.pt").is_file() else [])])
    return folder / "checkpoint.pt"


def _run(arguments):
    code = run(arguments)
    if code:
        sys.exit(code)


def _facts(path, model):
    """Return what the pages say of one run, and keep its figures in few colours."""
    found = RunData(path)
    captions = json.loads((path / "figures" / "captions.json").read_text(encoding="utf-8"))
    (GALLERY / "figures").mkdir(parents=True, exist_ok=True)
    for name in captions:
        with Image.open(path / "figures" / f"{name}.png") as picture:
            few = picture.convert("RGB").quantize(COLORS)
            few.save(GALLERY / "figures" / f"{name}-{model}.png", optimize=True)
    told = verdict(found)
    sentences = [told["text"], *told["details"]] if told["kind"] != "open" else told["details"]
    return {"seconds": found.run["seconds"], "figures": captions, "found": sentences, "n": found.run["dataset"]["n"]}
