"""ExecuTorch's own runtime, on the CPU through XNNPACK.

Its bindings speak tensors of PyTorch; here they are only a wrapping of arrays. The bindings are used as they are:
``executorch.runtime`` on top of them imports the whole exporter first (5.9 s of CPU time, not 1.4 s, version 1.5.1).
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines._quiet import quietly
from viewfinder.runtime.engines._tensors import checked, damaged, require_match
from viewfinder.task import TensorSpec

NAME = "executorch"
FORMAT = "executorch"
EVIDENCE = Evidence.MEASURED
PACKAGE = "'executorch==1.5.*'"
TOOLCHAIN = ""


def probe() -> str | None:
    """Look for the packages without importing them."""
    missing = [name for name in ("executorch", "torch") if not find_spec(name)]
    return f"the package {missing[0]} is not installed" if missing else None


def open(artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load a ``.pte`` file; see `viewfinder.runtime.engines.Engine.open`.

    The number of threads is the process's, not the graph's: the last file opened decides.
    """
    engines.require(engines.load(NAME))
    try:
        with quietly() as log:
            bindings = _bindings()
            _set_threads(bindings, threads)
            program = bindings._load_program(  # noqa: SLF001 see the module's text
                str(artifact_path),
                enable_etdump=False,
                debug_buffer_size=0,
                program_verification=bindings.Verification.InternalConsistency,
                data_path=None,
            )
            method = program.load_method("forward")
    except RuntimeError as error:
        raise damaged(artifact_path, f"{error} {_reason(log.text)}") from error
    meta = method.method_meta()
    for specs, shapes, kind in (
        (graph.inputs, [meta.input_tensor_meta(i).sizes() for i in range(meta.num_inputs())], "input"),
        (graph.outputs, [meta.output_tensor_meta(i).sizes() for i in range(meta.num_outputs())], "output"),
    ):
        require_match(artifact_path, specs, _in_order(specs, shapes), kind)
    return _Runner(method, program, graph)


def _bindings() -> Any:
    """Import the native module; it needs PyTorch's libraries, which only its import finds."""
    importlib.import_module("torch")
    return importlib.import_module("executorch.extension.pybindings._C")


def _set_threads(bindings: Any, threads: int) -> None:
    """Resize the thread pool; its default of one thread per core makes a small network eight times slower."""
    if bindings._threadpool_get_thread_count() != threads:  # noqa: SLF001 there is no public way
        bindings._unsafe_reset_threadpool(threads)  # noqa: SLF001 nothing runs now, which is what makes it safe


def _reason(text: str) -> str:
    """Keep the lines in which the runtime explains itself: ``[file.cpp:line] message``."""
    return " ".join(
        line for line in text.splitlines() if ".cpp:" in line and "threadpool" not in line and "cpuinfo" not in line
    )


def _in_order(specs: tuple[TensorSpec, ...], shapes: list[Any]) -> dict[str, Any]:
    """Give the file's nameless tensors the manifest's names, in order."""
    return {spec.name: shape for spec, shape in zip(specs, shapes, strict=False)}


class _Runner:
    """A loaded ``.pte`` file. The program owns the method's memory and is kept with it."""

    def __init__(self, method: Any, program: Any, graph: GraphFile) -> None:
        """Remember how arrays become tensors."""
        self._method, self._program, self._graph = method, program, graph
        self._wrap = importlib.import_module("torch").from_numpy

    def __call__(self, feeds: engines.Arrays) -> dict[str, NDArray[Any]]:
        """Compute; outputs are copies already."""
        arrays = checked(feeds, self._graph)
        results = self._method([self._wrap(_writable(array)) for array in arrays])
        pairs = zip(self._graph.outputs, results, strict=True)
        return {spec.name: tensor.numpy().astype(np.float32, copy=False) for spec, tensor in pairs}


def _writable(array: NDArray[Any]) -> NDArray[Any]:
    """Copy a read-only array: a tensor over it would raise a warning."""
    return array if array.flags.writeable else array.copy()
