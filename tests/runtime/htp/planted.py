"""HDRNet's slicing as a converter writes it: hat weights ``relu(1 - |z - step|)``, quantized with 16-bit activations.

Such subtractions of a scalar are what the NPU of a Snapdragon computes wrong in 16 bits; ONNX Runtime does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, load, numpy_helper, save
from skimage import data

from viewfinder import artifact, golden
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.task import TensorSpec

SIDE, BINS = 32, 8
WEIGHTS_SHA256 = "ef" * 32
SHAPE = (1, 3, SIDE, SIDE)


def model() -> Any:
    """Build the float network: a guide, a weight per bin, and a gain per bin that the weights mix."""
    one = [1, 1, SIDE, SIDE]
    tensors = [numpy_helper.from_array(np.full((1, 3, 1, 1), BINS / 3, np.float32), "guide.weight")]
    gains = [0.2 + 0.1 * ((5 * step) % BINS) for step in range(BINS)]
    numbers = {"half": 0.5, "first": 0.0, "last": BINS - 1.0, "unit": 1.0}
    numbers |= {f"step_{step}": float(step) for step in range(BINS)} | {f"gain_{n}": g for n, g in enumerate(gains)}
    tensors += [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in numbers.items()]
    nodes = [
        helper.make_node("Conv", ["image", "guide.weight"], ["guide"], "guide", kernel_shape=[1, 1]),
        helper.make_node("Sub", ["guide", "half"], ["shifted"], "shift"),
        helper.make_node("Clip", ["shifted", "first", "last"], ["z"], "clip"),
    ]
    total = ""
    for step in range(BINS):
        chain = [("Sub", f"step_{step}", "away"), ("Abs", "", "far"), ("Sub", "", "near"), ("Relu", "", "hat")]
        shown = "z"
        for kind, constant, word in chain:
            inputs = [shown, constant] if constant else ["unit", shown] if kind == "Sub" else [shown]
            shown = f"{word}_{step}"
            nodes.append(helper.make_node(kind, inputs, [shown], shown))
        nodes.append(helper.make_node("Mul", [shown, f"gain_{step}"], [f"part_{step}"], f"part_{step}"))
        sum_inputs = [total, f"part_{step}"]
        if total:
            nodes.append(helper.make_node("Add", sum_inputs, [f"sum_{step}"], f"sum_{step}"))
        total = f"sum_{step}" if total else f"part_{step}"
    nodes.append(helper.make_node("Mul", ["image", total], ["enhanced"], "apply"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("image", "enhanced")]
    inner = [helper.make_tensor_value_info("guide", TensorProto.FLOAT, one)]
    graph = helper.make_graph(nodes, "slicing", ends[:1], ends[1:], tensors, value_info=inner)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def quantized(folder: Path) -> Any:
    """Quantize it as onnxruntime recommends for Qualcomm's NPUs, with 16-bit activations."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize
    from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config

    class Reader(CalibrationDataReader):
        """Feeds photographs."""

        def __init__(self) -> None:
            self.left = iter(pictures())

        def get_next(self) -> Any:
            """Return the next one."""
            return next(({"image": one} for one in self.left), None)

    source, target = folder / "float.onnx", folder / "quantized.onnx"
    save(model(), str(source))
    config = get_qnn_qdq_config(str(source), Reader(), activation_type=QuantType.QUInt16, weight_type=QuantType.QUInt8)
    quantize(str(source), str(target), config)
    return load(str(target))


def pictures() -> list[np.ndarray]:
    """Return crops of a photograph from dark to bright, so that every bin is in use."""
    shown = data.astronaut().astype(np.float32) / 255
    crops = [shown[y : y + SIDE, x : x + SIDE] for y, x in [(0, 0), (0, 200), (200, 200), (380, 100)]]
    return [np.ascontiguousarray(crop.transpose(2, 0, 1)[None]) for crop in crops]


def write(folder: Path) -> Artifact:
    """Write the artifact ``onnx-w8a16`` and golden pictures beside it."""
    spec = TensorSpec("image", SHAPE)
    graph = GraphFile("model", "model.onnx", (spec,), (TensorSpec("enhanced", SHAPE, value_range=None),))
    made = Artifact(
        folder / "onnx-w8a16", "slicing", "onnx", "w8a16", "tiles", {"tile": [SIDE, SIDE], "halo": 0, "scale": 1},
        (graph,), weights="w", weights_sha256=WEIGHTS_SHA256,
    )  # fmt: skip
    with artifact.writing(made) as partial:
        save(quantized(folder), str(partial / graph.file))
    pixels = np.ascontiguousarray(data.astronaut()[180:244, 180:244])
    photo = GoldenPhoto("astronaut", pixels, pixels.astype(np.float32) / 255)
    golden.write(folder / golden.FILE, Golden("slicing", "w", WEIGHTS_SHA256, "", (photo,)))
    return artifact.load(made.folder)
