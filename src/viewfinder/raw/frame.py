"""One raw frame in memory, and its planes in linear light."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts.burst import NoiseLevel
from viewfinder.errors import BadImageError

Array = NDArray[np.float32]
Codes = NDArray[np.uint16]
Matrix = tuple[tuple[float, float, float], ...]

PATTERNS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}
)
"""Bayer patterns by their first 2x2 pixels, and where the first red pixel lies."""

SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB (white D65) to XYZ, IEC 61966-2-1."""


@dataclass(frozen=True)
class RawFrame:
    """What a sensor counted, and how to read it.

    Attributes:
        codes: uint16 ``[H, W]``, an RGGB mosaic with even sides: other patterns have lost a first row or column.
        black: code of black of R, G1 (beside R), G2, B.
        white: code at which the sensor saturates.
        white_balance: gains of red, green and blue that make grey neutral.
        matrix: 3x3, camera colours (after the gains) to linear sRGB, by rows; None where nobody knows it.
        noise: at this exposure; None where the file does not say.
        orientation: EXIF's number (1 is upright) of how the picture has to be turned.
    """

    codes: Codes
    black: tuple[float, float, float, float]
    white: float
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    matrix: Matrix | None = None
    noise: NoiseLevel | None = None
    orientation: int = 1


def from_codes(codes: NDArray[Any], black: Sequence[float] | float, white: float, **rest: Any) -> RawFrame:
    """Make a frame of an array.

    Args:
        codes: unsigned integers: a mosaic ``[H, W]``, or RGGB planes ``[h, w, 4]``.
        black: one code, or four (R, G1, G2, B).
        white: code of saturation.
        rest: ``pattern`` (of `PATTERNS`, default RGGB), and the other attributes of `RawFrame`.

    Raises:
        BadImageError: another type or shape, an unknown pattern, white not above black, or gains that nothing has.
    """
    pattern = str(rest.pop("pattern", "RGGB")).upper()
    if pattern not in PATTERNS:
        raise BadImageError(f"the colour filter {pattern!r} is no Bayer pattern", f"use one of {', '.join(PATTERNS)}")
    mosaic = _mosaic(codes)
    row, column = PATTERNS[pattern]
    mosaic = mosaic[row:, column:]
    mosaic = mosaic[: mosaic.shape[0] // 2 * 2, : mosaic.shape[1] // 2 * 2]
    if min(mosaic.shape) < 2:
        raise BadImageError(f"a mosaic of {codes.shape} has no whole 2x2 block", "give at least 3x3 pixels")
    levels = np.broadcast_to(np.asarray(black, np.float64), 4)
    if not np.isfinite(levels).all() or not math.isfinite(white) or white <= levels.max() or levels.min() < 0:
        raise BadImageError(
            f"black is {levels.tolist()} and white {white}",
            "give codes with black below white, as the file's maker says",
        )
    red, green_1, green_2, blue = levels.tolist()
    frame = RawFrame(np.ascontiguousarray(mosaic), (red, green_1, green_2, blue), float(white), **rest)
    if not all(math.isfinite(gain) and gain > 0 for gain in frame.white_balance):
        raise BadImageError(
            f"the white balance is {frame.white_balance}", "give three positive gains: red, green, blue"
        )
    return frame


def _mosaic(codes: NDArray[Any]) -> Codes:
    """Return a mosaic ``[H, W]`` of a mosaic or of RGGB planes."""
    if codes.dtype.kind != "u" or codes.dtype.itemsize > 2:
        raise BadImageError(f"raw codes are {codes.dtype}", "give uint8 or uint16")
    if codes.ndim == 2:
        return codes.astype(np.uint16, copy=False)
    if codes.ndim != 3 or codes.shape[2] != 4:
        raise BadImageError(f"raw codes have the shape {codes.shape}", "give a mosaic [H, W] or RGGB planes [h, w, 4]")
    mosaic = np.empty((codes.shape[0] * 2, codes.shape[1] * 2), np.uint16)
    for number, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        mosaic[row::2, column::2] = codes[..., number]
    return mosaic


def planes(frame: RawFrame) -> Array:
    """Return ``(code - black) / (white - black)`` as planes ``[H/2, W/2, 4]``: R, G1, G2, B; not clipped.

    One white for all planes: the sensor saturates at the same code everywhere.
    """
    found = np.empty((frame.codes.shape[0] // 2, frame.codes.shape[1] // 2, 4), np.float32)
    for number, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        black = frame.black[number]
        found[..., number] = (frame.codes[row::2, column::2] - np.float32(black)) / np.float32(frame.white - black)
    return found


def camera_to_srgb(xyz_to_camera: NDArray[Any]) -> Matrix:
    """Return the matrix from balanced camera colours to linear sRGB, of a file's ColorMatrix (XYZ to camera, 3x3).

    ``M = xyz_to_camera @ srgb_to_xyz`` with every row divided by its sum, so that white stays white; then the inverse:
    what dcraw and LibRaw do.

    Raises:
        BadImageError: the matrix is not 3x3, not finite or cannot be inverted.
    """
    wanted = np.asarray(xyz_to_camera, np.float64)
    if wanted.shape == (3, 3) and np.isfinite(wanted).all():
        mixed = wanted @ np.array(SRGB_TO_XYZ)
        sums = mixed.sum(1, keepdims=True)
        if np.abs(sums).min() > 1e-6 and abs(np.linalg.det(mixed / sums)) > 1e-6:
            rows = np.linalg.inv(mixed / sums).tolist()
            return tuple((row[0], row[1], row[2]) for row in rows)
    raise BadImageError(f"the colour matrix {wanted.tolist()} fits no camera", "give XYZ to camera, 3x3")
