"""Raw frames as a burst: codes stay codes until a plane is asked for, so that 12 megapixels of 8 frames fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from viewfinder.bursts.burst import SMALLEST_SIDE, WHITE, Array, BadBurstError, NoiseLevel, check_white, frame_called

if TYPE_CHECKING:
    from viewfinder.raw import RawFrame

ORIENTATION = "orientation"
SAME_NOISE = 0.1
"""Frames of one gain state the same noise; a larger share between them means that the gain was another."""
_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))
_HINT = "give frames of one camera at one setting"


@dataclass(frozen=True)
class RawFrames:
    """Bayer frames as `viewfinder.bursts.frames.Frames`: planes R, G1, G2, B at half resolution.

    Each frame keeps its own black levels: cameras measure them anew for every frame.

    Attributes:
        frames: the first one is the reference, whose colours and orientation the result gets.
        name: of the folder or file.
        files: names of the frames' own files, for messages; none where one file holds them all.
    """

    frames: tuple[RawFrame, ...]
    name: str = "burst"
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be merged.

        Raises:
            BadBurstError: too few frames, mixed sizes, whites or gains, a saturated reference.
        """
        if len(self.frames) < 2:
            count = f"{len(self.frames)} frame{'s' if len(self.frames) != 1 else ''}"
            raise BadBurstError(f"{self.name} has {count}", "a burst is two or more frames of one scene")
        for number, frame in enumerate(self.frames[1:], 2):
            _check_alike(f"{self.name}: {frame_called(number, self.files)}", frame, self.frames[0])
        if min(self.size) < SMALLEST_SIDE:
            size = f"{self.size[1]}x{self.size[0]}"
            raise BadBurstError(
                f"{self.name} has planes of {size}", f"give planes of at least {SMALLEST_SIDE} pixels a side"
            )
        check_white(self.name, (_plane(self.frames[0], number) >= WHITE for number in range(self.planes)))

    @property
    def noise(self) -> NoiseLevel | None:
        """Noise of the reference, None where its file does not say it."""
        return self.frames[0].noise

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a plane."""
        height, width = self.frames[0].codes.shape
        return height // 2, width // 2

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len(_PLACES)

    @property
    def white_balance(self) -> tuple[float, float, float]:
        """Gains of the reference."""
        return self.frames[0].white_balance

    @property
    def matrix(self) -> tuple[tuple[float, float, float], ...] | None:
        """Camera to sRGB of the reference."""
        return self.frames[0].matrix

    @property
    def metadata(self) -> Mapping[str, str]:
        """How the reference has to be turned."""
        return {ORIENTATION: str(self.frames[0].orientation)}

    def plane(self, number: int) -> Array:
        """Return one plane of every frame, as a new array; not clipped."""
        found = np.empty((self.count, *self.size), np.float32)
        for place, frame in enumerate(self.frames):
            found[place] = _plane(frame, number)
        return found


def _plane(frame: RawFrame, number: int) -> Array:
    """Return ``(code - black) / (white - black)`` of one plane, as `viewfinder.raw.planes`."""
    row, column = _PLACES[number]
    black = frame.black[number]
    result: Array = (frame.codes[row::2, column::2] - np.float32(black)) / np.float32(frame.white - black)
    return result


def _check_alike(what: str, frame: RawFrame, first: RawFrame) -> None:
    """Refuse a frame that does not belong to the first one."""
    mine, theirs = (f"{one.codes.shape[1]}x{one.codes.shape[0]}" for one in (frame, first))
    if mine != theirs:
        raise BadBurstError(f"{what} is {mine}, but the first one is {theirs}", _HINT)
    if frame.white != first.white:
        raise BadBurstError(f"{what} is white at {frame.white:g}, but the first one at {first.white:g}", _HINT)
    if frame.noise is None or first.noise is None:
        return
    pairs = (
        (frame.noise.read_std, first.noise.read_std, "read"),
        (frame.noise.shot_std, first.noise.shot_std, "shot"),
    )
    for own, other, kind in pairs:
        if abs(own - other) > SAME_NOISE * max(own, other):
            raise BadBurstError(
                f"{what} was taken at another gain: its {kind} noise is {own:.4g}, that of the first one {other:.4g}",
                _HINT,
                code="mixed-gains",
            )
