"""Sixty containers, each with code in it that makes the empty file `marker` when it runs, and nothing else."""

import bz2
import functools
import gzip
import io
import json
import lzma
import pickle
import tarfile
import warnings
import zipfile

import numpy as np
import torch

from checks.hostile.program_files import PROGRAM_FILES, Marks, exported, torchscript

STATE = {"weight": torch.zeros(2, 2), "bias": torch.zeros(2)}
NET = """import os, torch
os.mknod({marker!r})
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
    def forward(self, x, t):
        return -x
"""


def pickled(marker, protocol=4):
    return pickle.dumps({"model": STATE, "ema": Marks(marker)}, protocol)


def spelt_out(marker, form):
    """Return a pickle that calls os.mknod by an opcode that pickle.dumps does not write."""
    text = str(marker).encode()
    argument = b"V" + text + b"\n"
    return {"inst": b"(" + argument + b"iposix\nmknod\n.", "obj": b"(cposix\nmknod\n" + argument + b"o.",
            "reduce": b"cposix\nmknod\n(" + argument + b"tR.", "newobj": b"\x80\x02cposix\nmknod\n(" + argument + b"t\x81.",
            "stack global": b"\x80\x04\x8c\x05posix\x94\x8c\x05mknod\x94\x93(" + argument + b"tR.",
            "builtins exec": b"cbuiltins\nexec\n(V__import__('os').mknod('" + text + b"')\ntR.",
            "memoised": b"\x80\x04\x8c\x05posixq\x00\x8c\x05mknodq\x01h\x00h\x01\x93(" + argument + b"tR."}[form]


def nested(marker):
    """Return a pickle that hands torch another one to load."""
    inner = io.BytesIO()
    torch.save(Marks(marker), inner)

    class Loads:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (inner.getvalue(),)

    return pickle.dumps({"ema": Loads()})


def partial_call(marker):
    import os

    class Calls:
        def __reduce__(self):
            return functools.partial(os.mknod, str(marker)), ()

    return pickle.dumps({"ema": Calls()})


def saved(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def zipped(members, compression=zipfile.ZIP_STORED, prefix=b""):
    stream = io.BytesIO(prefix)
    stream.seek(0, 2)
    with zipfile.ZipFile(stream, "a", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(members, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def arrays(marker, archive):
    stream, objects = io.BytesIO(), np.array([Marks(marker)] * 4, dtype=object)
    np.savez(stream, x=objects) if archive else np.save(stream, objects)
    return stream.getvalue()


def safetensors(marker, *, metadata=None, name="weight"):
    from safetensors.numpy import save

    return save({name: np.zeros((4, 3), np.float32)}, metadata=metadata)


def parquet(marker, extension):
    import pyarrow as pa
    import pyarrow.parquet as pq

    code = pickle.dumps(Marks(marker))
    field = pa.field("image", pa.binary(), metadata={"ARROW:extension:name": "arrow.py_extension_type",
                                                      "ARROW:extension:metadata": code} if extension else None)
    table = pa.table([pa.array([b"x"] * 4)], schema=pa.schema([field], metadata=None if extension else {
        "pandas": code, "huggingface": json.dumps({"info": {"features": {"image": {"_type": "os.mknod"}}}})}))
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def data_files(marker):
    """Return {name with suffix: content} of the containers that are one file of bytes."""
    joined = zipped({"archive/data.pkl": pickled(marker), "archive/version": b"3\n", "archive/byteorder": b"little"})
    found = {f"pickle protocol {k}.pkl": pickled(marker, k) for k in range(6)}
    found |= {f"pickle {form}.pt": spelt_out(marker, form) for form in (
        "inst", "obj", "reduce", "newobj", "stack global", "builtins exec", "memoised")}
    found |= {
        "pickle in a pickle.pt": nested(marker), "pickle of a partial.pt": partial_call(marker),
        "pickle as safetensors.safetensors": pickled(marker), "pickle as npy.npy": pickled(marker),
        "pickle as png.png": pickled(marker), "pickle as json.json": pickled(marker, 0),
        "pickle gzip.pkl.gz": gzip.compress(pickled(marker)), "pickle bzip2.pkl.bz2": bz2.compress(pickled(marker)),
        "pickle xz.pkl.xz": lzma.compress(pickled(marker)),
        "torch new.pt": saved({"model": STATE, "ema": Marks(marker)}),
        "torch old.pth": saved({"model": STATE, "ema": Marks(marker)}, _use_new_zipfile_serialization=False),
        "torch beside state.ckpt": saved({"state_dict": STATE, "hyper_parameters": Marks(marker)}),
        "torch namespaces.pt": saved({"model": STATE, "args": {"a": [Marks(marker)]}}),
        "torch native.pt": saved({"format": "fmdiag-checkpoint", "version": 1, "ema": STATE, "path": Marks(marker)}),
        "torch data.pt": saved(Marks(marker)), "torch zip by hand.pt": joined,
        "torch zip deflated.pt": zipped({"a/data.pkl": pickled(marker)}, zipfile.ZIP_DEFLATED),
        "torch zip after text.pt": zipped({"a/data.pkl": pickled(marker)}, prefix=b"text" * 40),
        "torch tar.pt": tarred({"sys_info": pickle.dumps({}), "pickle": pickled(marker), "storages": pickled(marker),
                                "tensors": pickled(marker)}),
        "zip in zip.pt": zipped({"a/data.pkl": zipped({"a/data.pkl": pickled(marker)})}),
        "npy objects.npy": arrays(marker, False), "npz objects.npz": arrays(marker, True),
        "npz pickle member.npz": zipped({"x.npy": pickled(marker)}),
        "safetensors metadata.safetensors": safetensors(marker, metadata={"__reduce__": repr(pickled(marker))}),
        "safetensors name.safetensors": safetensors(marker, name=f"__import__('os').mknod('{marker}')"),
        "parquet metadata.parquet": parquet(marker, False), "parquet extension.parquet": parquet(marker, True),
        "tar of pickles.tar": tarred({"a.pkl": pickled(marker), "b.pt": saved(Marks(marker)), "c.npy": arrays(marker, 0)}),
        "tar gzip of pickles.tar.gz": tarred({"a/x.npy": arrays(marker, False)}, "w:gz"),
        "classifier.pt": saved({"format": "fmdiag-classifier", "version": 1, "weights": Marks(marker)}),
        "joblib.joblib": pickled(marker, 5) + b"\x80\x05]."}
    return found


def write_folders(folder, marker):
    """Write the containers that are folders, or cards beside a checkpoint; yield (name, path, is_card)."""
    code = pickle.dumps(Marks(marker))
    own = folder / "beside"
    own.mkdir()
    torch.save({"a": torch.zeros(1)}, own / "their.pt")
    (own / "net.py").write_text(NET.format(marker=str(marker)))
    cards = {"card file": 'factory = "net.py:Net"', "card module": 'factory = "net:Net"', "card os": 'factory = "os:mknod"',
             "card exec": 'factory = "builtins:exec"', "card torch.load": 'factory = "torch:load"\n[arguments]\n'
             f'f = "{folder / "torch_data.pt"}"\nweights_only = false'}
    for name, text in cards.items():
        (own / f"{name.replace(' ', '_')}.toml").write_text(text + "\n")
        yield name, own / f"{name.replace(' ', '_')}.toml", True
    (own / "tags.yaml").write_text(f"family: !!python/object/apply:os.mknod ['{marker}']\n")
    yield "card YAML tags", own / "tags.yaml", True
    yield "checkpoint beside a card", own / "their.pt", False
    diffusers = folder / "diffusers_bin"
    diffusers.mkdir()
    (diffusers / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel", "auto_map": {
        "AutoModel": "net.Net"}, "sample_size": 8}))
    (diffusers / "net.py").write_text(NET.format(marker=str(marker)))
    (diffusers / "diffusion_pytorch_model.bin").write_bytes(code)
    yield "diffusers folder", diffusers, False
    cifar = folder / "cifar"
    cifar.mkdir()
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"):
        (cifar / name).write_bytes(code)
    yield "CIFAR batches", cifar, False
    vision = folder / "dinov2"
    vision.mkdir()
    (vision / "config.json").write_text(json.dumps({"model_type": "dinov2", "auto_map": {"AutoModel": "net.Net"}}))
    (vision / "pytorch_model.bin").write_bytes(code)
    yield "DINOv2 folder", vision, False


def write_containers(folder, marker):
    """Write every container; yield (name, path, is_card)."""
    for name, content in data_files(marker).items():
        path = folder / name.replace(" ", "_")
        path.write_bytes(content)
        yield name.partition(".")[0], path, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (suffix, make) in PROGRAM_FILES.items():
            path = folder / f"{name.replace(' ', '_').replace('.', '_')}{suffix}"
            make(path, marker)
            yield name, path, False
        for suffix in ("safetensors", "png"):
            torchscript(folder / f"named.{suffix}", marker)
            yield f"torchscript as {suffix}", folder / f"named.{suffix}", False
        (folder / "after.pt").write_bytes(b"text" * 40 + (folder / "torchscript.pt").read_bytes())
        yield "torchscript after text", folder / "after.pt", False
        exported(folder / "plain.png")
        yield "torch.export as png", folder / "plain.png", False
    yield from write_folders(folder, marker)
