"""Pixels and principal components against closed forms: flattening, and scikit-learn's decomposition."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from fmdiag import load_dataset
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature, pca


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_pixels_are_the_image_itself(digits):
    feature = load_feature("pixels", training_set=digits)
    assert torch.equal(feature(digits[:7]), digits[:7].reshape(7, 64))
    assert feature.identity and feature.dim == 64


def test_pca_is_that_of_scikit_learn(digits):
    feature = load_feature("pca", training_set=digits, n_components=20)
    rows = digits[:].reshape(digits.n, -1).double().numpy()
    oracle = PCA(20, svd_solver="full").fit(rows)
    held_out = digits.held_out[:50]
    ours = feature(held_out).numpy()
    theirs = oracle.transform(held_out.reshape(50, -1).double().numpy())
    signs = np.sign((ours * theirs).sum(0))
    # Vectors are float32 numbers of size at most 8: rounding is 5e-7.
    np.testing.assert_allclose(ours * signs, theirs, atol=5e-7 * 8)
    assert feature.describe()["explained_variance"] == pytest.approx(oracle.explained_variance_ratio_.sum(), abs=1e-6)
    assert feature.dim == 20 and feature.describe()["transform"]["fitted_on"] == digits.fingerprint


def test_all_components_keep_every_distance(digits):
    feature = load_feature("pca", training_set=digits)
    x = digits[:40].reshape(40, -1).double()
    vectors = feature(digits[:40]).double()
    np.testing.assert_allclose(torch.cdist(vectors, vectors), torch.cdist(x, x), atol=1e-5)
    assert feature.describe()["explained_variance"] == pytest.approx(1, abs=1e-6)


def test_mirror_images_are_rows_of_the_fit():
    rows = np.random.default_rng(0).normal(size=(30, 1, 4, 5)).astype(np.float32)
    both = np.concatenate([rows, rows[..., ::-1]])
    mean, directions, variances, total = pca.fit(TrainingSet(rows).with_hflip(), 6)
    oracle = PCA(6, svd_solver="full").fit(both.reshape(60, 20).astype(float))
    np.testing.assert_allclose(mean, oracle.mean_, atol=1e-12)
    np.testing.assert_allclose(np.abs((directions.T * oracle.components_).sum(1)), 1, rtol=1e-9)
    np.testing.assert_allclose(variances * 60 / 59, oracle.explained_variance_, rtol=1e-10)
    assert total == pytest.approx(both.reshape(60, 20).astype(float).var(0).sum(), rel=1e-10)


def test_blocks_change_nothing_but_rounding(digits, monkeypatch):
    whole = pca.fit(digits, 10)
    monkeypatch.setattr(pca, "BLOCK_BYTES", 8 * 64 * 37)
    parts = pca.fit(digits, 10)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_power_iteration_finds_the_same_directions(digits, monkeypatch):
    """Its error in a direction is about the square root of what a variance has settled to, 1e-7."""
    exact = pca.fit(digits, 8)
    monkeypatch.setattr(pca, "LARGEST_COVARIANCE", 10)
    passes = pca.fit(digits, 8)
    np.testing.assert_allclose(passes[2], exact[2], rtol=1e-6)
    np.testing.assert_allclose(passes[1], exact[1], atol=1e-3)
    assert passes[3] == pytest.approx(exact[3], rel=1e-10)


def test_constant_rows_have_nothing_to_explain():
    feature = load_feature("pca", training_set=TrainingSet(np.ones((5, 3), np.float32)))
    assert feature.describe()["explained_variance"] == 1 and (feature(torch.ones(2, 3)).numpy() == 0).all()


def test_keys_follow_content_not_names(digits):
    ten = load_feature("pca", training_set=digits, n_components=10)
    again = load_feature("pca", training_set=load_dataset("digits"), n_components=10)
    others = [load_feature("pca", training_set=digits, n_components=9), load_feature("pixels"),
              load_feature("pca", training_set=digits.with_hflip(), n_components=10),
              load_feature("pca", training_set=digits.subset(700), n_components=10)]
    assert ten.key == again.key and len({ten.key, *(other.key for other in others)}) == 5


@pytest.mark.parametrize(("arguments", "message"), [
    (("pixle", {}), "unknown feature 'pixle': did you mean 'pixels'"),
    (("pca", {}), "fitted on the training examples"),
    (("pca", {"n_components": 65, "training_set": "digits"}), r"n_components must be in \[1, 64\].*got 65"),
    (("pixels", {"size": 4}), "feature pixels takes no size"),
    (("pca", {"weights": "x.pt"}), "feature pca takes no weights"),
    (("sscd", {"training_set": "two-moons"}), r"needs pictures.*shape \(2,\).*only pixels and pca"),
])
def test_wrong_choices_are_named(arguments, message):
    name, options = arguments
    if "training_set" in options:
        options = options | {"training_set": load_dataset(options["training_set"], n=100 if "two" in options[
            "training_set"] else None)}
    with pytest.raises(FmdiagError, match=message):
        load_feature(name, **options)
