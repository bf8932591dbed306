"""A build of a tiny network that merges bursts: three frames, two convolutions, in float and spoiled, in ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.photos import make

from viewfinder import artifact, golden
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.bursts import made
from viewfinder.bursts.contract import Contract
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.light import picture
from viewfinder.runtime import engines, pipelines
from viewfinder.task import TensorSpec

FRAMES, SIDE, HALO = 3, 64, 4
WEIGHTS_SHA256 = "ef" * 32


def _model(error: float) -> bytes:
    """Average the frames by two convolutions; the second one errs by a share."""
    from onnx import TensorProto, helper, numpy_helper

    spread = np.zeros((2, FRAMES, 1, 1), np.float32)
    spread[0, 0], spread[1, 1:] = 1, 0.5
    joined = np.array([1 / 3, 2 / 3], np.float32).reshape(1, 2, 1, 1) * np.float32(1 + error)
    shapes = (("frames", (1, FRAMES, SIDE, SIDE)), ("plane", (1, 1, SIDE, SIDE)))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
    nodes = [
        helper.make_node("Conv", ["frames", "spread"], ["parts"], "conv_parts", kernel_shape=[1, 1]),
        helper.make_node("Conv", ["parts", "joined"], ["plane"], "conv_plane", kernel_shape=[1, 1]),
    ]
    weights = [numpy_helper.from_array(spread, "spread"), numpy_helper.from_array(joined, "joined")]
    graph = helper.make_graph(nodes, "mean", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def write(folder: Path, error: float = 0.0) -> Artifact:
    """Write an artifact ``onnx-PRECISION``."""
    shapes = TensorSpec("frames", (1, FRAMES, SIDE, SIDE)), TensorSpec("plane", (1, 1, SIDE, SIDE), value_range=None)
    graph = GraphFile("model", "model.onnx", shapes[:1], shapes[1:])
    parameters = {
        "tile": [SIDE, SIDE], "halo": HALO, "scale": 1, "contract": Contract(FRAMES, aligned=False).to_dict(),
    }  # fmt: skip
    precision = folder.name.partition("-")[2]
    one = Artifact(
        folder, "mean", "onnx", precision, "burst", parameters, (graph,), weights="w", weights_sha256=WEIGHTS_SHA256
    )
    with artifact.writing(one) as partial:
        (partial / graph.file).write_bytes(_model(error))
    return artifact.load(folder)


def write_golden(folder: Path, own: Artifact, count: int = 6) -> Golden:
    """Write golden bursts of both gains and motions with what float makes of them; the truth is a little brighter."""
    runner, samples = pipelines.open(own, engines.load("onnx")), []
    photo = make.photograph(96, 128)
    for number in range(count):
        burst = made.hand_held(np.roll(photo, 7 * number, 1), FRAMES, number)
        burst.frames[...] = burst.frames.astype(np.float16)
        expected, strata = runner.enhance(burst), (f"gain={1 + 3 * (number % 2)}", "motion=small")
        truth = np.clip(expected + np.float32(0.01), 0, 1)
        name = f"scene {number}"
        shown = np.rint(picture(burst.reference) * 255).astype(np.uint8)
        samples.append(GoldenPhoto(name, shown, expected, truth, burst, strata))
    return golden.write(folder / golden.FILE, Golden("mean", "w", WEIGHTS_SHA256, "", tuple(samples)))


def build(folder: Path) -> Path:
    """Write float, an artifact whose second convolution errs by 5 %, and golden bursts of float."""
    write_golden(folder, write(folder / "onnx-float"))
    write(folder / "onnx-fp16", 0.05)
    return folder
