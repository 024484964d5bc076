"""What results are to be read with stands on every output: terminal, JSON, run.json, tables, page."""

import json

import pytest
import torch

from fmdiag.checkpoints import bundled_checkpoint
from fmdiag.cli.main import run
from fmdiag.results import load_run, load_table
from fmdiag.sampling import draw_noise

# Such a field fits its rows worse than no network would.
READING = ["--dataset", "digits", "--trust-code", "--accept-reading"]
SMALL = {
    "memorization": ["--n-samples", "8", "--n-steps", "4"],
    "hybrid": ["--tau", "0.5", "--n-samples", "4", "--n-steps", "4"],
    "error": ["--times", "0.5", "--n-pairs", "4"],
    "quality": ["--n-samples", "8", "--n-steps", "4", "--metric", "kid", "--feature", "pixels"],
    "membership": ["--times", "0.5", "--n-images", "4", "--n-noises", "1", "--n-paths", "4", "--n-steps", "4"],
    "provenance": ["--n-noises", "8", "--n-steps", "4"],
    "gradient-variance": ["--n-samples", "4", "--times", "0.5"],
    "theories": ["--times", "0.5", "--n-pairs", "4", "--n-calibration", "2", "--n-steps", "4"],
    "patches": ["--n-samples", "4", "--n-controls", "2", "--n-any", "0", "--n-steps", "4"],
    "uturn": ["--times", "0.5", "--n-starts", "8", "--n-steps", "4"],
    "agreement": ["CHECKPOINT", "--n-samples", "4", "--n-steps", "4"],
}


@pytest.fixture(scope="module")
def ot_checkpoint(checkpoint, tmp_path_factory):
    """Return the tiny checkpoint as one that says that it was trained with minibatch optimal transport."""
    content = torch.load(checkpoint, weights_only=True)
    file = tmp_path_factory.mktemp("ot") / "ot.pt"
    torch.save({**content, "loss": "ot-cfm"}, file)
    return file


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
@pytest.mark.parametrize("command", SMALL)
def test_fault_2_30_cautions_of_a_checkpoint_stand_on_every_output(command, ot_checkpoint, tmp_path, capsys):
    options = [str(ot_checkpoint) if option == "CHECKPOINT" else option for option in SMALL[command]]
    arguments = [command, str(ot_checkpoint), *options, "--out", str(tmp_path / "run")]
    assert run(arguments) == 0
    printed = capsys.readouterr().out
    assert "caution: ot-coupling: trained with minibatch optimal transport" in printed
    assert printed.count("caution: ot-coupling: ") == (2 if command == "agreement" else 1)
    assert load_run(tmp_path / "run")["checkpoint"]["warnings"][0].startswith("ot-coupling: ")
    for table in sorted((tmp_path / "run" / "tables").glob("*.parquet")):
        assert load_table(tmp_path / "run", table.stem)["caution"].str.startswith("ot-coupling").all(), table.stem
    if command == "error":
        assert run([*arguments, "--json", "--overwrite"]) == 0
        assert json.loads(capsys.readouterr().out)["details"]["cautions"][0].startswith("ot-coupling: ")


@pytest.fixture(scope="module")
def half_exploding(tmp_path_factory):
    """Return a program whose trajectories explode where the noise is positive at the first coordinate."""
    class Field(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            out = (x.flatten(1)[:, :1] > 0).reshape(-1, 1, 1, 1)
            return torch.where(out, 1000 * x, -self.scale * x)

    file = tmp_path_factory.mktemp("exploding") / "half.pt2"
    batch = torch.export.Dim("b")
    torch.export.save(torch.export.export(Field().eval(), (torch.zeros(2, 1, 8, 8), torch.zeros(2)),
                                          dynamic_shapes=({0: batch}, {0: batch})), file)
    return file


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
@pytest.mark.parametrize("command", ["memorization", "hybrid"])
def test_fault_2_7_a_command_measures_the_trajectories_that_do_not_diverge(command, half_exploding, tmp_path, capsys):
    options = ["--tau", "0.0", *SMALL["hybrid"][2:]] if command == "hybrid" else SMALL[command]
    options = ["40" if option == "8" else option for option in options]
    assert run([command, str(half_exploding), *READING, *options, "--verbose", "--out",
                str(tmp_path / "run")]) == 0
    said = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("caution: diverged: "))
    assert "diverged" in said and said.removeprefix("caution: ") in load_run(tmp_path / "run")["cautions"]
    if command == "memorization":
        assert "of 40 trajectories diverged, the first at t = " in said and "(euler, 4 steps)" in said
        table = load_table(tmp_path / "run", "memorization")
        assert 0 < (table["source"] == "model").sum() < 40 and table["caution"].str.contains("diverged").all()


@pytest.mark.filterwarnings("ignore::fmdiag.errors.FmdiagWarning")
def test_fault_2_7_where_all_diverge_one_line_says_so(half_exploding, tmp_path, capsys):
    seed = next(seed for seed in range(99) if draw_noise(1, (1, 8, 8), generator=torch.Generator().manual_seed(seed))[
        0, 0, 0, 0] > 0)
    assert run(["memorization", str(half_exploding), *READING, "--n-samples", "1", "--n-steps", "4", "--seed",
                str(seed), "--out", str(tmp_path / "run")]) == 2
    error, = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert "all 1 trajectories diverged, the first at t = " in error and not (tmp_path / "run").exists()


def test_fault_2_27_the_verdict_names_solver_and_steps_and_says_whether_they_matter(tmp_path, capsys):
    checkpoint = bundled_checkpoint()   # samples of an untrained network are not judged
    assert run(["memorization", str(checkpoint), *SMALL["memorization"], "--out", str(tmp_path / "run"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["details"]
    assert "of 8 samples (euler, 4 steps) have d1/d2 < 1/3" in printed["verdict"]["text"]
    assert printed["steps"].startswith("with 2 steps instead of 4 (euler, the same 8 noises): ")
    quantities = {row["quantity"]: row for row in printed["summary"]}
    assert quantities["f_mem_other_steps"]["n"] == quantities["f_mem_same_noises"]["n"] == 8
    assert len(load_table(tmp_path / "run", "steps")) == 8
    assert run(["memorization", str(checkpoint), "--n-samples", "8", "--method", "dopri5", "--out",
                str(tmp_path / "adaptive"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["details"]
    assert "(dopri5, tolerance 1e-05)" in printed["verdict"]["text"] and "steps" not in printed
