"""Builds an ONNX file for Rockchip's NPU and runs it in Rockchip's simulator, in the toolchain's Python.

`_worker.learn` loads this file, which may import nothing of ours. Four variables: ``VIEWFINDER_RKNN_TORCH``, a folder
with PyTorch, searched last; ``VIEWFINDER_RKNN_PLATFORM``, as ``rk3588``; ``VIEWFINDER_RKNN_FILE``, for what was
compiled; ``VIEWFINDER_RKNN_LOG``, for all that the compiler prints.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np


class Rknn:
    """A file in the simulator."""

    def __init__(self, _module: str, path: str, _threads: int) -> None:
        """Build it in half precision; the simulator chooses its threads itself."""
        sys.path.append(os.environ["VIEWFINDER_RKNN_TORCH"])
        import onnx
        from rknn.api import RKNN

        graph = onnx.load(path).graph
        self._inputs, self._outputs = (
            {end.name: [int(axis.dim_value) for axis in end.type.tensor_type.shape.dim] for end in ends}
            for ends in (graph.input, graph.output)
        )
        self._rknn = RKNN(verbose=True)
        self._step("config", target_platform=os.environ["VIEWFINDER_RKNN_PLATFORM"])
        self._step("load_onnx", model=path)
        self._step("build", do_quantization=False)
        self._step("export_rknn", os.environ["VIEWFINDER_RKNN_FILE"])
        self._step("init_runtime")
        self._given: list[Any] = []
        self._results: dict[str, Any] = {}

    def _step(self, name: str, *words: Any, **options: Any) -> None:
        """Call the toolkit, which says 0 where all went well.

        Raises:
            RuntimeError: it did not.
        """
        try:
            code = getattr(self._rknn, name)(*words, **options)
        except Exception as error:  # its exceptions share no base class but this one
            said = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise RuntimeError(f"{name}: {said[-1].strip()}") from error  # above it stand the toolkit's own lines
        if code:
            raise RuntimeError(f"{name} gave the code {code}")

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        return [self._inputs, self._outputs]

    def set(self, arrays: dict[str, Any]) -> None:
        """Keep the inputs in the file's order."""
        self._given = [np.ascontiguousarray(arrays[name]) for name in self._inputs]

    def invoke(self) -> None:
        """Compute."""
        found = self._rknn.inference(inputs=self._given, data_format="nchw")
        if found is None:
            raise RuntimeError("the simulator gives nothing")
        pairs = zip(self._outputs.items(), found)  # noqa: B905 one result per output
        self._results = {name: np.asarray(one, np.float32).reshape(shape) for (name, shape), one in pairs}

    def results(self) -> dict[str, Any]:
        """Return the outputs."""
        return self._results


def extend(worker: Any) -> None:
    """Add this runtime to a worker's; what the compiler prints and leaves behind goes where variables say."""
    worker.MODELS["rknn"] = Rknn
    os.chdir(os.path.dirname(os.environ["VIEWFINDER_RKNN_FILE"]))  # noqa: PTH120 as in `_worker`
    os.dup2(os.open(os.environ["VIEWFINDER_RKNN_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    os.dup2(2, 1)
