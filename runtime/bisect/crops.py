"""Pictures of a tensor in two artifacts: the channel that differs most, where it differs most."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder.runtime.bisect import Array
from viewfinder.runtime.report import panels

SIDE = 64
"""Most values of a crop along each axis."""
SHOWN = 256
"""Pixels that the longer side of a crop is enlarged to, each value a square."""
LEAST = 4
"""A tensor with fewer rows or columns is no picture."""
ROW = 16
"""Values of a vector that are shown in one row."""
Key = tuple[str, str]


@dataclass(frozen=True)
class _Crop:
    """One channel of a tensor, cut to where it differs most."""

    photo: str
    own: Array
    other: Array
    place: str
    error: float


@dataclass
class Kept:
    """The worst crop of every tensor that can be shown as a picture."""

    _crops: dict[Key, _Crop] = field(default_factory=dict)

    def offer(self, key: Key, photo: str, own: Array, other: Array) -> None:
        """Keep a crop if it is worse than the one that is kept."""
        planes = _planes(own)
        if planes is None:
            return
        found = _crop(photo, planes, np.asarray(_planes(other)))
        if key not in self._crops or found.error > self._crops[key].error:
            self._crops[key] = found

    def has(self, key: Key) -> bool:
        """Tell whether a tensor can be shown."""
        return key in self._crops

    def draw(self, key: Key, folder: Path | None) -> dict[str, Any]:
        """Draw the crop: float, the other, and their amplified difference, on one scale from black to white."""
        crop = self._crops[key]
        low, high = float(crop.own.min()), float(crop.own.max())
        span = (high - low) or 1.0
        shown = [np.nan_to_num((plane - low) / span, nan=0.0).astype(np.float32) for plane in (crop.own, crop.other)]
        factor = panels.amplification(shown[1] - shown[0])
        pictures = {
            "float": shown[0],
            "artifact": shown[1],
            "difference": panels.amplified(shown[1] - shown[0], factor),
        }
        caption = {"photograph": crop.photo, "place": crop.place, "range": [low, high], "difference_factor": factor}
        if folder is None:
            return caption
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"tensor.{panels.slug('-'.join(key))[-80:]}"
        files = {
            kind: panels.save_exact(_enlarged(one), folder / f"{stem}.{kind}.png") for kind, one in pictures.items()
        }
        return {**caption, **files}


def _planes(values: Array) -> Array | None:
    """Return ``[channels, H, W]`` of a tensor ``[1, C, H, W]`` or ``[1, H, W, C]``; of others a table of their values.

    Which of the two it is, the sizes tell: the channels' axis is the one that differs from its neighbour, or the last.
    """
    if values.ndim == 4 and values.shape[0] == 1:
        first, second, last = values.shape[1:]
        is_last = first == second or (second != last and last < second)
        planes = values[0].transpose(2, 0, 1) if is_last else values[0]
    else:
        planes = values.reshape(1, -1, values.shape[-1] if values.ndim else 1)
    if planes.shape[1] < LEAST and planes.size % ROW == 0:
        planes = planes.reshape(1, -1, ROW)
    return planes if min(planes.shape[1:]) >= LEAST else None


def _crop(photo: str, own: Array, other: Array) -> _Crop:
    """Cut the channel with the greatest error to where it is greatest."""
    error = np.nan_to_num(np.square(own - other), nan=1e30, posinf=1e30)
    channel = int(np.argmax(error.mean((1, 2))))
    sides = [min(SIDE, size) for size in own.shape[1:]]
    centre = np.unravel_index(int(np.argmax(error[channel])), own.shape[1:])
    top, left = (
        int(min(max(0, at - side // 2), size - side))
        for at, side, size in zip(centre, sides, own.shape[1:], strict=True)
    )
    cut = np.s_[top : top + sides[0], left : left + sides[1]]
    place = f"channel {channel}, rows from {top}, columns from {left}"
    return _Crop(photo, own[channel][cut].copy(), other[channel][cut].copy(), place, float(error[channel].mean()))


def _enlarged(plane: Array) -> Array:
    """Turn ``[H, W]`` into a grey picture in which every value is a square."""
    scale = max(1, SHOWN // max(plane.shape))
    return np.repeat(np.repeat(np.repeat(plane[..., None], 3, 2), scale, 0), scale, 1)
