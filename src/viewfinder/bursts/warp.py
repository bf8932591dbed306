"""Move a frame by fractions of a pixel: Catmull-Rom's cubic, 4 by 4 neighbours (Keys 1981, a = -1/2)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Vector = NDArray[np.float64]

REACH = 2
"""Pixels beyond the nearest ones that the cubic reads."""


def taps(fraction: Array | Vector | float) -> Array:
    """Return the weights of the neighbours at -1, 0, 1, 2 for a place at `fraction` (0..1): ``[4, ...]``, sum 1."""
    t = np.asarray(fraction, np.float32)
    weights = np.empty((4, *t.shape), np.float32)
    weights[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    weights[1] = (1.5 * t - 2.5) * t * t + 1.0
    weights[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    weights[3] = (0.5 * t - 0.5) * t * t
    return weights


def translated(frame: Array, shift: tuple[float, float], outside: Array, corner: tuple[int, int] = (0, 0)) -> Array:
    """Return ``frame[y + shift[0], x + shift[1]]`` for every pixel of `outside`.

    Args:
        frame: ``[H, W]``.
        shift: rows and columns.
        outside: ``[h, w]``: what a pixel is whose place is not in the frame (the reference frame, in a burst).
        corner: where the first pixel of `outside` stands.

    Returns:
        float32 ``[h, w]``.
    """
    result = outside.astype(np.float32, copy=True)
    height, width = result.shape
    lines = _along(frame, shift[0] + corner[0], height)
    moved = _along(np.ascontiguousarray(lines.T), shift[1] + corner[1], width).T
    rows, columns = (
        _inside(size, have, move + start)
        for size, have, move, start in zip(result.shape, frame.shape, shift, corner, strict=True)
    )
    result[rows, columns] = moved[rows, columns]
    return result


def _inside(size: int, have: int, shift: float) -> slice:
    """Return the places 0..size - 1 whose moved place is in 0..have - 1."""
    return slice(min(size, max(0, math.ceil(-shift))), max(0, min(size, math.floor(have - 1 - shift) + 1)))


def _along(frame: Array, shift: float, size: int) -> Array:
    """Take `size` lines along the first axis, moved; border lines go on outside."""
    whole = math.floor(shift)
    weights = taps(shift - whole)
    lines = frame[np.minimum(np.maximum(np.arange(-1, size + 2) + whole, 0), frame.shape[0] - 1)]
    result: Array = lines[1 : size + 1] if shift == whole else weights[0] * lines[:size]
    if shift == whole:
        return result
    for tap in (1, 2, 3):
        result += weights[tap] * lines[tap : tap + size]
    return result


def deformed(frame: Array, rows: Vector, columns: Vector, outside: Array) -> Array:
    """Return ``frame[rows, columns]`` at places of fractions of a pixel.

    Args:
        frame: ``[H, W]``, the whole frame.
        rows: ``[h, w]``: where every pixel of the result lies in the frame, and
        columns: likewise.
        outside: ``[h, w]``: what a pixel is whose place is not in the frame.

    Returns:
        float32 ``[h, w]``.
    """
    height, width = frame.shape
    top, left = np.floor(rows).astype(np.int32), np.floor(columns).astype(np.int32)
    down, right = taps(rows - top), taps(columns - left)
    flat, result = frame.reshape(-1), np.zeros(rows.shape, np.float32)
    across = [np.clip(left + tap, 0, width - 1) for tap in (-1, 0, 1, 2)]
    for number, tap in enumerate((-1, 0, 1, 2)):
        start = np.clip(top + tap, 0, height - 1) * np.int32(width)
        line = right[0] * flat[start + across[0]]
        for column in (1, 2, 3):
            line += right[column] * flat[start + across[column]]
        result += down[number] * line
    is_inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return np.where(is_inside, result, outside)
