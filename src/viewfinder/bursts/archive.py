"""Bursts in an ``.npz``: frames as light or as a sensor's codes, and what is known of the camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts.archived import BROKEN, ArchivedFrames, Member
from viewfinder.bursts.burst import BAYER, PLANES, Array, BadBurstError, NoiseLevel
from viewfinder.bursts.frames import BELOW, LINEAR, SRGB, CodedFrames, Frames
from viewfinder.bursts.raw_frames import ORIENTATION
from viewfinder.errors import BadImageError

SUFFIX = ".npz"
KEYS: Mapping[str, str] = MappingProxyType(
    {
        "frames": "[N, H, W] or [N, H, W, C], C 1, 3 or 4 (Bayer planes R, G1, G2, B); float: linear light, white 1; "
        "uint8 or uint16: codes, linear if they are Bayer's or have `black` or `white`, else sRGB",
        "pattern": "RGGB, GRBG, GBRG or BGGR: frames [N, H, W] are mosaics of a Bayer sensor",
        "black": "code of no light: one, or one for each plane (R, G1, G2, B)",
        "white": "code at which the sensor saturates",
        "read_std, shot_std": "noise: variance = read_std^2 + shot_std^2 * light, white 1",
        "white_balance": "gains of red, green, blue that make grey neutral; Bayer alone, as what follows",
        "xyz_to_camera": "3x3, a DNG's ColorMatrix",
        "camera_to_srgb": "3x3 in its place: balanced camera colours to linear sRGB",
        "orientation": "EXIF's number, 1 is upright",
    }
)
"""What an archive may hold."""
HINT = (
    "an archive holds `frames`, and may hold " + ", ".join(f"`{key}`" for key in list(KEYS)[1:]) + " (docs/bursts.md)"
)
_OF_BAYER = ("white_balance", "xyz_to_camera", "camera_to_srgb", "orientation")
_UPRIGHT = (1, 3, 6, 8)
_NUMBERS, _FRAMES = "fiu", "frames"
Arrays = Mapping[str, NDArray[Any]]


def read(path: Path) -> Frames:
    """Read a burst as `KEYS` say; other arrays are left alone, and nothing in the file is ever run.

    Raises:
        BadBurstError: no archive, no frames, or numbers that do not fit them.
    """
    frames, stored = _opened(path)
    if frames.ndim not in {3, 4} or not len(frames):
        raise BadBurstError(f"{path} has frames of the shape {frames.shape}", HINT)
    is_light = isinstance(frames, Member) or frames.dtype.kind == "f"
    return _light(path, frames, stored) if is_light else _codes(path, np.asarray(frames), stored)


def _opened(path: Path) -> tuple[Member | NDArray[Any], Arrays]:
    """Return the frames, floats to be read one at a time where that is possible, and the other arrays."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            stored = {key: arrays[key] for key in arrays.files if key != _FRAMES}
            if _FRAMES not in arrays.files:
                raise BadBurstError(f"{path} has no array `frames`; it has {', '.join(stored) or 'nothing'}", HINT)
            member = Member.of(path, _FRAMES)
            return (member or arrays[_FRAMES]), stored
    except BROKEN as error:
        raise BadBurstError(f"{path} cannot be read: {error}", HINT) from error


def _planes(path: Path, frames: NDArray[Any], stored: Arrays) -> NDArray[Any]:
    """Return frames ``[N, H, W, C]``; mosaics are taken apart, from their first red pixel on."""
    from viewfinder.raw import PATTERNS

    if "pattern" not in stored:
        return frames[..., None] if frames.ndim == 3 else frames
    pattern = str(stored["pattern"]).upper()
    if pattern not in PATTERNS:
        raise BadBurstError(f"{path}: pattern {pattern!r} is no Bayer pattern", f"use one of {', '.join(PATTERNS)}")
    if frames.ndim != 3:
        raise BadBurstError(f"{path} has a pattern, and frames of the shape {frames.shape}", "mosaics are [N, H, W]")
    row, column = PATTERNS[pattern]
    whole = frames[:, row:, column:]
    whole = whole[:, : whole.shape[1] // 2 * 2, : whole.shape[2] // 2 * 2]
    return np.stack([whole[:, y::2, x::2] for y in (0, 1) for x in (0, 1)], -1)


def _light(path: Path, frames: Member | NDArray[Any], stored: Arrays) -> Frames:
    """Take frames in linear light, one at a time; a noise level that nobody knows is not made up."""
    first = _planes(path, next(iter(frames))[None], stored)
    planes = first.shape[3]
    black, span = _levels(path, stored, planes)

    def each() -> Iterator[Array]:
        """Yield the frames with black at 0 and white at 1."""
        for frame in frames:
            one = _planes(path, frame[None], stored)[0].astype(np.float32, copy=False)
            yield one if span is None else (one - black) / span

    colours = _colours(path, stored, planes)
    return ArchivedFrames(each, (len(frames), *first.shape[1:]), _noise(path, stored), name=path.stem, **colours)


def _levels(path: Path, stored: Arrays, planes: int) -> tuple[Array, Array | None]:
    """Return black, and how far white lies above it; None for light that has no levels."""
    black, white = np.asarray(_black(path, stored, planes), np.float32), _one(path, stored, "white")
    if not {"black", "white"} & set(stored):
        return black, None
    span = np.float32(1.0 if white is None else white) - black
    if span.min() <= 0:
        raise BadBurstError(f"{path} has the black level {black.tolist()} and the white level {white}", BELOW)
    return black, span


def _codes(path: Path, stored_frames: NDArray[Any], stored: Arrays) -> Frames:
    """Take integers as they are; `CodedFrames` checks them."""
    frames = _planes(path, stored_frames, stored)
    planes = frames.shape[3]
    curve = LINEAR if {"black", "white", "pattern"} & set(stored) or planes == BAYER else SRGB
    black, white = _black(path, stored, planes), _one(path, stored, "white")
    colours = _colours(path, stored, planes)
    return CodedFrames(tuple(frames), _noise(path, stored), curve, black, white, name=path.stem, **colours)


def _colours(path: Path, stored: Arrays, planes: int) -> dict[str, Any]:
    """Return what develops Bayer planes.

    Raises:
        BadBurstError: it stands beside planes that are sRGB's already, or is no white balance, matrix or orientation.
    """
    given = [key for key in _OF_BAYER if key in stored]
    if given and planes != BAYER:
        meaning = PLANES.get(planes, f"{planes} planes")
        raise BadBurstError(
            f"{path} has {given[0]}, which belongs to Bayer planes, and frames of {meaning}",
            "give planes R, G1, G2, B, or mosaics with their `pattern`; or leave it out",
        )
    found: dict[str, Any] = {}
    if "white_balance" in stored:
        found["white_balance"] = tuple(_numbers(path, stored, "white_balance", (3,)).tolist())
    if "orientation" in stored:
        found["metadata"] = {ORIENTATION: _orientation(path, stored)}
    return found | {"matrix": _matrix(path, stored)}


def _orientation(path: Path, stored: Arrays) -> str:
    """Return EXIF's number of an orientation that is a turn."""
    number = _one(path, stored, "orientation")
    if number not in _UPRIGHT:
        raise BadBurstError(f"{path}: orientation is {number}", f"give EXIF's number: {', '.join(map(str, _UPRIGHT))}")
    return str(int(number))


def _matrix(path: Path, stored: Arrays) -> tuple[tuple[float, float, float], ...] | None:
    """Return camera colours to linear sRGB, of either of the two matrices; None where there is none."""
    from viewfinder.raw import camera_to_srgb

    if "xyz_to_camera" in stored and "camera_to_srgb" in stored:
        raise BadBurstError(f"{path} has both xyz_to_camera and camera_to_srgb", "keep one of them")
    if "camera_to_srgb" in stored:
        rows = _numbers(path, stored, "camera_to_srgb", (3, 3)).tolist()
        return tuple((row[0], row[1], row[2]) for row in rows)
    if "xyz_to_camera" not in stored:
        return None
    try:
        return camera_to_srgb(_numbers(path, stored, "xyz_to_camera", (3, 3)))
    except BadImageError as error:
        raise BadBurstError(f"{path}: {error.message}", error.hint) from error


def _noise(path: Path, stored: Arrays) -> NoiseLevel | None:
    """Return the noise of an archive, None where it says nothing."""
    read, shot = _one(path, stored, "read_std"), _one(path, stored, "shot_std")
    if (read is None) != (shot is None):
        raise BadBurstError(f"{path} has one of read_std and shot_std", "give both: the level is made of the two")
    return None if read is None or shot is None else NoiseLevel(read, shot)


def _black(path: Path, stored: Arrays, planes: int) -> tuple[float, ...]:
    """Return the black level, one for all planes or one for each."""
    if "black" not in stored:
        return (0.0,)
    return tuple(_numbers(path, stored, "black", (1,) if stored["black"].size == 1 else (planes,)).tolist())


def _one(path: Path, stored: Arrays, key: str) -> float | None:
    """Return one number of an archive, None if it is not there."""
    return float(_numbers(path, stored, key, ())) if key in stored else None


def _numbers(path: Path, stored: Arrays, key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the finite numbers of an array in a shape, whatever axes of length one it has.

    Raises:
        BadBurstError: they are no numbers, not finite, or of another shape.
    """
    found = stored[key]
    wanted = "x".join(map(str, shape)) or "one"
    if found.dtype.kind not in _NUMBERS or tuple(n for n in found.shape if n > 1) != tuple(n for n in shape if n > 1):
        message = f"{path}: {key} is {found.dtype} of the shape {found.shape}, where {wanted} numbers belong"
        raise BadBurstError(message if shape else f"{path}: {key} is no number", HINT)
    numbers: NDArray[np.float64] = found.astype(np.float64).reshape(shape)
    if not np.isfinite(numbers).all():
        raise BadBurstError(f"{path}: {key} is not finite", HINT)
    return numbers
