"""``python -m bench.kernel_application``: per-pixel kernels as shifted products, and as ``unfold``, in two runtimes.

5x5 kernels for each of 8 frames, given at half resolution as the networks predict them; 512 x 512 pixels, one thread.
Each runtime computes both forms in turn, and the least of the repeats counts, so that a busy machine moves the ratio
little. Needs ``viewfinder[export]``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.artifact import GraphFile
from viewfinder.export.exporter import format_module
from viewfinder.export.lowering.kernel_application import SummedByConvolution
from viewfinder.export.quiet import quiet
from viewfinder.export.request import Conversion, Graph
from viewfinder.runtime import engines
from viewfinder.task import TensorSpec
from viewfinder.train.networks.kernels import KERNEL_SIDE, KernelApplication

FRAMES, SIDE, REPEATS = 8, 512, 7
FORMATS = ("onnx", "tflite")
INPUTS = (
    TensorSpec("kernels", (1, FRAMES * KERNEL_SIDE**2, SIDE // 2, SIDE // 2), value_range=None),
    TensorSpec("frames", (1, FRAMES, SIDE, SIDE), value_range=None),
)
OUTPUTS = (TensorSpec("denoised", (1, 1, SIDE, SIDE), value_range=None),)


class Unfolded(nn.Module):
    """The plain definition: windows of every frame times their kernels."""

    def forward(self, kernels: Tensor, frames: Tensor) -> Tensor:
        """Apply tap-major kernels."""
        large = F.interpolate(kernels, scale_factor=2.0, mode="bilinear", align_corners=False)
        windows = F.unfold(frames, KERNEL_SIDE, padding=KERNEL_SIDE // 2).reshape(1, FRAMES, -1, SIDE * SIDE)
        products = windows.transpose(1, 2) * large.reshape(1, -1, FRAMES, SIDE * SIDE)
        return products.sum((1, 2)).reshape(1, 1, SIDE, SIDE)


def measure(kind: str, folder: Path) -> dict[str, float]:
    """Return the least milliseconds of both forms in one format's runtime, and their largest difference."""
    rng = np.random.default_rng(0)
    feeds = {spec.name: rng.random(spec.shape, dtype=np.float32) / 25 for spec in INPUTS}
    forms: dict[str, nn.Module] = {"shifted": SummedByConvolution(KernelApplication(FRAMES)), "unfold": Unfolded()}
    runners = {name: _opened(kind, module, folder / f"{kind}-{name}") for name, module in forms.items()}
    least = dict.fromkeys(runners, float("inf"))
    outputs: dict[str, Any] = {}
    for _ in range(REPEATS):
        for name, run in runners.items():
            begin = time.perf_counter()
            outputs[name] = run(feeds)["denoised"]
            least[name] = min(least[name], 1e3 * (time.perf_counter() - begin))
    return {**least, "max_abs": float(np.abs(outputs["shifted"] - outputs["unfold"]).max())}


def _opened(kind: str, module: nn.Module, stem: Path) -> Callable[[Any], Any]:
    """Convert one form and load it."""
    writer = format_module(kind)
    path = stem.with_suffix(writer.SUFFIX)
    examples = tuple(torch.rand(spec.shape) for spec in INPUTS)
    with quiet():
        writer.convert(Conversion(Graph("application", module.eval(), examples, INPUTS, OUTPUTS), path))
    return engines.for_format(kind).open(path, GraphFile("application", path.name, INPUTS, OUTPUTS), 1)


def main() -> None:
    """Write the numbers as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        found = {kind: measure(kind, Path(folder)) for kind in FORMATS}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
