"""One tiny graph in every format: ``relu(image * weight - 0.25)``. See fixtures/README.md."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from tests.runtime.coreml import packages
from tests.runtime.coreml.packages import Op

from viewfinder import demo, photos
from viewfinder.artifact import GraphFile
from viewfinder.task import TensorSpec

FIXTURES = Path(__file__).parent / "fixtures"
IMAGE, WEIGHT = (1, 3, 4, 6), (1, 1, 4, 6)
GRAPH = GraphFile(
    "blend",
    "blend.model",
    (TensorSpec("image", IMAGE), TensorSpec("weight", WEIGHT)),
    (TensorSpec("blended", IMAGE, value_range=None),),
)


def feeds() -> dict[str, np.ndarray]:
    """Take the picture from a photograph, the weights from a ramp."""
    pixels = photos.read(demo.photos()[0]).pixels[200:600:100, 300:900:100].astype(np.float32) / 255
    ramp = np.linspace(0.2, 1.5, 24, dtype=np.float32).reshape(WEIGHT)
    return {"image": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]), "weight": ramp}


def expected(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Compute the same by hand."""
    return np.maximum(arrays["image"] * arrays["weight"] - np.float32(0.25), 0)


def write(artifact_format: str, folder: Path) -> Path:
    """Write the graph in a format."""
    makers = {"onnx": _onnx, "coreml": _coreml}
    if artifact_format in makers:
        return makers[artifact_format](folder)
    suffix = {"tflite": "tflite", "executorch": "pte"}[artifact_format]
    return Path(shutil.copy(FIXTURES / f"blend.{suffix}", folder))


def _onnx(folder: Path) -> Path:
    """Build the ONNX file."""
    import onnx
    from onnx import TensorProto, helper

    def tensor(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Mul", ["image", "weight"], ["product"]),
        helper.make_node("Sub", ["product", "shift"], ["difference"]),
        helper.make_node("Relu", ["difference"], ["blended"]),
    ]
    shift = helper.make_tensor("shift", TensorProto.FLOAT, [], [0.25])
    inputs = [tensor("image", IMAGE), tensor("weight", WEIGHT)]
    graph = helper.make_graph(nodes, "blend", inputs, [tensor("blended", IMAGE)], [shift])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "blend.onnx")
    return folder / "blend.onnx"


def _coreml(folder: Path) -> Path:
    """Write the Core ML package."""
    ops = [
        Op("mul", {"x": "@image", "y": "@weight"}, [("product", "fp32", IMAGE)]),
        Op("sub", {"x": "@product", "y": np.float32(0.25)}, [("difference", "fp32", IMAGE)]),
        Op("relu", {"x": "@difference"}, [("blended", "fp32", IMAGE)]),
    ]
    inputs = [("image", "fp32", IMAGE), ("weight", "fp32", WEIGHT)]
    return packages.write(folder / "blend.mlpackage", inputs, ops, ["blended"])
