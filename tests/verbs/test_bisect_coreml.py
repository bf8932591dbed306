"""The verb `bisect` on Core ML programs, through the reference evaluator; and what cannot be recorded, in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.runtime.bisect import nets
from tests.runtime.coreml import packages
from tests.runtime.coreml.packages import Op

from viewfinder import artifact
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import Exit, UsageError
from viewfinder.runtime import bisect as bisecting
from viewfinder.runtime.repair import layers
from viewfinder.task import TensorSpec
from viewfinder.verbs.bisect import BisectRequest, bisect

BAD = "third"
LEVELS = 127.0


def _ints(*values: int) -> np.ndarray:
    """Write sizes as Core ML has them."""
    return np.array(values, np.int32)


def _operations(rounded: bool, bad: str) -> list[Op]:
    """List the operations of the network: convolutions with ReLU, each result rounded to 8 bits if asked."""
    found, shown = [], "image"
    for name, kernel in zip(nets.NAMES, nets.weights(), strict=True):
        shape = (1, kernel.shape[0], nets.SIDE, nets.SIDE)
        constants = {"weight": kernel, "pad_type": "custom", "pad": _ints(1, 1, 1, 1), "strides": _ints(1, 1)}
        made = name if name == "result" and not rounded else f"{name}_sum"
        found.append(Op("conv", {"x": f"@{shown}", **constants}, [(made, "fp32", shape)]))
        if name != "result":
            found.append(Op("relu", {"x": f"@{made}"}, [(name, "fp32", shape)]))
            made = name
        shown = made
        if rounded:
            shown = name if name == "result" else f"{name}_dequantized"
            scale = np.float32(1.2 / LEVELS / (nets.SPOIL if name == bad else 1))
            steps = {"input": f"@{made}", "scale": scale, "output_dtype": "int8"}
            found.append(Op("quantize", steps, [(f"{name}_quantized", "int8", shape)]))
            given = {"input": f"@{name}_quantized", "scale": scale}
            found.append(Op("dequantize", given, [(shown, "fp32", shape)]))
    return found


def _write(folder: Path, bad: str = "") -> Artifact:
    """Write an artifact ``coreml-PRECISION`` around a package written by hand."""
    precision, shape = folder.name.partition("-")[2], (1, 3, nets.SIDE, nets.SIDE)
    specs = TensorSpec("image", shape), TensorSpec("result", shape, value_range=None)
    graph = GraphFile("model", "model.mlpackage", specs[:1], specs[1:])
    parameters = {"tile": [nets.SIDE, nets.SIDE], "halo": 4, "scale": 1}
    made = Artifact(
        folder, "four", "coreml", precision, "tiles", parameters, (graph,), weights="w",
        weights_sha256=nets.WEIGHTS_SHA256,
    )  # fmt: skip
    with artifact.writing(made) as partial:
        operations = _operations(precision != "float", bad)
        packages.write(partial / graph.file, [("image", "fp32", shape)], operations, ["result"])
    return artifact.load(folder)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Float, a sound and a bad artifact, with golden pictures."""
    folder = tmp_path_factory.mktemp("export")
    _write(folder / "coreml-float")
    _write(folder / "coreml-w8a8")
    _write(folder / "coreml-bad", BAD)
    nets.write_golden(folder)
    return folder


def test_a_planted_bad_operation_is_named(build: Path) -> None:
    """The tensor whose scale was spoiled is the first below the limit, read behind its rounding: exit 1."""
    result = bisect(BisectRequest(build / "coreml-float", build / "coreml-bad"))
    (found,) = result.partings
    assert result.exit_code is Exit.CHECK_FAILED
    assert found.first is not None
    assert found.first is found.greatest
    assert found.first.own.output == BAD
    assert "relu" in found.sentence
    report = result.document.sections[0].report
    assert report.evidence.value in {"reference", "measured"}
    assert "reference evaluator" in report.notes["recorded"]


def test_a_sound_program_parts_nowhere(build: Path) -> None:
    """Every result of the sound program keeps 25 dB and more: exit 0."""
    result = bisect(BisectRequest(build / "coreml-float", build / "coreml-w8a8"))
    (found,) = result.partings
    assert result.exit_code is Exit.PASS
    ratios = {one.own.output: one.sums.sqnr_db for one in found.compared}
    assert set(nets.NAMES[:3]) <= set(ratios)
    assert all(ratio > 25 for ratio in ratios.values())


def test_its_layers_are_listed_for_repair(build: Path) -> None:
    """Four convolutions with their weights; a rule means each by its result."""
    made = artifact.load(build / "coreml-float")
    ops = layers.graph_ops(made)
    listed = layers.listed(made, ops, ["model"])
    assert [layer.name for layer in listed] == ["first_sum", "second_sum", "third_sum", "result"]
    assert [layer.weights for layer in listed] == [kernel.size for kernel in nets.weights()]
    assert {op.kind for op in ops["model"]} == {"conv", "relu"}


def test_what_cannot_be_recorded_says_why() -> None:
    """ExecuTorch gives out no value from inside of what is delegated; the way out is named."""
    graph = GraphFile("model", "model.pte", (), ())
    with pytest.raises(UsageError, match=r"XNNPACK runs as one call.*ONNX or TFLite"):
        bisecting.open(Path("model.pte"), graph, "executorch")
