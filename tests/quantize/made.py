"""A small float ONNX artifact, built by hand: two convolutions, a sum, and a last layer called ``predict``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from viewfinder import artifact, demo, photos
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.task import TensorSpec

SIDE = 16


def write(folder: Path, **changes) -> Artifact:
    """Write the artifact."""
    spec = TensorSpec("image", (1, 3, SIDE, SIDE))
    result = TensorSpec("enhanced", (1, 3, SIDE, SIDE), value_range=None)
    graph = GraphFile("model", "model.onnx", (spec,), (result,))
    fields = {"precision": "float", "parameters": {"tile": [SIDE, SIDE], "halo": 2, "scale": 1}} | changes
    made = Artifact(folder, "own", "onnx", pipeline="tiles", graphs=(graph,), recipe={"layout": "nchw"}, **fields)
    with artifact.writing(made) as partial:
        onnx_file(partial / graph.file)
    return artifact.load(folder)


def onnx_file(path: Path, gain: float = 1.0) -> None:
    """Write ``predict(relu(first(image)) + second(image)) * gain + image``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)

    def weight(name, *shape):
        scale = 1 / np.sqrt(np.prod(shape[1:]))
        return numpy_helper.from_array((random.standard_normal(shape) * scale).astype(np.float32), name)

    def conv(name, source, target, pad):
        return helper.make_node("Conv", [source, f"{name}.weight"], [target], name, pads=[pad] * 4)

    nodes = [
        conv("first", "image", "one", 1),
        helper.make_node("Relu", ["one"], ["two"], "relu"),
        conv("second", "image", "three", 1),
        helper.make_node("Add", ["two", "three"], ["four"], "sum"),
        conv("predict", "four", "five", 0),
        helper.make_node("Mul", ["five", "gain"], ["six"], "louder"),
        helper.make_node("Add", ["six", "image"], ["enhanced"], "last"),
    ]
    constants = [
        weight("first.weight", 8, 3, 3, 3),
        weight("second.weight", 8, 3, 3, 3),
        weight("predict.weight", 3, 8, 1, 1),
        numpy_helper.from_array(np.float32(gain), "gain"),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, SIDE, SIDE)) for name in ("image", "enhanced")
    ]
    graph = helper.make_graph(nodes, "model", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def feeds(count: int = 4) -> tuple[dict[str, np.ndarray], ...]:
    """Cut tiles from a photograph."""
    pixels = photos.read(demo.photos()[0]).pixels[::4, ::4].astype(np.float32) / 255
    tiles = [pixels[i * SIDE : (i + 1) * SIDE, i * SIDE : (i + 1) * SIDE] for i in range(1, count + 1)]
    return tuple({"image": np.ascontiguousarray(tile.transpose(2, 0, 1)[None])} for tile in tiles)


def run(made: Artifact, feed: dict[str, np.ndarray]) -> np.ndarray:
    """Run the only graph of an artifact in its engine."""
    from viewfinder.runtime import engines

    graph = made.graphs[0]
    runner = engines.for_format(made.format).open(made.path(graph), graph, 1)
    return runner(feed)[graph.outputs[0].name]


def psnr(result: np.ndarray, reference: np.ndarray) -> float:
    """PSNR in dB, peak 1."""
    return float(-10 * np.log10(np.mean((result.astype(np.float64) - reference) ** 2)))
