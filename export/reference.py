"""The plain PyTorch float network on photographs: what every artifact is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import BadImageError
from viewfinder.export import exporter, weights
from viewfinder.task import Task


class Reference:
    """A task's network with its weights, run on whole photographs by its pipeline's own reference."""

    def __init__(self, task: Task, weights_name: str | Path | None = None) -> None:
        """Load the weights named by a word or a file; None takes the task's default."""
        self.task = task
        self.weights, self.path = weights.locate(task, weights_name)
        self._network = weights.load(task, self.path)
        self._pipeline = exporter.pipeline_module(task.pipeline)

    def enhance(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Enhance ``[H, W, 3]`` uint8 or uint16; return float32 ``[H, W, 3]`` clipped to 0..1, not rounded."""
        if pixels.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)} or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise BadImageError(
                f"a picture of {pixels.dtype} {pixels.shape} cannot be enhanced",
                "give uint8 or uint16 [height, width, 3]",
            )
        enhanced: NDArray[np.float32] = self._pipeline.enhance(self.task, self._network, pixels)
        return np.clip(enhanced, 0.0, 1.0, out=enhanced)
