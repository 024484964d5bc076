"""ONNX models: standard operators are data, others are code; weights in further files lie beside the model."""

import numpy as np
import pytest
from made import mean_as_onnx, pictures

from fmdiag.errors import FmdiagError, FmdiagWarning
from fmdiag.features import load_feature
from fmdiag.features.onnx_content import check_onnx, fields

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402


def model(path, operators=(("Identity", ""),), location=None, functions=()):
    """Write a model of operators in a row, whose first input may be weights in an outside file."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3, 20, 20]) for name in "xy"]
    nodes, last = [], "x"
    for k, (name, domain) in enumerate(operators):
        out = "y" if k == len(operators) - 1 else f"h{k}"
        nodes.append(helper.make_node(name, [last, "w"] if name == "Add" else [last], [out], domain=domain))
        last = out
    weights = []
    if location is not None:
        weights = [helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])]
        weights[0].ClearField("float_data")
        weights[0].data_location = TensorProto.EXTERNAL
        weights[0].external_data.add(key="location", value=location)
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    opsets = [helper.make_opsetid(domain, 17 if domain == "" else 1) for domain in {"", *(d for _, d in operators)}]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))
    path.write_bytes(made.SerializeToString())
    return path


def test_a_plain_model_needs_no_trust(tmp_path):
    assert check_onnx(mean_as_onnx(tmp_path / "mean.onnx", "n")) == []
    function = helper.make_function("own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                    [helper.make_opsetid("", 17)])
    assert check_onnx(model(tmp_path / "own.onnx", [("Twice", "own")], functions=[function])) == []


@pytest.mark.parametrize("operator", [("Foo", "custom.ops"), ("PyOp", "ai.onnx.contrib"),
                                      ("EPContext", "com.microsoft")])
def test_fault_5_2_operators_of_a_library_need_trust(operator, tmp_path):
    file = model(tmp_path / "their.onnx", [("Identity", ""), operator])
    with pytest.raises(FmdiagError, match="their.onnx is an ONNX model with operators of .*--trust-code"):
        load_feature("onnx", weights=file, training_set=pictures())
    with pytest.warns(FmdiagWarning, match="their.onnx is an ONNX model with operators of .*runs the code"), \
            pytest.raises(FmdiagError, match="onnxruntime cannot run this file"):  # nobody gave it the library
        load_feature("onnx", weights=file, training_set=pictures(), trust_code=True)


def test_fault_5_2_operators_within_branches_are_seen(tmp_path):
    branch = helper.make_graph([helper.make_node("Foo", ["x"], ["z"], domain="custom.ops")], "b", [], [
        helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    (tmp_path / "their.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(FmdiagError, match="custom.ops"):
        check_onnx(tmp_path / "their.onnx")


@pytest.mark.parametrize("place", ["../w.bin", "{outside}", "sub/../../w.bin", "link.bin", "linked/w.bin", "", "*/w",
                                   "*/_ORT_MEM_ADDR_/*", "sub\\w.bin", "missing.bin"])
def test_fault_5_2_outside_files_lie_beside_the_model(place, tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "*" / "_ORT_MEM_ADDR_").mkdir(parents=True)
    for file in (tmp_path / "w.bin", folder / "*" / "w", folder / "*" / "_ORT_MEM_ADDR_" / "*", folder / "sub\\w.bin"):
        file.write_bytes(bytes(4))
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    (folder / "linked").symlink_to(tmp_path)
    file = model(folder / "their.onnx", [("Add", "")], place.format(outside=tmp_path / "w.bin"))
    with pytest.raises(FmdiagError, match="must lie beside the model|no such file"):
        load_feature("onnx", weights=file, training_set=pictures())


@pytest.mark.parametrize("place", ["w.bin", "./w.bin", "sub/w.bin"])
def test_outside_files_beside_the_model_are_read_and_count(place, tmp_path):
    (tmp_path / "sub").mkdir()
    keys, images = [], pictures()
    for value in (1.0, 2.0):
        (tmp_path / place).write_bytes(np.float32(value).tobytes())
        file = model(tmp_path / "their.onnx", [("Add", "")], place)
        feature = load_feature("onnx", weights=file, training_set=images)
        np.testing.assert_allclose(feature(images[:]), images[:].flatten(1) + value, rtol=1e-6)
        keys.append(feature.key)
    assert keys[0] != keys[1]


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x80" * 11, b"\x0b", b"\x09\x01",
                                  b"\x00\x00", bytes(range(256))])
def test_bytes_that_are_no_message(data):
    with pytest.raises((ValueError, IndexError)):
        list(fields(memoryview(data)))
