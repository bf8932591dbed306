"""Where two artifacts of one network part: both run side by side on the same inputs, tensor by tensor.

One module per format records a run: ``onnx`` adds the inner values to the outputs, ``tflite`` keeps every tensor of
LiteRT's built-in kernels, ``coreml`` watches the reference evaluator. Quantized values are compared as the numbers that
they stand for. An ExecuTorch program cannot be recorded: what is delegated to XNNPACK runs as one call.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.errors import UsageError

Array = NDArray[np.float32]
WHY = {
    "executorch": ": what is delegated to XNNPACK runs as one call, and its runtime gives out no value from inside; "
    "the same recipe in ONNX or TFLite shows where a network parts"
}
"""Why a format cannot be recorded, to go on a sentence."""
_SHARED = {"crops", "feeds", "matching", "parting", "ratios"}


@dataclass(frozen=True)
class Op:
    """One operator that computes; operators that only change how a number is written are left out.

    Attributes:
        name: of the operator in its file, e.g. ``node_conv2d_3`` or ``CONV_2D #5``.
        kind: e.g. ``Conv``.
        output: name of the tensor that it makes, as the float graph would call it.
        inputs: such names of what it reads, without constants; a graph's inputs among them.
        shape: of the output.
        weight: shape of its first constant with two axes or more, the output channels first; () without one.
    """

    name: str
    kind: str
    output: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    weight: tuple[int, ...] = ()


class Recorder(Protocol):
    """A graph that shows its inner values."""

    ops: tuple[Op, ...]
    """In the order in which they run."""

    def record(self, feeds: Mapping[str, NDArray[Any]], /) -> dict[str, Array]:
        """Run the graph; return the values of all ops by `Op.output`, as the numbers that they stand for."""


def formats() -> list[str]:
    """List the formats that can be recorded."""
    return sorted(one.name for one in pkgutil.iter_modules(__path__) if one.name not in _SHARED)


def open(path: Path, graph: GraphFile, artifact_format: str) -> Recorder:  # noqa: A001 as engines do
    """Open the file of a graph for recording.

    Raises:
        UsageError: a format that cannot be recorded.
        BadArtifactError: a damaged file.
    """
    if artifact_format not in formats():
        raise UsageError(
            f"the inner values of {artifact_format} cannot be recorded{WHY.get(artifact_format, '')}",
            f"bisect takes: {', '.join(formats())}",
        )
    recorder: Recorder = importlib.import_module(f"{__name__}.{artifact_format}").open(path, graph)
    return recorder
