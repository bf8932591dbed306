"""Frames as files keep them: a burst of 12 megapixels fits into memory as codes, not as floats of all its planes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from viewfinder import light
from viewfinder.bursts.burst import (
    PLANES,
    SMALLEST_SIDE,
    WHITE,
    Array,
    BadBurstError,
    Burst,
    NoiseLevel,
    check_colours,
    check_white,
    frame_called,
)

SRGB, LINEAR = "srgb", "linear"
"""What codes stand for: display-referred sRGB, or light itself."""
BELOW = "black has to lie below white"
Table = tuple[Array, ...]


class Frames(Protocol):
    """What a pipeline needs of a burst: one plane at a time, in linear light."""

    @property
    def name(self) -> str:
        """Name of the burst, for messages."""

    @property
    def noise(self) -> NoiseLevel | None:
        """Noise of every frame, or None where nobody knows it."""

    @property
    def count(self) -> int:
        """Number of frames."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a plane."""

    @property
    def planes(self) -> int:
        """Number of planes, as in `viewfinder.bursts.burst.PLANES`."""

    def plane(self, number: int) -> Array:
        """Return one plane of every frame, ``[N, H, W]`` linear with white at 1, as a new array."""


@dataclass(frozen=True)
class FloatFrames:
    """A `Burst` as `Frames`."""

    burst: Burst

    @property
    def name(self) -> str:
        """Name of the burst."""
        return self.burst.name

    @property
    def noise(self) -> NoiseLevel:
        """Noise of the burst."""
        return self.burst.noise

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.burst.count

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.burst.size

    @property
    def planes(self) -> int:
        """Number of planes."""
        return int(self.burst.frames.shape[3])

    def plane(self, number: int) -> Array:
        """Return one plane of every frame, as a new array."""
        return np.array(self.burst.frames[..., number], np.float32, order="C")


@dataclass(frozen=True)
class Told:
    """Frames whose noise somebody else says."""

    frames: Frames
    noise: NoiseLevel | None

    @property
    def name(self) -> str:
        """Name of the frames."""
        return self.frames.name

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.frames.count

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.frames.size

    @property
    def planes(self) -> int:
        """Number of planes."""
        return self.frames.planes

    def plane(self, number: int) -> Array:
        """Return one plane of every frame."""
        return self.frames.plane(number)


@dataclass(frozen=True)
class CodedFrames:
    """Frames as integers, made light when they are asked for.

    Attributes:
        codes: uint8 or uint16 ``[H, W, C]``, one array for each frame, all of one size; C as in `PLANES`.
        noise: of every frame in linear light, None where it is not known.
        curve: `SRGB` or `LINEAR`.
        black: code of no light, for each plane.
        white: code of white; None takes the largest of the type.
        white_balance, matrix: as in `Burst`.
        name: of the folder or file.
        metadata: further facts from the files.
        files: names of the frames' own files, for messages; none where they have none.
    """

    codes: tuple[NDArray[Any], ...]
    noise: NoiseLevel | None = None
    curve: str = SRGB
    black: tuple[float, ...] = (0.0,)
    white: float | None = None
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    matrix: tuple[tuple[float, float, float], ...] | None = None
    name: str = "burst"
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be merged.

        Raises:
            BadBurstError: too few frames, mixed sizes or types, levels or colours that no camera has, a saturated
                reference.
        """
        _check_codes(self)
        _check_levels(self)
        check_colours(self.name, self.white_balance, self.matrix)
        check_white(self.name, (self.codes[0][..., plane] >= self._codes_at(WHITE) for plane in range(self.planes)))

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.codes)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return int(self.codes[0].shape[0]), int(self.codes[0].shape[1])

    @property
    def planes(self) -> int:
        """Number of planes."""
        return int(self.codes[0].shape[2])

    @property
    def _white(self) -> float:
        """Code of white."""
        return float(np.iinfo(self.codes[0].dtype).max) if self.white is None else self.white

    def _codes_at(self, share: float) -> float:
        """Return the code of a share of white."""
        return min(self.black) + share * (self._white - min(self.black))

    def _table(self, number: int) -> Array:
        """Return the light of every code of a plane."""
        black = self.black[number % len(self.black)]
        codes = np.arange(np.iinfo(self.codes[0].dtype).max + 1, dtype=np.float32)
        shares: Array = (codes - np.float32(black)) / np.float32(self._white - black)
        return light.to_linear(shares.clip(0, 1)) if self.curve == SRGB else shares

    def plane(self, number: int) -> Array:
        """Return one plane of every frame, as a new array."""
        table, found = self._table(number), np.empty((self.count, *self.size), np.float32)
        for place, codes in enumerate(self.codes):
            np.take(table, codes[..., number], out=found[place], mode="clip")  # any other mode copies
        return found


def _check_codes(frames: CodedFrames) -> None:
    """Refuse frames that do not belong together."""
    if len(frames.codes) < 2:
        count = f"{len(frames.codes)} frame{'s' if len(frames.codes) != 1 else ''}"
        raise BadBurstError(f"{frames.name} has {count}", "a burst is two or more frames of one scene")
    first = frames.codes[0]
    if first.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)} or first.ndim != 3 or first.shape[2] not in PLANES:
        raise BadBurstError(
            f"{frames.name} holds frames of {first.dtype} {first.shape}", "give uint8 or uint16 [height, width, planes]"
        )
    for number, codes in enumerate(frames.codes, 1):
        if codes.shape != first.shape or codes.dtype != first.dtype:
            raise BadBurstError(
                f"{frames.name}: {frame_called(number, frames.files)} is {_size(codes)}, but the first one is "
                f"{_size(first)}",
                "give frames of one camera at one setting",
            )
    if min(first.shape[:2]) < SMALLEST_SIDE:
        raise BadBurstError(
            f"{frames.name} is {_size(first)}", f"give frames of at least {SMALLEST_SIDE} pixels a side"
        )


def _size(codes: NDArray[Any]) -> str:
    """Write size and type of a frame."""
    return (
        f"{codes.shape[1]}x{codes.shape[0]}, {codes.dtype.itemsize * 8} bits, {PLANES.get(codes.shape[2], 'unknown')}"
    )


def _check_levels(frames: CodedFrames) -> None:
    """Refuse a black level that is not below white."""
    wrong = [level for level in frames.black if not 0 <= level < frames._white]  # noqa: SLF001 a part of the class
    if wrong or not frames.black:
        raise BadBurstError(
            f"{frames.name} has the black level {frames.black} and the white level {frames._white:g}",  # noqa: SLF001
            BELOW,
        )
