"""Networks of pictures: files of the published layouts against direct calls and closed forms."""

import numpy as np
import pytest
import torch
from made import AsSSCD, CalledAsInception, Mean, mean_as_onnx, pictures, script, tiny_dinov2
from torch import nn

from fmdiag import load_dataset
from fmdiag.datasets import TrainingSet
from fmdiag.errors import FmdiagError
from fmdiag.features import load_feature

pytestmark = pytest.mark.filterwarnings("ignore:.*runs the code:fmdiag.errors.FmdiagWarning")  # programs

IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])


def channel_means(training_set):
    """Return the pictures' means per channel in [0, 1], float64."""
    return training_set.rows.astype(float).mean((2, 3)) / 255


def test_torchscript_inception_gets_eight_bits_and_is_asked_for_features(tmp_path):
    images = pictures()
    file = script(CalledAsInception(), tmp_path / "inception-2015-12-05.pt")
    feature = load_feature("inception", trust_code=True, weights=file, training_set=images)
    vectors = feature(images[:])
    assert vectors.shape == (6, 2048) and feature.dim == 2048
    np.testing.assert_allclose(vectors[:, :3], 255 * channel_means(images), rtol=1e-6)
    outside = feature(images[:] * 1.5)  # beyond black and white: clipped
    np.testing.assert_allclose(outside[:, :3], np.clip(
        np.round((images[:].numpy() * 1.5 + 1) * 127.5), 0, 255).mean((2, 3)), rtol=1e-6)


def test_dinov2_is_what_transformers_computes(tmp_path):
    from transformers import Dinov2Model

    folder, images = tiny_dinov2(tmp_path / "vit"), pictures(n=3, side=224)
    feature = load_feature("dinov2", weights=folder, training_set=images)
    pixels = (images.rows / 255 - IMAGENET[0][:, None, None]) / IMAGENET[1][:, None, None]
    with torch.no_grad():
        expected = Dinov2Model.from_pretrained(folder).eval()(torch.from_numpy(pixels).float()).last_hidden_state[:, 0]
    np.testing.assert_allclose(feature(images[:]), expected, atol=1e-5)
    assert feature.dim == 24 and feature.describe()["network"] == "24/14"


def test_pictures_are_resized_as_pillow_does():
    """Pillow rounds to whole numbers after either pass: half a level twice, the first enlarged by the second's weights
    (their absolute sum is below 1.3). Greys in the middle leave nothing to clip."""
    from PIL import Image

    from fmdiag.features.preparation import Preparation

    images = pictures(n=2, side=301)
    images.rows[:] = 100 + images.rows // 5
    resample = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    for mode, filter_ in resample.items():
        for side in (224, 320):
            ours = Preparation(size=side, interpolation=mode, normalisation="unit")(images[:]) * 255
            for picture, row in zip(ours, images.rows, strict=True):
                theirs = np.asarray(Image.fromarray(row.transpose(1, 2, 0)).resize((side, side), filter_))
                assert np.abs(picture.numpy().transpose(1, 2, 0) - theirs).max() <= 1.2


@pytest.mark.parametrize(("normalisation", "expected"), [
    ("unit", lambda m: m), ("symmetric", lambda m: 2 * m - 1), ("uint8", lambda m: 255 * m),
    ("imagenet", lambda m: (m - IMAGENET[0]) / IMAGENET[1]), (None, lambda m: 2 * m - 1)])
def test_normalisations(tmp_path, normalisation, expected):
    images = pictures()
    feature = load_feature("torchscript", trust_code=True, weights=script(Mean(), tmp_path / "mean.pt"),
                           training_set=images, normalisation=normalisation)
    np.testing.assert_allclose(feature(images[:]), expected(channel_means(images)), rtol=2e-5, atol=2e-6)


def test_grey_pictures_of_any_declared_range_become_three_channels(tmp_path):
    digits = load_dataset("digits")
    file = script(Mean(), tmp_path / "mean.pt")
    means = digits.rows[:9].astype(float).mean((2, 3)) / 16
    feature = load_feature("torchscript", trust_code=True, weights=file, training_set=digits, normalisation="unit")
    # Sixteen grey levels are rounded to 8 bits: at most 0.5/255 off.
    np.testing.assert_allclose(feature(digits[:9]), np.repeat(means, 3, 1), atol=0.5 / 255 + 1e-6)
    declared = TrainingSet(np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8), divisor=0.5, shift=-1.0)
    feature = load_feature("torchscript", trust_code=True, weights=file, training_set=declared, normalisation="unit")
    np.testing.assert_allclose(feature(declared[:]), [[0.5] * 3], atol=1 / 255)
    undeclared = TrainingSet(np.full((2, 1, 8, 8), 7, np.float32), name="latents")
    with pytest.raises(FmdiagError, match="latents: rows from 7 to 7 have no declared black and white"):
        load_feature("torchscript", trust_code=True, weights=file, training_set=undeclared, normalisation="unit")


def test_sscd_is_normalised_and_sees_288_pixels(tmp_path):
    images = pictures(channels=1)
    feature = load_feature("sscd", trust_code=True, weights=script(AsSSCD(), tmp_path / "sscd.pt"), training_set=images)
    vectors = feature(images[:])
    assert vectors.shape == (6, 512)
    np.testing.assert_allclose(vectors.norm(dim=1), 1, rtol=1e-6)


@pytest.mark.parametrize("batch", [4, "n"])
def test_onnx_of_a_fixed_batch_or_of_any(tmp_path, batch):
    images = pictures()
    feature = load_feature("onnx", weights=mean_as_onnx(tmp_path / "mean.onnx", batch), training_set=images,
                           normalisation="unit", size=10)
    bare = load_feature("onnx", weights=tmp_path / "mean.onnx", training_set=images, normalisation="unit")
    np.testing.assert_allclose(bare(images[:]), channel_means(images), rtol=1e-5)
    np.testing.assert_allclose(feature(images[:]), channel_means(images), atol=0.05)


def test_exported_programs(tmp_path):
    images = pictures()
    batch = torch.export.Dim("b", min=1)
    torch.export.save(torch.export.export(Mean(), (images[:2],), dynamic_shapes={"x": {0: batch}}),
                      tmp_path / "mean.pt2")
    feature = load_feature("torchscript", trust_code=True, weights=tmp_path / "mean.pt2", training_set=images)
    np.testing.assert_allclose(feature(images[:5]), 2 * channel_means(images)[:5] - 1, rtol=2e-5, atol=2e-6)


def test_keys_follow_weights_and_transform_not_file_names(tmp_path):
    images = pictures()
    first, second = (script(nn.Sequential(nn.Flatten(), nn.Linear(1200, 2)), tmp_path / f"{k}.pt") for k in "ab")
    key = load_feature("torchscript", trust_code=True, weights=first, training_set=images).key
    renamed = tmp_path / "elsewhere.pt"
    renamed.write_bytes(first.read_bytes())
    assert load_feature("torchscript", trust_code=True, weights=renamed, training_set=images).key == key
    assert load_feature("torchscript", trust_code=True, weights=second, training_set=images).key != key
    assert load_feature("torchscript", trust_code=True, weights=first, training_set=images, size=20).key != key
    first.write_bytes(second.read_bytes())  # other weights under the name of the first
    assert load_feature("torchscript", trust_code=True, weights=first, training_set=images).key != key


@pytest.mark.parametrize(("name", "content", "message"), [
    ("sscd", None, "feature sscd: .*missing: no such file"),
    ("sscd", {"a": torch.zeros(1)}, "no TorchScript file; expected one as sscd_disc_mixup.torchscript.pt"),
    ("torchscript", {"a": torch.zeros(1)}, "neither a TorchScript nor a torch.export file"),
    ("inception", {"a": torch.zeros(1)}, r"not the FID network: tensor .* \(\d+ are\); expected pt_inception-2015"),
    ("onnx", b"text", "onnxruntime cannot run this file"),
    ("dinov2", {"a": torch.zeros(1)}, "not a folder with config.json and model.safetensors"),
])
def test_wrong_weights_are_named(tmp_path, name, content, message):
    file = tmp_path / "missing" if content is None else tmp_path / "weights.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(FmdiagError, match=message):
        load_feature(name, weights=file, training_set=pictures())


def test_other_configurations_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(FmdiagError, match="'vit' network; give that of a dinov2"):
        load_feature("dinov2", weights=tmp_path, training_set=pictures())


def test_a_network_that_does_not_fit_is_one_line(tmp_path):
    file = script(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), tmp_path / "seven.pt")
    with pytest.raises(FmdiagError, match=r"fails on images of shape \(3, 20, 20\) \(.*cannot be multiplied"):
        load_feature("torchscript", trust_code=True, weights=file, training_set=pictures())(pictures()[:])


@pytest.mark.parametrize(("name", "file"), [
    ("inception", "weights/pt_inception-2015-12-05-6726825d.pth"), ("sscd", "weights/sscd_disc_mixup.torchscript.pt"),
    ("dinov2", "weights/dinov2-large/config.json")])
def test_the_offline_message_names_file_and_place(tmp_path, name, file):
    with pytest.raises(FmdiagError) as error:
        load_feature(name, training_set=pictures(), data_root=tmp_path, offline=True)
    assert f"place it at {tmp_path / file}" in str(error.value)
    assert f"--feature-weights {name}=PATH" in str(error.value) and "\n" not in str(error.value)


def test_weights_placed_below_the_data_root_are_found(tmp_path):
    (tmp_path / "weights").mkdir()
    script(AsSSCD(), tmp_path / "weights" / "sscd_disc_mixup.torchscript.pt")
    assert load_feature("sscd", training_set=pictures(), data_root=tmp_path, offline=True, trust_code=True).dim == 512


def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "pt_inception-2015-12-05-6726825d.pth").write_bytes(b"else")
    with pytest.raises(FmdiagError, match="SHA-256 does not begin with 6726825d"):
        load_feature("inception", training_set=pictures(), data_root=tmp_path, offline=True)


def test_fault_5_2_nothing_but_tensors_of_a_dinov2_folder_is_read(tmp_path):
    import json
    import pickle

    class RunsCode:
        def __reduce__(self):
            return (tmp_path / "ran").mkdir, ()

    whole, folder = tiny_dinov2(tmp_path / "vit"), tmp_path / "their"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(RunsCode()))
    config = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attn_implementation": "somebody/kernels"}))
    with pytest.raises(FmdiagError, match="has no model.safetensors"):
        load_feature("dinov2", weights=folder, training_set=pictures())
    (folder / "model.safetensors").write_bytes((whole / "model.safetensors").read_bytes())
    expected = load_feature("dinov2", weights=whole, training_set=pictures())(pictures()[:2])
    found = load_feature("dinov2", weights=folder, training_set=pictures())(pictures()[:2])
    assert torch.equal(found, expected) and not (tmp_path / "ran").exists()
    for wrong in ({"num_hidden_layers": 10**9}, {"hidden_size": 10**9}, {"hidden_act": "os.system"}, {"patch_size": 0}):
        (folder / "config.json").write_text(json.dumps({**config, **wrong}))
        with pytest.raises(FmdiagError, match="their"):
            load_feature("dinov2", weights=folder, training_set=pictures())
