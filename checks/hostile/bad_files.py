"""Files and folders that no command can use, a few dozen kinds for every role that a file may have."""

import argparse
import gzip
import io
import json
import os
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

CORPUS = Path(__file__).parents[1] / "fuzz/corpus"
STARTS = {"pdf": b"%PDF-1.7\n", "elf": b"\x7fELF\x02\x01\x01", "png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff\xe0", "zip": b"PK\x03\x04",
          "gz": b"\x1f\x8b\x08", "xz": b"\xfd7zXZ\x00", "bz2": b"BZh9", "npy": b"\x93NUMPY\x01\x00", "parquet": b"PAR1",
          "h5": b"\x89HDF\r\n\x1a\n", "sqlite": b"SQLite format 3\x00", "pkl": b"\x80\x04\x95", "webp": b"RIFF\x00\x01\x00\x00WEBP",
          "safetensors": (99).to_bytes(8, "little") + b"{", "onnx": b"\x08\x07\x12", "tar": b"a.npy" + b"\0" * 95, "gif": b"GIF89a"}
SUFFIXES = ("pt", "pth", "ckpt", "bin", "safetensors", "npy", "npz", "parquet", "png", "tar", "tar.gz", "zip", "pkl", "toml", "json", "", "idx",
            "onnx", "pt2", "gz", "tgz", "msgpack", "h5", "txt")


class RunsCode:
    """Pickled as a call of os.system."""

    def __reduce__(self):
        return os.system, ("true",)


def noise(rng, path):
    path.write_bytes(rng.randbytes(rng.choice((1, 7, 100, 5000))))


def started(rng, path):
    path.write_bytes(STARTS[rng.choice(list(STARTS))] + rng.randbytes(rng.choice((0, 10, 3000))))


def empty(rng, path):
    path.touch()


def zeros(rng, path):
    path.write_bytes(bytes(rng.choice((1, 512, 10240))))


def text(rng, path):
    path.write_text(rng.choice(("hello\n", "<html><body>404</body></html>", "a,b\n1,2\n", "{", "[]", "null", "version https://git-lfs.github.com/spec/v1\n"
                                "oid sha256:00\nsize 1\n", "\x1b[31mred", "key = [", "é" * 50, "9" * 400)), encoding="utf-8")


def cut(rng, path):
    files = [file for file in sorted(CORPUS.rglob("*")) if file.is_file() and file.stat().st_size > 40
             and file.suffix not in (".toml", ".yaml", ".json")]
    data = rng.choice(files).read_bytes()
    path.write_bytes(data[: int(len(data) * rng.uniform(0.02, 0.3))])


def code(rng, path):
    if rng.random() < 0.5:
        path.write_bytes(pickle.dumps(RunsCode(), protocol=rng.choice((0, 2, 4, 5))))
    else:
        torch.save({"model": RunsCode()}, path)


def value(rng, path):
    torch.save(rng.choice((1, "x", None, [1, 2], (), {}, {"a": 1}, {"model": {}}, {"state_dict": 3}, {1: {2: 3}}, [torch.zeros(2)],
                           {"ema": None}, argparse.Namespace(a=1), {"ema": torch.zeros(2)}, {"shadow_params": [torch.zeros(2)]})), path)


def state(rng, path):
    tensors = {rng.choice(("a", "layer.weight", "blocks.0.attn.qkv.weight", "module.x")) + str(k): torch.zeros(2, k + 1) for k in range(3)}
    content = rng.choice((tensors, {"model": tensors}, {"state_dict": tensors}, {"net_model": tensors, "ema_model": tensors},
                          {"model": tensors, "ema": {"shadow_params": list(tensors.values())}}, {"params": [tensors]}))
    torch.save(content, path)


def safe(rng, path):
    save_file({f"w{k}": torch.zeros(1, k + 1) for k in range(3)}, path)


def objects(rng, path):
    stream = io.BytesIO()
    array = np.array([RunsCode(), {"a": 1}], dtype=object)
    np.save(stream, array) if rng.random() < 0.5 else np.savez(stream, x=array)
    path.write_bytes(stream.getvalue())


def archive(rng, path):
    kind = rng.choice(("zip", "tar", "gz"))
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("readme.txt", "hello")
    elif kind == "tar":
        with tarfile.open(path, "w") as made:
            made.addfile(tarfile.TarInfo("readme.txt"), io.BytesIO())
    else:
        path.write_bytes(gzip.compress(b"hello"))


def texts(rng, path):
    path.mkdir()
    (path / "a.txt").write_text("hello")
    if rng.random() < 0.5:
        (path / "sub").mkdir()
        (path / "sub" / "notes.md").write_text("# notes")


def configured(rng, path):
    path.mkdir()
    (path / rng.choice(("config.json", "model_index.json"))).write_text(rng.choice(("{", "[]", "3", "{}", json.dumps({"_class_name": "X"}),
                                                                                    json.dumps({"_class_name": ["a"]}), "null")))


def void(rng, path):
    path.mkdir()


def fifo(rng, path):
    os.mkfifo(path)


def dangling(rng, path):
    path.symlink_to("nowhere")


def device(rng, path):
    path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/dev/urandom")))


def missing(rng, path):
    """A path at which there is nothing."""


def numbers(rng, path):
    """Arrays that are no data set: complex, without rows, without coordinates, not finite, text."""
    array = rng.choice((np.zeros((3, 2), complex), np.zeros((0, 2)), np.zeros((3, 0)), np.full((3, 2), np.nan), np.array(["a", "b"]), np.zeros(()),
                        np.array([np.inf, 1.0])[:, None], np.zeros((2, 2), "datetime64[s]")))
    with open(path, "wb") as stream:
        np.save(stream, array)


def run_folder(rng, path):
    """A folder whose run.json is no run's."""
    path.mkdir()
    record = rng.choice(({}, [], 3, None, {"fmdiag": 1}, {"name": "report"}, {"fmdiag": "0.1.0", "name": [], "diagnostics": {}},
                         {"fmdiag": "0.1.0", "name": "error", "diagnostics": []}, {"fmdiag": "0.1.0", "name": "error", "diagnostics": {"error": 3}},
                         {"fmdiag": "0.1.0", "name": "error", "dataset": None, "diagnostics": {"error": {}}, "seed": "x"}))
    (path / "run.json").write_text(rng.choice(("{", json.dumps(record), json.dumps(record), json.dumps(record))))
    (path / "canaries.json").write_text(rng.choice(("{", "[]", "{}", "3", json.dumps({"canaries": 3}))))


def card(rng, path):
    path.write_text(rng.choice(("family = ", "family = 3", "no_such_key = 1", "[convention]\npath = 3", "[convention]\nx = 1", "[data]\nshape = 'x'",
                                "heads = 'two'", "[arguments", "guidance = 'a'", "class_label = -1.5", "family = 'nowhere'", "data = 3",
                                "[convention]\ntime_scale = -1", "[convention]\nalphas_cumprod = []", "[convention]\nparameterisation = 'x'")))


def training_folder(rng, path):
    """A folder that is no training run's, or whose state is damaged."""
    path.mkdir()
    (path / rng.choice(("run.json", "notes.txt", ".fmdiag.json"))).write_text(rng.choice(("{", "[]", "{}", "null")))
    if rng.random() < 0.8:
        rng.choice((noise, started, empty, zeros, text, cut, code, value, state, fifo, device, void))(rng, path / "state.pt")


COMMON = (noise, started, empty, zeros, text, cut, code, archive, fifo, dangling, device, missing)
KINDS = {
    "checkpoint": (*COMMON, value, state, safe, objects, numbers, texts, configured, void),
    "rows": (*COMMON, value, objects, numbers, texts, configured, void),
    "program": (*COMMON, value, objects, numbers, void),
    "card": (*(kind for kind in COMMON if kind is not empty), card, card, card, void),  # an empty card says nothing wrong
    "pairs": (*COMMON, value, objects, numbers, void),
    "run": (*COMMON, run_folder, run_folder, run_folder, texts, void),
    "training": (*COMMON, *(training_folder,) * 5, texts, void),
}


def make(role, number, folder):
    """Make bad file `number` of a role below `folder`, which must not exist, and return its path."""
    rng = random.Random(f"{role} {number}")
    kinds = KINDS[role]
    kind = kinds[number % len(kinds)]
    suffix = rng.choice(SUFFIXES) if role != "card" else rng.choice(("toml", "yaml", "toml", "toml"))
    folder.mkdir()
    path = folder / f"{kind.__name__}-{number}{'.' if suffix else ''}{suffix}"
    kind(rng, path)
    return path
