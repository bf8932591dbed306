"""Runs an ncnn model in the toolchain's Python; `_worker.learn` loads this file, which may import nothing of ours.

``VIEWFINDER_NCNN_GPU`` has it computed by a Vulkan driver in ``fp32`` or ``fp16``; without it, the processor in fp32.
Which driver that is, and which layers are left to the processor, goes to the file ``VIEWFINDER_NCNN_PLACED``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic")
LARGE_WINOGRAD = ("use_winograd43_convolution", "use_winograd63_convolution")
"""Off in fp16: transforms of tiles of 4 and 6 multiply by up to 8 and 32 and take differences again, which halves
cannot hold. Of the weights that dncnn had first, on three photographs (128 x 128, a software driver), the worst against
fp32 has 54.5 dB with them, 63.5 dB with tiles of 2 alone, which only add and halve, and 62.0 dB without Winograd; in
1.24, 1.86 and 3.63 times the time of fp32."""
NO_WORK = frozenset({"Input", "Split", "MemoryData"})
"""Layers that only name or hold something."""


class Ncnn:
    """A model in ncnn."""

    def __init__(self, module: str, path: str, threads: int) -> None:
        """Load it, and compile its shaders if a GPU is to compute."""
        self._ncnn = __import__(module)
        folder, precision = Path(path), os.environ.get("VIEWFINDER_NCNN_GPU", "")
        self._ends = json.loads((folder / "ends.json").read_text(encoding="utf-8"))
        if precision and not self._ncnn.get_gpu_count():
            raise RuntimeError("ncnn finds no Vulkan driver")
        self._net = self._ncnn.Net()
        self._net.opt.num_threads, self._net.opt.use_vulkan_compute = threads, bool(precision)
        for option in HALF:
            setattr(self._net.opt, option, precision == "fp16")
        for option in LARGE_WINOGRAD:
            setattr(self._net.opt, option, precision != "fp16")
        succeed(self._net.load_param(str(folder / "model.param")), "reading the layers")
        succeed(self._net.load_model(str(folder / "model.bin")), "reading the weights and preparing the layers")
        placed = os.environ.get("VIEWFINDER_NCNN_PLACED")
        if precision and placed:
            Path(placed).write_text(json.dumps(self._placed()), encoding="utf-8")
        self._given: dict[str, Any] = {}
        self._results: dict[str, Any] = {}

    def _placed(self) -> dict[str, Any]:
        """Say which driver computes, and what ncnn would leave to the processor without a word."""
        layers = [layer for layer in self._net.layers() if layer.type not in NO_WORK]
        return {
            "driver": self._net.vulkan_device().info().device_name(),
            "gpu": sum(layer.support_vulkan for layer in layers),
            "cpu": Counter(layer.type for layer in layers if not layer.support_vulkan),
        }

    def shapes(self) -> list[dict[str, list[int]]]:
        """Return the shapes of the inputs and of the outputs, by name."""
        return [{end["name"]: end["shape"] for end in self._ends[side]} for side in ("inputs", "outputs")]

    def set(self, arrays: dict[str, Any]) -> None:
        """Copy the inputs, without the batch's axis."""
        for end in self._ends["inputs"]:
            array = arrays[end["name"]]
            array = array if end["batch"] is None else array.take(0, axis=end["batch"])
            self._given[end["blob"]] = self._ncnn.Mat(np.ascontiguousarray(array, np.float32)).clone()

    def invoke(self) -> None:
        """Compute, and copy the outputs, which waits for the GPU."""
        with self._net.create_extractor() as extractor:
            for blob, given in self._given.items():
                succeed(extractor.input(blob, given), f"taking the input {blob}")
            for end in self._ends["outputs"]:
                code, found = extractor.extract(end["blob"])
                succeed(code, f"computing {end['blob']}")
                self._results[end["name"]] = np.array(found).reshape(end["shape"])

    def results(self) -> dict[str, Any]:
        """Return the outputs."""
        return self._results


def succeed(code: int, step: str) -> None:
    """Turn ncnn's code into an error; why, it only prints.

    Raises:
        RuntimeError: the step failed.
    """
    if code != 0:
        raise RuntimeError(f"ncnn gave the code {code} when {step}")


def extend(worker: Any) -> None:
    """Add this runtime to a worker's."""
    worker.MODELS["ncnn"] = Ncnn
