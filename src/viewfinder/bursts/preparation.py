"""What is done to a burst before a network sees it, natively and alike in the PyTorch reference and in the product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from viewfinder.bursts import align, merge
from viewfinder.bursts.align import Motion
from viewfinder.bursts.burst import Array, NoiseLevel
from viewfinder.bursts.frames import Frames


def motions(frames: Frames, noise: NoiseLevel, tell: Callable[[float], None] | None = None) -> list[Motion]:
    """Estimate once, on the mean of the planes, how every frame lies against the reference; `tell` the share done."""
    mean = frames.plane(0)
    for number in range(1, frames.planes):
        mean += frames.plane(number)
    mean /= np.float32(frames.planes)
    return align.shifts(mean, noise.averaged(frames.planes), tell)


class Plane:
    """One plane of every frame, ready for a network.

    Attributes:
        frames: ``[N, H, W]``, moved onto the reference where the network wants it.
    """

    def __init__(self, frames: Array, noise: NoiseLevel, moved: Sequence[Motion] | None) -> None:
        """Move the frames in place, by the `motions` of the burst; None leaves them as they are."""
        self.frames, self._noise = frames, noise
        if moved is not None:
            for number in range(1, len(frames)):
                frames[number] = align.warp(frames[number], moved[number], frames[0])

    @property
    def reference(self) -> Array:
        """The first frame, ``[H, W]``."""
        found: Array = self.frames[0]
        return found

    @cached_property
    def merged(self) -> Array:
        """The Wiener merge of the frames, ``[H, W]``."""
        return merge.wiener(self.frames, self._noise)
