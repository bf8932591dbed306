"""The plain PyTorch float network on photographs: what every artifact is compared with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts import Burst
from viewfinder.bursts.frames import Frames
from viewfinder.errors import BadImageError, UsageError
from viewfinder.export import exporter, weights
from viewfinder.task import BURST, Task


class Reference:
    """A task's network with its weights, run on whole photographs by its pipeline's own reference."""

    def __init__(self, task: Task, weights_name: str | Path | None = None) -> None:
        """Load the weights named by a word or a file; None takes the task's default."""
        self.task = task
        self.weights, self.path = weights.locate(task, weights_name)
        self._network = weights.load(task, self.path)
        self._pipeline = exporter.pipeline_module(task.pipeline)

    def enhance(self, given: NDArray[Any] | Burst) -> NDArray[np.float32]:
        """Enhance ``[H, W, 3]`` uint8 or uint16, or merge a burst, as the task's pipeline has it.

        Returns:
            float32 ``[H, W, 3]``, display-referred, clipped to 0..1, not rounded.

        Raises:
            BadImageError: an array that is no picture.
            UsageError: a burst for a network of photographs, or the other way round.
        """
        if isinstance(given, Burst) != (self.task.pipeline == BURST):
            raise UsageError(
                f"{self.task.name} takes {'bursts' if self.task.pipeline == BURST else 'photographs'}",
                "give it what it was made for",
            )
        if not isinstance(given, Burst):
            _check(given)
        enhanced: NDArray[np.float32] = self._pipeline.enhance(self.task, self._network, given)
        return np.clip(enhanced, 0.0, 1.0, out=enhanced)

    def merge(self, frames: Frames, on_progress: Callable[[float], None] | None = None) -> NDArray[np.float32]:
        """Merge a burst to linear light ``[H, W, C]``, not clipped, as `BurstRunner.merge` does."""
        found: NDArray[np.float32] = self._pipeline.merge(self.task, self._network, frames, on_progress)
        return found


def _check(pixels: NDArray[Any]) -> None:
    """Refuse an array that is no picture."""
    if pixels.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)} or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadImageError(
            f"a picture of {pixels.dtype} {pixels.shape} cannot be enhanced",
            "give uint8 or uint16 [height, width, 3]",
        )
