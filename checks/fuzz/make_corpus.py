"""Write the valid small files that fuzzing starts from: ``python -m checks.fuzz.make_corpus``. They are committed."""

import gzip
import io
import json
import pickle
import shutil
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save_file

from fmdiag.checkpoints import save_checkpoint
from fmdiag.fields import build_network

CORPUS = Path(__file__).parent / "corpus"
ROWS = np.arange(32, dtype=np.uint8).reshape(2, 4, 4) * 8
FLOATS = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
FORMATS = ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm", "tga", "ico", "pcx", "dds", "jpeg2000", "sgi", "icns")


def picture(kind="png", mode="L"):
    stream = io.BytesIO()
    Image.fromarray(ROWS[0]).convert(mode).resize((16, 16) if kind in ("ico", "icns") else (4, 4)).save(stream, kind)
    return _smallest_icon(stream.getvalue()) if kind == "icns" else stream.getvalue()


def _smallest_icon(data):
    """Return an icns of one of Pillow's sizes only: the largest would take most of the fuzzer's time."""
    start = data.rindex(b"ic11")
    block = data[start : start + int.from_bytes(data[start + 4 : start + 8], "big")]
    return b"icns" + (8 + len(block)).to_bytes(4, "big") + block


def folder(name):
    path = CORPUS / name
    path.mkdir(parents=True)
    return path


def arrays():
    np.save(folder("npy") / "pictures.npy", ROWS)
    np.save(CORPUS / "npy" / "points.npy", FLOATS)
    np.savez(folder("npz") / "stored.npz", images=ROWS, labels=np.arange(2))
    np.savez_compressed(CORPUS / "npz" / "deflated.npz", train=FLOATS, test=FLOATS[:2])
    torch.save(torch.from_numpy(FLOATS), folder("pt") / "tensor.pt")
    torch.save({"x": torch.from_numpy(FLOATS), "y": torch.arange(4)}, CORPUS / "pt" / "dict.pt")
    torch.save((torch.from_numpy(ROWS), torch.arange(2)), CORPUS / "pt" / "old.pt", _use_new_zipfile_serialization=False)
    save_file({"train_x": torch.from_numpy(FLOATS), "test_x": torch.from_numpy(FLOATS[:2].copy())},
              folder("safetensors") / "parts.safetensors")
    header = b"\x00\x00\x08\x03" + np.array(ROWS.shape, ">u4").tobytes()
    (folder("idx") / "pictures.idx").write_bytes(header + ROWS.tobytes())
    (CORPUS / "idx" / "floats.idx").write_bytes(b"\x00\x00\x0d\x02" + np.array([4, 2], ">u4").tobytes()
                                                + FLOATS.astype(">f4").tobytes())
    (folder("idx_gz") / "pictures.gz").write_bytes(gzip.compress(header + ROWS.tobytes(), mtime=0))


def pictures():
    folder("picture")
    for kind in FORMATS:
        for mode in ("L", "RGB", "P") if kind in ("png", "gif", "tiff") else ("RGB",):
            (CORPUS / "picture" / f"{kind}-{mode}").write_bytes(picture(kind, mode))
    values = {"image": [{"bytes": picture(), "path": "a"}] * 2, "label": [0, 1]}
    pq.write_table(pa.table(values), folder("parquet") / "hub.parquet", compression="none")
    pq.write_table(pa.table({"png": [picture()] * 2}), CORPUS / "parquet" / "binary.parquet", compression="snappy",
                   write_statistics=False, store_schema=False)
    batch = {b"data": np.zeros((1, 3072), np.uint8), b"labels": [3]}
    for protocol in (2, 4):
        (CORPUS / "cifar").mkdir(exist_ok=True)
        (CORPUS / "cifar" / f"protocol-{protocol}").write_bytes(pickle.dumps(batch, protocol=protocol))


def archives():
    stream = io.BytesIO()
    np.save(stream, ROWS)
    # Arrays, not pictures: what is fuzzed here is unpacking, and pictures are decoded in a pool of threads.
    members = {"top/train.npy": stream.getvalue(), "top/test.npy": stream.getvalue()}
    import zipfile

    with zipfile.ZipFile(folder("zip") / "pictures.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    for name, mode in (("tar/pictures.tar", "w"), ("tar_gz/pictures.tar.gz", "w:gz")):
        (CORPUS / name).parent.mkdir()
        with tarfile.open(CORPUS / name, mode) as archive:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


class Program(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(2))

    def forward(self, x, t):
        return x * self.scale


def checkpoints():
    spec = {"name": "mlp", "shape": [2], "width": 1, "depth": 1}
    torch.manual_seed(0)
    weights = build_network(spec).state_dict()
    content = {"network": spec, "path": {"name": "linear"}, "dataset": {"source": "two-moons", "n": 4}, "ema": weights,
               "loss": "cfm", "seed": 0, "steps": 3, "training": {"lr": 1e-3}}
    save_checkpoint(content, folder("native") / "mlp.pt", dtype=torch.float16)
    state = Program().state_dict()
    torch.save({"ema": state, "step": 3}, folder("foreign") / "ema.pt")
    torch.save({"net_model": state, "ema_model": state, "step": 3}, CORPUS / "foreign" / "torchcfm.pt")
    torch.save({"model": state, "ema": {"shadow_params": [torch.ones(2)], "decay": 0.9}, "optimizer": {}, "step": 1},
               CORPUS / "foreign" / "rectified.pth", _use_new_zipfile_serialization=False)
    torch.save({"blocks.0.attn.qkv.weight": torch.ones(3, 1), "x_embedder.proj.weight": torch.ones(1, 1, 2, 2)},
               CORPUS / "foreign" / "dit.pt")
    save_file(state, folder("foreign_safetensors") / "weights.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Program()).save(str(folder("torchscript") / "program.pt"))
        exported = torch.export.export(Program(), (torch.ones(2, 2), torch.ones(2)))
        torch.export.save(exported, str(folder("pt2") / "program.pt2"))
    (folder("edm") / "network.pkl").write_bytes(pickle.dumps({"ema": [1.0, {"a": (2, None)}]}))
    cards()
    diffusers()


def cards():
    values = {"family": "module", "weights_key": "ema", "weights": "ema", "call": "x, t, y", "class_label": 1,
              "guidance": 1.5, "heads": 2, "n_classes": 3, "null_label": 2, "coupling": "ot"}
    convention = {"parameterisation": "velocity", "time_direction": "noise-to-data", "time_scale": 1.0, "path": "linear"}
    other = {"parameterisation": "epsilon", "sigma_min": 0.1, "sigma_max": 80.0, "alphas_cumprod": [0.9, 0.5, 0.1]}
    data = {"shape": [2], "range": [-1, 1], "hflip": False}
    for kind in ("toml", "yaml"):
        folder(f"card_{kind}")
        for name, table in (("linear", convention), ("schedule", other)):
            text = _toml(values, table, data) if kind == "toml" else _yaml(values, table, data)
            (CORPUS / f"card_{kind}" / f"{name}.{kind}").write_text(text)


def _toml(values, convention, data):
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    lines += ["[convention]", *(f"{key} = {json.dumps(value)}" for key, value in convention.items())]
    return "\n".join([*lines, "[data]", *(f"{key} = {json.dumps(value)}" for key, value in data.items())]) + "\n"


def _yaml(values, convention, data):
    import yaml

    return yaml.safe_dump({**values, "convention": convention, "data": data}, sort_keys=False)


def diffusers():
    from diffusers import DDPMScheduler, UNet2DModel

    network = UNet2DModel(sample_size=4, in_channels=1, out_channels=1, block_out_channels=(4,), layers_per_block=1,
                          norm_num_groups=1, down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",))
    network.half().save_pretrained(CORPUS / "diffusers" / "unet")
    DDPMScheduler().save_pretrained(CORPUS / "diffusers" / "scheduler")


if __name__ == "__main__":
    shutil.rmtree(CORPUS, ignore_errors=True)
    for make in (arrays, pictures, archives, checkpoints):
        make()
    for path in sorted(CORPUS.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:7d} {path.relative_to(CORPUS)}")
