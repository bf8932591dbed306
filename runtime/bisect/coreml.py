"""Record Core ML programs: the reference evaluator shows every tensor that it computes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.runtime.bisect import Array, Op
from viewfinder.runtime.coreml.evaluator import Described, Evaluator
from viewfinder.runtime.engines._tensors import require_match

CARRIERS = {"cast", "identity", "quantize", "dequantize"}
"""They change how a number is written, not what it is for the next operation."""
_HALF = "_cast_fp16"
"""What coremltools appends to a tensor's name when it becomes fp16."""


def open(path: Path, graph: GraphFile) -> Recorded:  # noqa: A001 as engines do
    """Open an ``.mlpackage``; see `viewfinder.runtime.bisect.open`."""
    return Recorded(path, graph)


class Recorded:
    """A program whose tensors are watched while it is evaluated."""

    def __init__(self, path: Path, graph: GraphFile) -> None:
        """Plan the program.

        Raises:
            BadArtifactError: it is damaged, or takes other inputs than the manifest says.
            NotVerifiedError: the evaluator does not know an operation.
        """
        self._program = Evaluator(path)
        require_match(path, graph.inputs, {item.name: item.shape for item in self._program.inputs}, "input")
        steps = self._program.described()
        self._maker = {step.output.name: step for step in steps}
        self._readers: dict[str, list[Described]] = {}
        for step in steps:
            for name in step.inputs:
                self._readers.setdefault(name, []).append(step)
        computing = [step for step in steps if step.kind not in CARRIERS]
        self._shown = {step.output.name: self._seen(step.output.name) for step in computing}
        self.ops = tuple(map(self._op, computing))

    def record(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
        """Evaluate the program; values that are no numbers of the network (shapes, indices) are left out."""
        wanted, values = set(self._shown.values()), dict[str, Array]()

        def watch(name: str, array: NDArray[Any]) -> None:
            """Keep what an operation is compared by; the evaluator frees its own."""
            if name in wanted and array.dtype.kind == "f":
                values[name] = np.array(array, np.float32)

        self._program(feeds, watch)
        return {plain(tensor): values[shown] for tensor, shown in self._shown.items() if shown in values}

    def _op(self, step: Described) -> Op:
        """Describe an operation; the names of results are what a recipe means operations by."""
        inputs = tuple(plain(self._behind(name)) for name in step.inputs)
        return Op(step.output.name, step.kind, plain(step.output.name), inputs, step.output.shape, step.weight)

    def _behind(self, name: str) -> str:
        """Return the tensor that carriers write in another way."""
        while name in self._maker and self._maker[name].kind in CARRIERS and self._maker[name].inputs:
            name = self._maker[name].inputs[0]
        return name

    def _seen(self, name: str) -> str:
        """Return the tensor in which the value of `name` can be read after its rounding, if it is rounded."""
        for quantize in self._readers.get(name, ()):
            if quantize.kind == "quantize":
                for dequantize in self._readers.get(quantize.output.name, ()):
                    if dequantize.kind == "dequantize":
                        return dequantize.output.name
        return name


def plain(name: str) -> str:
    """Return a tensor's name as float's program has it."""
    return name.removesuffix(_HALF)
