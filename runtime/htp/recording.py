"""Record a graph on the NPU itself: every inner value becomes an output of what the emulator executes.

The values are those that the next operator reads, after their rounding. Outputs keep the compiler from fusing across
them, so sums may be ordered otherwise than in the file that ships; an operator that the NPU computes wrong stays wrong.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.presets import Npu
from viewfinder.runtime.bisect import Array, onnx
from viewfinder.runtime.engines import _process
from viewfinder.runtime.htp import compiler
from viewfinder.task import TensorSpec

_PREFIX = "seen_"
"""Names of added outputs; names of inner tensors are no identifiers."""


@dataclass(frozen=True)
class Place:
    """Where a graph is recorded.

    Attributes:
        python: interpreter of the toolchain ``qnn``.
        npu: the processor that is emulated.
        timeout_s: for one run.
    """

    python: Path
    npu: Npu
    timeout_s: float = 600.0


class OnNpu:
    """A graph whose every inner value can be read from the emulator; see `viewfinder.runtime.bisect.Recorder`."""

    def __init__(self, path: Path, graph: GraphFile, place: Place) -> None:
        """Compile the ONNX file `path` with its inner values as outputs.

        Raises:
            BadArtifactError: it is no ONNX file.
            FallbackError: some operators would run on the CPU.
            CompileError: the compiler refuses the graph.
        """
        reference = onnx.open(path, graph)
        self.ops, self._seen = reference.ops, dict(reference.shown)
        shapes = {name: shape for name, shape in reference.shapes.items() if shape and all(shape)}
        wanted = [name for name in dict.fromkeys(self._seen.values()) if name in shapes]
        self._names = {name: f"{_PREFIX}{number}" for number, name in enumerate(wanted)}
        outputs = tuple(TensorSpec(new, shapes[old], value_range=None) for old, new in self._names.items())
        self._work = tempfile.TemporaryDirectory(prefix="viewfinder-record-")
        source, target = (Path(self._work.name) / name for name in ("shown.onnx", "compiled.onnx"))
        _write_shown(path, source, self._names, shapes)
        compiler.compile_graph(place.python, source, target, place.npu)
        interpreter = _process.Interpreter((str(place.python), "-I"), None, f" for {place.npu.name}", place.timeout_s)
        shown = replace(graph, outputs=outputs)
        self._run = _process.open_in(interpreter, "onnxruntime_qnn", target, shown, 1)

    def record(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
        """Run the graph in the emulator; return what it could show."""
        values = self._run(feeds)
        return {
            onnx.plain(tensor): np.asarray(values[self._names[seen]], np.float32)
            for tensor, seen in self._seen.items()
            if seen in self._names
        }


def _write_shown(path: Path, target: Path, names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Write the file with tensors renamed and made outputs; what was an output is one under its new name."""
    import onnx as library

    model = library.load(str(path))
    for node in model.graph.node:
        for side in (node.input, node.output):
            for place, name in enumerate(side):
                side[place] = names.get(name, name)
    del model.graph.output[:]
    del model.graph.value_info[:]
    make = library.helper.make_tensor_value_info
    model.graph.output.extend(make(new, library.TensorProto.FLOAT, shapes[old]) for old, new in names.items())
    library.save(model, str(target))
