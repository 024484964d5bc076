"""The classifier's embedding: what it is, that it learns, and the accuracy of the one that comes with fmdiag."""

import json

import numpy as np
import pytest
import torch

from fmdiag.cli.main import run
from fmdiag.datasets import load_dataset
from fmdiag.errors import FmdiagError
from fmdiag.features.classifier import classifier_file, find_classifier, read_classifier
from fmdiag.features.classifier_training import accuracy


@pytest.fixture(scope="module")
def digits_classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifiers")
    assert run(["classifier", "--dataset", "digits", "--epochs", "12", "--out", str(folder)]) == 0
    return folder


def test_it_learns_digits_and_says_how_well(digits_classifier):
    digits = load_dataset("digits")
    feature = find_classifier(digits, digits_classifier)
    # Half precision and all, above 90 % of held-out digits; guessing is right in 10 %.
    assert feature.content["accuracy"] > 0.9
    assert accuracy(feature.module, digits.held_out) == feature.content["accuracy"]


def test_embedding_has_128_coordinates_and_does_not_depend_on_the_batch(digits_classifier):
    digits = load_dataset("digits")
    feature = find_classifier(digits, digits_classifier)
    vectors = feature(digits[:40])
    assert vectors.shape == (40, 128) and vectors.dtype == torch.float32 and (vectors >= 0).all()
    torch.testing.assert_close(torch.cat([feature(digits[k : k + 8]) for k in range(0, 40, 8)]), vectors, rtol=1e-5,
                               atol=1e-5)
    # Classes are what it separates: images of one class are nearer to each other than to the rest.
    embedded, labels = feature(digits[:300]), torch.from_numpy(np.asarray(digits.labels[:300]))
    distances, same = torch.cdist(embedded, embedded), labels[:, None] == labels
    assert distances[same & (distances > 0)].mean() < 0.7 * distances[~same].mean()


def test_the_key_is_that_of_the_weights(digits_classifier, tmp_path):
    file = classifier_file(load_dataset("digits"), digits_classifier)
    again = read_classifier(file)
    assert again.key == read_classifier(file).key and again.describe()["weights"] == again.key
    again.content["weights"]["classes.bias"] += 1
    assert again.key != read_classifier(file).key


def test_what_is_no_classifier_is_refused(tmp_path, digits_classifier):
    (tmp_path / "file.pt").write_text("hello")
    for file in (tmp_path / "file.pt", tmp_path / "none.pt"):
        with pytest.raises(FmdiagError, match="fmdiag classifier"):
            read_classifier(file)
    feature = find_classifier(load_dataset("digits"), digits_classifier)
    with pytest.raises(FmdiagError, match="images of shape"):
        feature(torch.zeros(2, 1, 16, 16))


@pytest.mark.parametrize("dataset, message", [("two-moons", "needs images"), ("digitz", "did you mean")])
def test_sets_without_classes_are_refused(tmp_path, capsys, dataset, message):
    assert run(["classifier", "--dataset", dataset, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.realdata
def test_the_bundled_classifier_of_fashion_mnist_is_right_nine_times_in_ten():
    try:
        fashion = load_dataset("fashion-mnist", offline=True)
    except FmdiagError as error:
        pytest.skip(f"Debian package dataset-fashion-mnist: {error}")
    feature = find_classifier(fashion)
    assert feature.content["dataset"]["fingerprint"] == fashion.fingerprint
    found = accuracy(feature.module, fashion.held_out)
    # Another machine's roundoff may move a few of 10 000 images.
    assert found >= 0.90 and found == pytest.approx(feature.content["accuracy"], abs=2e-3)


def test_the_registry_has_it_where_there_is_one(digits_classifier, tmp_path, monkeypatch):
    from shutil import copytree

    from fmdiag.features import load_feature
    from fmdiag.features.classifier import classifiers_folder

    digits = load_dataset("digits")
    with pytest.raises(FmdiagError, match="fmdiag classifier"):
        load_feature("classifier", training_set=digits, data_root=tmp_path)
    copytree(digits_classifier, classifiers_folder(tmp_path))
    feature = load_feature("classifier", training_set=digits, data_root=tmp_path)
    expected = find_classifier(digits, digits_classifier)
    assert torch.equal(feature(digits[:5]), expected(digits[:5])) and feature.weights == expected.key


def test_the_page_of_a_study_names_its_feature(digits_classifier, capsys):
    assert run(["classifier", "--help"]) == 0
    assert "fmdiag classifier --dataset mnist" in capsys.readouterr().out
    description = find_classifier(load_dataset("digits"), digits_classifier).describe()
    assert json.dumps(description) and description["dim"] == 128 and description["epochs"] == 12
