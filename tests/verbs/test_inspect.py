"""What `viewfinder inspect` finds in files whose contents are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from viewfinder import artifact
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.cli import main
from viewfinder.errors import BadArtifactError, UsageError
from viewfinder.runtime import graphs, tiny
from viewfinder.task import TensorSpec
from viewfinder.verbs.inspect import inspect

onnx = pytest.importorskip("onnx")

CONV_MACS = 4 * 6 * 6 * 3 * 3 * 3
"""4 filters of 3x3 on 3 channels at 6x6 places."""
GEMM_MACS = 144 * 5


def onnx_model():
    """Return a model of a convolution, a transpose and a matrix product, with a dynamic side branch left out."""
    rng = np.random.default_rng(0)
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    weights = [
        onnx.numpy_helper.from_array(rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "filters"),
        onnx.numpy_helper.from_array(rng.normal(size=(144, 5)).astype(np.float32), "matrix"),
        onnx.numpy_helper.from_array(np.array([1, 144], np.int64), "flat"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["maps"]),
        helper.make_node("Transpose", ["maps"], ["turned"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["turned", "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "matrix"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", number, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("scores", number, [1, 5])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="tests")
    helper.set_model_props(model, {"author": "somebody"})
    return model


@pytest.fixture
def onnx_file(tmp_path):
    """Write the model."""
    path = tmp_path / "small.onnx"
    onnx.save(onnx_model(), path)
    return path


def test_onnx_is_counted(onnx_file):
    """Operators, MACs, transposes, constants, tensors and metadata of an ONNX file are those it was made with."""
    contents = graphs.read(onnx_file)
    assert contents.operators == {"Conv": 1, "Transpose": 1, "Reshape": 1, "Gemm": 1}
    assert contents.macs == CONV_MACS + GEMM_MACS
    assert contents.transposes == 1
    assert contents.weights_bytes == 4 * (4 * 27 + 144 * 5) + 2 * 8
    assert contents.inputs == (graphs.Tensor("image", (1, 3, 8, 8), "float32"),)
    assert contents.outputs == (graphs.Tensor("scores", (1, 5), "float32"),)
    assert contents.metadata["author"] == "somebody"
    assert contents.metadata["producer"] == "tests"


def test_macs_are_not_guessed(tmp_path):
    """With an axis that is set at run time the MACs are unknown, not zero."""
    model = onnx_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, tmp_path / "dynamic.onnx")
    contents = graphs.read(tmp_path / "dynamic.onnx")
    assert contents.macs is None
    assert contents.inputs[0].shape == (1, 3, 0, 8)


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["tflite", "coreml", "executorch"])
def test_formats_agree_on_what_a_network_computes(exports_kept, tmp_path, file_format):
    """HDRNet has the same tensors in every format, and its coefficient network the same MACs where they are told.

    The strips' MACs differ: LiteRT gets sums where the others get products.
    """
    from viewfinder.verbs.export import ExportOptions, export

    options = ExportOptions("hdrnet-luma", ("onnx", file_format), output=tmp_path, write_golden=False)
    export(options)
    plain, other = (inspect(str(tmp_path / f"{name}-float"))[0] for name in ("onnx", file_format))
    for expected, found in zip(plain.graphs, other.graphs, strict=True):
        assert [tensor.shape for tensor in found.contents.inputs] == [
            tensor.shape for tensor in expected.contents.inputs
        ]
        assert (found.contents.macs is None) == (file_format == "executorch")
    assert other.graphs[0].contents.macs in {plain.graphs[0].contents.macs, None}
    assert plain.graphs[0].contents.macs > 40e6


def test_ncnn_is_counted(tmp_path):
    """Layers that only name something are no operators; a folder that is none is refused by name."""
    path = tiny.write_ncnn(tmp_path)
    (found,) = inspect(str(path))
    contents = found.graphs[0].contents
    assert [(one.name, one.shape) for one in (*contents.inputs, *contents.outputs)] == [
        (name, tiny.SHAPE) for name in ("left", "right", "sum")
    ]
    assert (contents.operators, contents.transposes, contents.weights_bytes) == ({"BinaryOp": 1}, 0, 0)
    assert found.graphs[0].format == "ncnn"
    (path / "model.param").write_text("graph tiny\n", encoding="utf-8")
    with pytest.raises(BadArtifactError, match=r"model\.param does not begin like ncnn's layers"):
        inspect(str(path))
    (path / "model.param").unlink()
    with pytest.raises(BadArtifactError, match=r"tiny\.ncnn cannot be read"):
        inspect(str(path))


def test_of_a_format_without_a_reader_the_manifest_tells(tmp_path):
    """Core AI's models are read by Apple's tools only; ends and operators were written down at export."""
    spec, notes = TensorSpec("image", (1, 3, 8, 8)), {"operators": {"aten.add": 2}}
    graph = GraphFile("model", "model.aimodel", (spec,), (spec,), notes=notes)
    made = Artifact(tmp_path / "a", "small", "coreai", "fp16", "tiles", {}, (graph,))
    with artifact.writing(made) as partial:
        (partial / "model.aimodel").write_bytes(b"of Apple's")
    (found,) = inspect(str(tmp_path / "a"))
    contents = found.graphs[0].contents
    assert ([one.shape for one in contents.inputs], contents.operators) == ([(1, 3, 8, 8)], {"aten.add": 2})
    assert contents.macs is None


def make_artifact(folder, onnx_file):
    """Put the model into an artifact."""
    spec = TensorSpec("image", (1, 3, 8, 8))
    made = Artifact(
        folder=folder,
        task="small",
        format="onnx",
        precision="float",
        pipeline="tiles",
        parameters={},
        graphs=(GraphFile("model", "small.onnx", (spec,), (spec,), notes={"transposes": 1}),),
    )
    with artifact.writing(made) as partial:
        (partial / "small.onnx").write_bytes(onnx_file.read_bytes())


def test_an_artifact_is_named_with_its_hashes(tmp_path, onnx_file):
    """The facts of the manifest and the contents of each graph stand together."""
    make_artifact(tmp_path / "export" / "onnx-float", onnx_file)
    (found,) = inspect(str(tmp_path / "export"))
    loaded = artifact.load(tmp_path / "export" / "onnx-float")
    assert found.kind == "artifact"
    assert found.facts["sha256"] == loaded.sha256
    assert found.graphs[0].sha256 == loaded.graphs[0].sha256
    assert found.graphs[0].contents.macs == CONV_MACS + GEMM_MACS
    assert found.graphs[0].notes == {"transposes": 1}


def test_a_flipped_byte_is_found(tmp_path, onnx_file):
    """An artifact whose file was changed is refused before it is parsed."""
    make_artifact(tmp_path / "a", onnx_file)
    data = bytearray((tmp_path / "a" / "small.onnx").read_bytes())
    data[100] ^= 1
    (tmp_path / "a" / "small.onnx").write_bytes(data)
    with pytest.raises(BadArtifactError, match="does not match its manifest"):
        inspect(str(tmp_path / "a"))


@pytest.mark.parametrize("name", ["model.onnx", "model.tflite", "model.pte"])
@pytest.mark.parametrize("data", [b"", b"no model at all, but text that is long enough"])
def test_foreign_bytes_are_refused(tmp_path, name, data):
    """A file that is not what its suffix says is named, with its suffix or its emptiness."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadArtifactError, match=name):
        graphs.read(tmp_path / name)


def test_a_damaged_package_is_refused(tmp_path):
    """A Core ML package without its parts is named."""
    (tmp_path / "model.mlpackage").mkdir()
    (tmp_path / "model.mlpackage" / "notes.txt").write_text("nothing")
    with pytest.raises(BadArtifactError, match=r"model\.mlpackage"):
        graphs.read(tmp_path / "model.mlpackage")


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("missing.onnx", "there is no file missing.onnx"),
        (".", "there is no artifact in ."),
        ("hdrnett", "no model is called 'hdrnett'"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, monkeypatch, subject, message):
    """A wrong subject gets a sentence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        inspect(subject)


def test_a_model_is_counted():
    """A network's parameters and MACs are counted by building it."""
    pytest.importorskip("torch")
    (found,) = inspect("hdrnet")
    assert found.facts["parameters"] == 482_080
    assert found.facts["macs"] > 40e6
    assert found.facts["layers"]["Linear"] == 3
    assert [spec["name"] for spec in found.facts["inputs"]] == ["lowres", "image"]


def test_text_and_envelope_say_the_same(capfd, onnx_file):
    """The command shows counts as text, and the same as JSON."""
    assert main(["inspect", str(onnx_file)]) == 0
    text = capfd.readouterr().out
    assert "transposes: 1" in text
    assert "MACs: 4.6 k" in text
    assert main(["inspect", str(onnx_file), "--json"]) == 0
    (found,) = json.loads(capfd.readouterr().out)["result"]
    assert found["graphs"][0]["contents"]["macs"] == CONV_MACS + GEMM_MACS == 4608


def test_training_aids(tmp_path, capfd):
    """Gradients of a user's own network agree with differences, its layers are described, its filters drawn."""
    pytest.importorskip("torch")
    (tmp_path / "own.py").write_text(OWN)
    command = ["inspect", f"{tmp_path / 'own.py'}:TASK", "--gradients", "--activations"]
    assert main([*command, "--filters", str(tmp_path / "filters.png"), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)["result"]
    assert {check["name"] for check in found["gradients"]} == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert [layer["kind"] for layer in found["activations"]] == ["Conv2d", "Tanh", "Conv2d"]
    assert (tmp_path / "filters.png").stat().st_size > 100


def test_a_wrong_gradient_fails_the_check(tmp_path, capfd):
    """A network whose backward pass lies exits 1 and the parameter is named."""
    pytest.importorskip("torch")
    (tmp_path / "own.py").write_text(OWN.replace("nn.Tanh()", "Lying()"))
    assert main(["inspect", f"{tmp_path / 'own.py'}:TASK", "--gradients"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert any("0.weight" in line and "WRONG" in line for line in lines)
    assert not any("2.weight" in line and "WRONG" in line for line in lines)


OWN = """
import torch
from torch import nn
from viewfinder.task import Task, TensorSpec

class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient

class Lying(nn.Module):
    def forward(self, x):
        return Square.apply(x)

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 3, 3))

spec = TensorSpec("image", (1, 3, 96, 96))
TASK = Task("own", "small", build, (spec,), (TensorSpec("result", (1, 3, 92, 92)),))
"""
