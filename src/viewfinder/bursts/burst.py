"""What a burst is once it has been read: frames in linear light and the noise of its camera at its gain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import UsageError

Array = NDArray[np.float32]

BAYER = 4
PLANES: Mapping[int, str] = MappingProxyType(
    {1: "grey", 3: "linear RGB", BAYER: "Bayer planes R, G1, G2, B at half resolution"}
)
"""What the last axis of `Burst.frames` may hold, by its size."""

SMALLEST_SIDE = 16
"""Pixels: one tile of the merge (`viewfinder.bursts.merge.TILE`)."""

LARGEST_NOISE = 1.0
"""Noise whose deviation reaches white level means that another unit was given (codes instead of shares of white)."""

WHITE, MOST_WHITE = 0.999, 0.5
"""A reference frame with more than this share of its values at white has nothing to restore."""


class BadBurstError(UsageError):
    """Frames that are no burst, or metadata that does not fit them."""

    code = "bad-burst"


@dataclass(frozen=True)
class NoiseLevel:
    """Noise of a sensor in linear light where white is 1: ``variance = read_std**2 + shot_std**2 * signal``.

    The two numbers are the square roots of the coefficients that DNG files call ``NoiseProfile`` (offset and slope),
    and sigma_r and sigma_s of Mildenhall et al. 2018.

    Attributes:
        read_std: deviation of what does not depend on light, e.g. ``10**-1.8``.
        shot_std: square root of the variance per unit of light, e.g. ``10**-1.1``.
    """

    read_std: float
    shot_std: float

    def __post_init__(self) -> None:
        """Refuse numbers that no sensor has.

        Raises:
            BadBurstError: negative, not finite, both zero, or above `LARGEST_NOISE`.
        """
        for name in ("read_std", "shot_std"):
            value = getattr(self, name)
            if not math.isfinite(value) or not 0 <= value <= LARGEST_NOISE:
                raise BadBurstError(
                    f"the noise level has {name} {value}, outside 0..{LARGEST_NOISE:g}",
                    "give deviations in shares of white (a sensor's codes divided by white level less black level)",
                )
        if self.read_std == self.shot_std == 0:
            raise BadBurstError("the noise level is zero", "a picture without noise needs no denoising")

    def variance(self, signal: Array) -> Array:
        """Return the noise variance at `signal` (linear, white 1; what is negative counts as black)."""
        result: Array = np.float32(self.read_std**2) + np.float32(self.shot_std**2) * np.maximum(signal, 0)
        return result

    def deviation(self, signal: Array) -> Array:
        """Return the noise deviation at `signal`: the noise map that networks get, made from the reference frame."""
        result: Array = np.sqrt(self.variance(signal))
        return result

    def averaged(self, frames: float) -> NoiseLevel:
        """Return the noise that is left after the mean of `frames` aligned frames."""
        share = 1 / math.sqrt(frames)
        return NoiseLevel(self.read_std * share, self.shot_std * share)


@dataclass(frozen=True)
class Burst:
    """Frames of one scene in linear light; the first one is the reference, whose view the result has.

    Attributes:
        frames: float32 ``[N, H, W, C]``, black subtracted, white 1, neither clipped nor rounded (noise makes negative
            values); C as in `PLANES`.
        noise: of every frame.
        white_balance: gains of red, green and blue that make grey neutral.
        matrix: 3x3, camera colours to linear sRGB (after the gains), by rows; None when the frames are sRGB's already.
        name: of the folder or file, for messages and reports.
        metadata: further facts from the files, as text.
    """

    frames: Array
    noise: NoiseLevel
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    matrix: tuple[tuple[float, float, float], ...] | None = None
    name: str = "burst"
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be merged.

        Raises:
            BadBurstError: wrong shape or type, fewer than two frames, values that are not finite, a saturated
                reference, or colours that nothing has.
        """
        _check_type(self.name, self.frames)
        check_shape(self.name, self.frames.shape)
        check_values(self.name, self.frames)
        check_colours(self.name, self.white_balance, self.matrix)

    @property
    def count(self) -> int:
        """Number of frames."""
        return int(self.frames.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of one plane."""
        return int(self.frames.shape[1]), int(self.frames.shape[2])

    @property
    def reference(self) -> Array:
        """The first frame, ``[H, W, C]``."""
        result: Array = self.frames[0]
        return result

    def need(self, count: int) -> None:
        """Refuse the burst unless it has exactly `count` frames, as a network needs.

        Raises:
            BadBurstError: another number of frames.
        """
        if self.count != count:
            way = f"leave {self.count - count} out" if self.count > count else f"add {count - self.count}"
            raise BadBurstError(f"{self.name} has {self.count} frames, but {count} are needed", f"{way} of the frames")


def stack(frames: list[Array] | tuple[Array, ...], name: str = "burst") -> Array:
    """Stack frames ``[H, W, C]`` (or ``[H, W]``, grey) into ``[N, H, W, C]`` float32.

    Raises:
        BadBurstError: no frames, or frames of different sizes.
    """
    shapes = [np.shape(frame) for frame in frames]
    if not shapes:
        raise BadBurstError(f"{name} has no frames", "a burst is two or more frames of one scene")
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise BadBurstError(
                f"{name}: frame {number + 1} is {_size(shape)}, but the first one is {_size(shapes[0])}",
                "give frames of one camera at one setting",
            )
    stacked = np.stack([np.asarray(frame, np.float32) for frame in frames])
    return stacked[..., None] if stacked.ndim == 3 else stacked


def frame_called(number: int, files: Sequence[str]) -> str:
    """Name a frame for messages, from 1 on: ``frame 2 (IMG_0012.png)``; without its file where `files` has none."""
    return f"frame {number} ({files[number - 1]})" if len(files) >= number else f"frame {number}"


def _size(shape: tuple[int, ...]) -> str:
    """Write width x height x planes."""
    return "x".join(str(size) for size in (*shape[1::-1], *shape[2:]))


def _check_type(name: str, frames: Array) -> None:
    """Refuse what is no float32 array of four axes."""
    if getattr(frames, "dtype", None) != np.float32 or np.ndim(frames) != 4:
        raise BadBurstError(
            f"{name} is an array of {np.ndim(frames)} axes and type {getattr(frames, 'dtype', type(frames).__name__)}",
            "give float32 [N, H, W, C] in linear light: black 0, white 1",
        )


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Refuse the shape of arrays ``[N, H, W, C]`` that are no stack of frames.

    Raises:
        BadBurstError: fewer than two frames, planes that nothing has, or frames smaller than a tile of the merge.
    """
    count, height, width, planes = shape
    if count < 2:
        raise BadBurstError(f"{name} has {count} frame", "a burst is two or more frames of one scene")
    if planes not in PLANES:
        known = ", ".join(f"{size} ({meaning})" for size, meaning in PLANES.items())
        raise BadBurstError(f"{name} has {planes} planes", f"give one of: {known}")
    if min(height, width) < SMALLEST_SIDE:
        raise BadBurstError(f"{name} is {width}x{height}", f"give frames of at least {SMALLEST_SIDE} pixels a side")


def check_values(name: str, frames: Iterable[Array]) -> None:
    """Refuse numbers that are no light, one frame at a time.

    Raises:
        BadBurstError: a value that is not finite, or a white reference.
    """
    for number, frame in enumerate(frames):
        if not np.isfinite(frame).all():
            raise BadBurstError(f"{name}: frame {number + 1} has values that are not finite", "read the frames again")
        if number == 0:
            check_white(name, [frame >= WHITE])


def check_white(name: str, at_white: Iterable[NDArray[np.bool_]]) -> None:
    """Refuse a reference frame with more than `MOST_WHITE` at white in one of its planes: which are, plane by plane.

    Raises:
        BadBurstError: with the code ``saturated-burst``.
    """
    white = max(float(np.mean(plane)) for plane in at_white)
    if white > MOST_WHITE:
        raise BadBurstError(
            f"{name}: {white:.0%} of the reference frame is at white",
            "name a shorter exposure first, or check the white level, by which codes have to be divided",
            code="saturated-burst",
        )


def check_colours(name: str, white_balance: Sequence[float], matrix: Sequence[Sequence[float]] | None) -> None:
    """Refuse colours that nothing has.

    Raises:
        BadBurstError: not three positive gains, or a matrix that is not 3x3 finite numbers.
    """
    if len(white_balance) != 3 or not all(math.isfinite(gain) and gain > 0 for gain in white_balance):
        raise BadBurstError(
            f"{name} has the white balance {white_balance}", "give three positive gains: red, green, blue"
        )
    if matrix is not None and (np.shape(matrix) != (3, 3) or not np.isfinite(matrix).all()):
        raise BadBurstError(f"{name} has a colour matrix that is not 3x3 finite numbers", "give it by rows")
