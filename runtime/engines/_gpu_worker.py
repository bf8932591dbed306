"""Runs a TFLite file on LiteRT's GPU accelerator; `_worker.learn` loads this file, which may import nothing of ours.

Two variables choose: ``VIEWFINDER_GPU_FP32=1`` computes in fp32, where phones compute in fp16 unless asked otherwise;
``VIEWFINDER_GPU_BESIDE_CPU=1`` lets operators that the accelerator does not take run on the CPU. What the libraries
print, and who takes what, goes to the file ``VIEWFINDER_GPU_LOG``.
"""

from __future__ import annotations

import importlib
import math
import os
import time
from typing import Any

import numpy as np

MODULE = "ai_edge_litert.compiled_model"
MOST_WAITS = 5


class Gpu:
    """A file, compiled for the GPU."""

    def __init__(self, module: str, path: str, _threads: int) -> None:
        """Compile it; the driver chooses its threads itself."""
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
        from ai_edge_litert.options import GpuOptions, Options

        beside_cpu = os.environ.get("VIEWFINDER_GPU_BESIDE_CPU") == "1"
        where = HardwareAccelerator.GPU | HardwareAccelerator.CPU if beside_cpu else HardwareAccelerator.GPU
        precise = GpuOptions(enforce_f32=os.environ.get("VIEWFINDER_GPU_FP32") == "1")
        options = Options(hardware_accelerators=where, gpu_options=precise)
        self._model = importlib.import_module(module).CompiledModel.from_file(path, options=options)
        signatures = self._model.get_signature_list()
        if not signatures:
            raise ValueError("the file has no signature, by which LiteRT names inputs and outputs")
        name = next(iter(signatures))
        self._inputs = self._details(signatures[name]["inputs"], self._model.get_input_tensor_details(name))
        self._outputs = self._details(signatures[name]["outputs"], self._model.get_output_tensor_details(name))
        self._given, self._found = self._model.create_input_buffers(0), self._model.create_output_buffers(0)

    @staticmethod
    def _details(names: list[str], details: dict[str, Any]) -> dict[str, list[int]]:
        """Return the shapes in the signature's order, which is that of the buffers.

        Raises:
            ValueError: a tensor is no float32.
        """
        for name in names:
            if details[name]["dtype"] != "float32":
                raise ValueError(f"{name} is {details[name]['dtype']}, and GPUs are given float32 here")
        return {name: [int(side) for side in details[name]["shape"]] for name in names}

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        return [self._inputs, self._outputs]

    def set(self, arrays: dict[str, Any]) -> None:
        """Copy the inputs in."""
        for name, buffer in zip(self._inputs, self._given):  # noqa: B905 made for these names
            buffer.write(np.ascontiguousarray(arrays[name]).ravel())

    def invoke(self) -> None:
        """Compute."""
        self._model.run_by_index(0, self._given, self._found)

    def results(self) -> dict[str, Any]:
        """Copy the outputs out, which waits for the GPU."""
        pairs = zip(self._outputs.items(), self._found)  # noqa: B905 as above
        return {name: waited(buffer, math.prod(shape)).reshape(shape) for (name, shape), buffer in pairs}


def waited(buffer: Any, count: int) -> Any:
    """Read a buffer when the GPU is done.

    The first run waits for the driver to compile its shaders: half a minute of a loaded core for a burst network, and
    LiteRT gives up before (``Failed to lock custom tensor buffer``) while the driver goes on.
    """
    for _ in range(MOST_WAITS):
        try:
            return buffer.read(count, np.float32)
        except RuntimeError:
            time.sleep(1)
    return buffer.read(count, np.float32)


def extend(worker: Any) -> None:
    """Add this runtime to a worker's, and have what the libraries print go where a variable says."""
    worker.MODELS[MODULE] = Gpu
    log = os.environ.get("VIEWFINDER_GPU_LOG")
    if log:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        os.dup2(2, 1)
