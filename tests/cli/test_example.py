"""`fmdiag report --example`: which bundled model it is, and what is said where it cannot be."""

import pytest

from fmdiag.checkpoints import bundled_checkpoint, load_checkpoint
from fmdiag.cli.main import run


@pytest.mark.parametrize(("words", "message"), [
    (["--example", "fashion"], "unknown example 'fashion': did you mean 'fashion-mnist'"),
    (["ckpt.pt", "--example", "digits"], "give a CHECKPOINT or --example, not both"),
])
def test_wrong_words_are_one_line(words, message, tmp_path, capsys):
    assert run(["report", *words, "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and not (tmp_path / "run").exists()


def test_data_that_are_not_here_are_one_line(tmp_path, capsys, monkeypatch):
    """Debian's folder of the data is looked for elsewhere, where nothing is."""
    monkeypatch.setattr("fmdiag.datasets.published.places", lambda card, root: [tmp_path / "none"])
    words = ["report", "--example", "fashion-mnist", "--offline", "--data-root", str(tmp_path)]
    assert run([*words, "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "fashion-mnist, which is not on this machine: give --dataset" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "n"), [("digits", 1500), ("fashion-mnist", 60000), ("fashion-mnist-n100", 100)])
def test_an_example_is_the_model_of_its_training_set(name, n):
    found = load_checkpoint(bundled_checkpoint(name)).description["dataset"]
    assert found["name"] == name.removesuffix("-n100") and found["n"] == n
