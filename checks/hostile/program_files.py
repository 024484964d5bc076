"""Files that hold programs: TorchScript, torch.export in the four ways in which it runs code, torch.package, ONNX.

Each makes the empty file `marker` when its code runs, and nothing else.
"""

import io
import json
import pickle
import shutil
import subprocess
import warnings
import zipfile

import torch


class Marks:
    """Pickled as a call that makes an empty file."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        import os

        return os.mknod, (self.marker,)


class Writes(torch.nn.Module):
    """Maps a file when it is loaded, shared with the disk."""

    def __init__(self, path: str):
        super().__init__()
        self.path, self.mapped = path, torch.zeros(8, dtype=torch.uint8)

    @torch.jit.export
    def __getstate__(self):
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path = state[0]
        self.training = state[1]
        self.mapped = torch.from_file(self.path, True, 8, dtype=torch.uint8)
        self.mapped.fill_(88)

    def forward(self, x: torch.Tensor, t: torch.Tensor):
        return -x


class Flow(torch.nn.Module):
    """A network that any export takes; its constant gives the archive a place for objects."""

    def __init__(self):
        super().__init__()
        self.c = torch.zeros(1)

    def forward(self, x, t):
        return -x + self.c


def torchscript(file, marker):
    """Write a TorchScript file whose __setstate__ writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Writes(str(marker))).save(str(file))


def exported(file):
    """Write a harmless torch.export file with a symbol in it."""
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(Flow(), (torch.zeros(2, 4), torch.zeros(2)), dynamic_shapes=({0: batch}, {0: batch}))
    torch.export.save(program, str(file))


def edited(file, changes, added=()):
    """Write a torch.export file, some members changed: {end of the name: function of the bytes}, some added."""
    stream = io.BytesIO()
    whole = file.with_name("whole.pt2")
    exported(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(stream, "w") as new:
        top = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            change = next((change for end, change in changes.items() if name.endswith(end)), lambda data: data)
            new.writestr(name, change(old.read(name)))
        for name, data in dict(added).items():
            new.writestr(f"{top}/{name}", data)
    whole.unlink()
    file.write_bytes(stream.getvalue())


def export_pickle(file, marker):
    """Write a pickle as a constant object."""
    def config(data):
        content = json.loads(data)
        content["config"]["evil"] = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True,
                                     "tensor_meta": None}
        return json.dumps(content)

    edited(file, {"model_constants_config.json": config}, {"data/constants/opaque_obj_0": pickle.dumps(Marks(marker))})


def export_expression(file, marker):
    """Write Python where a size's expression is parsed."""
    def model(data):
        return json.dumps(_replaced(json.loads(data), "expr_str", lambda text: f"__import__('os').mknod({str(marker)!r})"))

    edited(file, {"models/model.json": model})


def export_guards(file, marker):
    """Write Python where the guards of a call stand."""
    def model(data):
        return json.dumps({**json.loads(data), "guards_code": [f"__import__('os').mknod({str(marker)!r}) is None"]})

    edited(file, {"models/model.json": model})


def export_library(file, marker):
    """Write a shared library that runs when it is loaded; without a compiler, an empty one."""
    source, library = file.with_name("evil.c"), file.with_name("evil.so")
    source.write_text("#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void run(void) {"
                      f'close(open("{marker}", O_CREAT | O_WRONLY, 0644)); }}\n')
    if shutil.which("gcc"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    content = library.read_bytes() if library.is_file() else b""
    for leftover in (source, library):
        leftover.unlink(missing_ok=True)
    edited(file, {}, {"data/aotinductor/model/evil.wrapper.so": content,
                      "data/aotinductor/model/evil.wrapper_metadata.json": json.dumps({"AOTI_DEVICE_KEY": "cpu"})})


def package(file, marker):
    """Write a torch.package with a pickle."""
    from torch.package import PackageExporter

    with PackageExporter(str(file)) as exporter:
        exporter.extern("os")
        exporter.extern("posix")
        exporter.save_pickle("model", "model.pkl", Marks(marker))


def onnx_library(file, marker):
    """Write an ONNX model that needs a library of operators."""
    file.write_bytes(onnx_model([("Evil", "evil.ops")]))


def onnx_outside(file, marker):
    """Write an ONNX model whose weights are a file elsewhere."""
    file.write_bytes(onnx_model([("Add", "")], location="../../../../../../../../../../etc/hostname"))


def onnx_model(operators, location=None):
    """Return the bytes of an ONNX model of operators in a row, from a picture to a picture."""
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in "xy"]
    nodes = [helper.make_node(name, ["x", "w"] if location else ["x"], ["y"], domain=domain)
             for name, domain in operators]
    weights = []
    if location:
        weights = [helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])]
        weights[0].ClearField("float_data")
        weights[0].data_location = TensorProto.EXTERNAL
        weights[0].external_data.add(key="location", value=location)
    opsets = [helper.make_opsetid(domain, 17 if domain == "" else 1) for domain in {"", *(d for _, d in operators)}]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def _replaced(value, key, change):
    if isinstance(value, dict):
        return {name: change(inner) if name == key else _replaced(inner, key, change) for name, inner in value.items()}
    return [_replaced(inner, key, change) for inner in value] if isinstance(value, list) else value


# Name -> (suffix, what writes it).
PROGRAM_FILES = {
    "torchscript": (".pt", torchscript), "torch.export pickle": (".pt2", export_pickle),
    "torch.export expression": (".pt2", export_expression), "torch.export guards": (".pt2", export_guards),
    "torch.export library": (".pt2", export_library), "torch.package": (".pt", package),
    "onnx library": (".onnx", onnx_library), "onnx outside file": (".onnx", onnx_outside)}
