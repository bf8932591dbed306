"""A toy network that lifts shadows, as ONNX files: float, and with an eight-bit tensor before the gain.

It stands for the low-light enhancer that PSNR lets through: 44.9 dB against float, 16 of 117 display levels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from viewfinder import artifact
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.task import TensorSpec

GAIN = 2.7
"""The slope at black is 1 + GAIN, and nearly 1 on the whole."""
COARSE = 0.0165
"""A scale from a calibration set with outliers: 0..4.2 in 256 codes, of which a picture uses 61."""
TILE, HALO = 96, 4


def write(folder: Path, *, scale: float | None = None, bad_border: float = 0.0, parent: str | None = None) -> Artifact:
    """Write ``FORMAT-PRECISION``; `scale` puts an eight-bit tensor in, `bad_border` brightens each tile's first row."""
    size = TILE
    spec = TensorSpec("image", (1, 3, size, size))
    graph = GraphFile("model", "model.onnx", (spec,), (TensorSpec("enhanced", (1, 3, size, size)),))
    made = Artifact(
        folder,
        "lift",
        "onnx",
        folder.name.partition("-")[2],
        "tiles",
        {"tile": [size, size], "halo": HALO, "scale": 1},
        (graph,),
        weights_sha256="ab" * 32,
        parent_sha256=parent,
    )
    with artifact.writing(made) as partial:
        _save(partial / graph.file, size, scale, bad_border)
    return artifact.load(folder)


def _save(path: Path, size: int, scale: float | None, bad_border: float) -> None:
    """Write ``x + GAIN * x * (1 - x)^4`` in ONNX."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = {"gain": np.float32(GAIN), "one": np.float32(1), "four": np.float32(4)}
    border = np.zeros((1, 1, size, size), np.float32)
    border[:, :, HALO] = bad_border
    nodes, shown = [], "image"
    if scale is not None:
        constants |= {"scale": np.float32(scale), "zero": np.uint8(0)}
        nodes += [helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["codes"])]
        nodes += [helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["seen"])]
        shown = "seen"
    nodes += [
        helper.make_node("Sub", ["one", shown], ["dark"]),
        helper.make_node("Pow", ["dark", "four"], ["darker"]),
        helper.make_node("Mul", ["darker", shown], ["weighted"]),
        helper.make_node("Mul", ["weighted", "gain"], ["lift"]),
        helper.make_node("Add", [shown, "lift"], ["lifted"]),
        helper.make_node("Add", ["lifted", "border"], ["enhanced"]),
    ]
    tensors = [numpy_helper.from_array(np.asarray(one), name) for name, one in {**constants, "border": border}.items()]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, size, size)) for name in ("image", "enhanced")
    ]
    graph = helper.make_graph(nodes, "lift", values[:1], values[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
