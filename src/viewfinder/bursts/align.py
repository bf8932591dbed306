"""Lay the frames of a burst over its reference: shift, then turn and zoom if they show, then what moved by itself.

Everything is compared on blurred square roots of light, where noise is nearly equal at all brightnesses. Coarse to
fine: the whole frame's shift by the smallest difference of the overlap, then tiles, to fractions of a pixel by a
parabola. What tiles say is believed only where noise cannot have said it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts import warp as _warp
from viewfinder.bursts.burst import NoiseLevel
from viewfinder.bursts.motion import Motion
from viewfinder.bursts.tiles import Grid, Minima, cut, differences, minima, whole_offset

__all__ = ["Motion", "aligned", "shifts", "warp"]

Array = NDArray[np.float32]
Vector = NDArray[np.float64]

OFFSET = 0.01
"""Added to light before its root, so that noise around black does not count for more than elsewhere."""

COARSEST_SIDE = 192
"""Pixels of the short side from which on a smaller version is looked at first."""

MOST_PIXELS = 3_200_000
"""Larger frames are compared at half their size: so many pixels know the shift to hundredths of a pixel anyway."""

SMALLEST_REACH = 17
"""Pixels that a small frame may have moved: the paper's bursts move by 16."""

TILE, SMALL_TILE, REACH, LOCAL_REACH = 64, 32, 2, 12
"""Pixels: sides of tiles, and how far around their expected places they are looked for."""

SIGNIFICANCE, SMALLEST_TURN, FEWEST_TILES = 7.0, 0.15, 12
"""A turn or zoom counts from seven deviations of its estimate, this many pixels at the corners, and so many tiles."""

LOCAL_FALL, LOCAL_EXCESS, SMALLEST_MOVE, MOST_LOCAL = 0.6, 2.0, 0.75, 512
"""A tile moves by itself where its difference is twice that of noise, and falls to less than 60 % elsewhere: at least
0.75 pixels away, because expected places are rounded. Of more than 512 tiles, those that fit worst are looked for."""

BAND = 256
"""Rows that a deforming warp does at a time."""


def shifts(frames: Array, noise: NoiseLevel, tell: Callable[[float], None] | None = None) -> list[Motion]:
    """Estimate the motion of every frame against the first.

    Args:
        frames: ``[N, H, W]``, one plane in linear light (of colours, their mean or the green one).
        noise: of one frame.
        tell: is told the share of the frames that is done, 0..1.

    Returns:
        One motion per frame; the first one's is none.
    """
    reference = _levels(frames[0])
    floor = _noise_floor(frames[0], noise)
    centre = ((frames.shape[1] - 1) / 2, (frames.shape[2] - 1) / 2)
    found = [Motion(centre)]
    for frame in frames[1:]:
        found.append(_estimate(reference, _levels(frame), floor))
        if tell is not None:
            tell(len(found) / len(frames))
    return found


def warp(frame: Array, motion: Motion, reference: Array, corner: tuple[int, int] = (0, 0)) -> Array:
    """Lay a frame over the reference.

    Args:
        frame: ``[H, W]``, one plane, whole.
        motion: the frame's, of `shifts`.
        reference: ``[h, w]``: the reference, or a window of it; shown where the frame has nothing.
        corner: top and left of that window.

    Returns:
        float32 ``[h, w]``.
    """
    if motion.is_shift:
        return _warp.translated(frame, motion.shift, reference, corner)
    result = np.empty(reference.shape, np.float32)
    for first in range(0, reference.shape[0], BAND):
        outside = reference[first : first + BAND]
        rows, columns = np.meshgrid(
            np.arange(outside.shape[0], dtype=np.float64) + corner[0] + first,
            np.arange(outside.shape[1], dtype=np.float64) + corner[1],
            indexing="ij",
        )
        moved = motion.at(rows, columns)
        result[first : first + BAND] = _warp.deformed(frame, rows + moved[..., 0], columns + moved[..., 1], outside)
    return result


def aligned(frames: Array, motions: list[Motion]) -> Array:
    """Lay all frames ``[N, H, W]`` or ``[N, H, W, C]`` over the first, by the motions of `shifts`."""
    if frames.ndim == 4:
        return np.stack([aligned(frames[..., plane], motions) for plane in range(frames.shape[-1])], -1)
    moved = [warp(frame, motion, frames[0]) for frame, motion in zip(frames[1:], motions[1:], strict=True)]
    return np.stack([frames[0].astype(np.float32), *moved])


def _guide(frame: Array) -> Array:
    """Return what is compared: the root of light, averaged over 3x3 pixels."""
    root: Array = np.sqrt(np.maximum(frame, np.float32(0)) + np.float32(OFFSET))
    root = np.pad(root, 1, "edge")
    lines = root[:-2] + root[1:-1] + root[2:]
    result: Array = (lines[:, :-2] + lines[:, 1:-1] + lines[:, 2:]) / np.float32(9)
    return result


def _halved(picture: Array) -> Array:
    """Average 2x2 pixels; an odd last line is left out."""
    rows, columns = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    lines: Array = picture[0:rows:2] + picture[1:rows:2]
    result: Array = (lines[:, 0:columns:2] + lines[:, 1:columns:2]) * np.float32(0.25)
    return result


def _levels(frame: Array) -> list[tuple[int, Array]]:
    """Return the sizes that are compared, coarsest first, each with its reduction."""
    scale, picture, found = 1, _guide(frame), []
    while True:
        is_coarsest = min(picture.shape) < 2 * COARSEST_SIDE
        if is_coarsest or picture.size <= MOST_PIXELS:
            found.append((scale, picture))
        if is_coarsest:
            return found[::-1]
        scale, picture = scale * 2, _halved(picture)


def _noise_floor(frame: Array, noise: NoiseLevel) -> float:
    """Return the mean squared difference that noise alone makes between two guides at full size.

    The root halves deviations relative to the light's root; averaging nine pixels takes their variance to a ninth.
    """
    light = np.maximum(frame[::2, ::2], 0)
    return float(np.mean(noise.variance(light) / (4 * (light + np.float32(OFFSET))))) * 2 / 9


def _estimate(reference: list[tuple[int, Array]], frame: list[tuple[int, Array]], floor: float) -> Motion:
    """Find the motion of one frame, coarse to fine."""
    scale, picture = reference[0]
    side = min(picture.shape)
    offset = whole_offset(picture, frame[0][1], min(max(SMALLEST_REACH, side // 6), side // 2))
    motion = Motion(_centre(picture), (float(offset[0]), float(offset[1])))
    for (level, mine), (_, theirs) in zip(reference, frame, strict=True):
        if level != scale:
            motion, scale = replace(motion.scaled(scale / level), centre=_centre(mine)), level
        motion = _refined(mine, theirs, motion)
    return _with_local(reference[-1][1], frame[-1][1], motion, floor / scale**2).scaled(scale)


def _centre(picture: Array) -> tuple[float, float]:
    """Return the middle of a picture."""
    return (picture.shape[0] - 1) / 2, (picture.shape[1] - 1) / 2


def _refined(reference: Array, frame: Array, motion: Motion) -> Motion:
    """Improve shift, turn and zoom at one size."""
    grid = Grid.over(reference.shape, SMALL_TILE if min(reference.shape) < 2 * COARSEST_SIDE else TILE)
    for _ in range(3):
        offsets = np.rint(motion.at(*grid.centres.T)).astype(np.int64)
        sums, pixels = differences((reference, frame), grid.corners, grid.side, offsets, REACH)
        if not motion.is_shift:
            break
        common = minima(sums.sum(0, keepdims=True) / np.maximum(pixels.sum(0, keepdims=True), 1))
        moved = offsets[0] + common.places[0]
        motion = replace(motion, shift=(float(moved[0]), float(moved[1])))
        if common.found[0]:
            break
    return _turned(motion, grid, offsets, minima(sums / np.maximum(pixels, 1)), pixels.min((1, 2)))


def _turned(motion: Motion, grid: Grid, offsets: NDArray[np.int64], found: Minima, pixels: Array) -> Motion:
    """Fit shift, zoom and turn to the tiles' places; keep a plain shift unless zoom or turn shows."""
    is_usable = found.found & (pixels >= grid.side**2 / 2)
    if is_usable.sum() < FEWEST_TILES:
        return motion
    centred = grid.centres[is_usable] - motion.centre
    places = (offsets + found.places)[is_usable]
    weights = (found.curvatures / np.maximum(found.values, 1e-9))[is_usable].astype(np.float64)
    equations = _equations(centred)
    solution, deviations = _robust_fit(equations, places.ravel(), np.repeat(weights, 2))
    corner = float(np.hypot(*motion.centre))
    is_turning = bool((np.abs(solution[2:]) > SIGNIFICANCE * deviations[2:]).any())
    if not is_turning or np.abs(solution[2:]).max() * corner < SMALLEST_TURN:
        return motion if motion.is_shift else replace(motion, shift=_pair(solution), zoom=0.0, turn=0.0)
    return replace(motion, shift=_pair(solution), zoom=float(solution[2]), turn=float(solution[3]))


def _pair(solution: Vector) -> tuple[float, float]:
    """Return the first two numbers."""
    return float(solution[0]), float(solution[1])


def _equations(centred: Vector) -> Vector:
    """Return the derivatives of shifts (rows, columns in turn) by shift down, shift right, zoom and turn."""
    y, x = centred.T
    one, none = np.ones_like(y), np.zeros_like(y)
    down, right = np.stack([one, none, y, x], -1), np.stack([none, one, x, -y], -1)
    return np.stack([down, right], 1).reshape(-1, 4)


def _robust_fit(equations: Vector, values: Vector, weights: Vector) -> tuple[Vector, Vector]:
    """Solve weighted least squares in which what lies far off loses its weight (Cauchy's); returns deviations too."""
    kept = weights / weights.mean()
    for _ in range(8):
        normal = equations.T @ (equations * kept[:, None]) + 1e-9 * np.eye(4)
        solution = np.linalg.solve(normal, equations.T @ (kept * values))
        errors = values - equations @ solution
        spread = max(1.4826 * float(np.median(np.abs(errors))), 1e-3)
        kept = weights / weights.mean() / (1 + (errors / (2 * spread)) ** 2)
    variance = float((kept * errors**2).sum() / max(kept.sum() - 4, 1))
    inverse = np.linalg.inv(normal)
    # The spread of weighted estimates: W enters twice, because weights are guesses and no variances.
    twice = equations.T @ (equations * (kept**2 * errors**2)[:, None])
    deviations = np.sqrt(np.maximum(np.diag(inverse @ twice @ inverse), variance * 1e-6))
    return solution, deviations


def _with_local(reference: Array, frame: Array, motion: Motion, floor: float) -> Motion:
    """Add shifts of tiles that moved by themselves: only those that do not fit yet are looked for."""
    grid = Grid.over(reference.shape, SMALL_TILE)
    laid = warp(frame, motion, reference)
    unfit = cut(np.square(reference - laid), grid.corners, grid.side)[0].mean((1, 2))
    chosen = np.argsort(unfit)[::-1][:MOST_LOCAL]
    chosen = chosen[unfit[chosen] > LOCAL_EXCESS * floor]
    if not len(chosen):
        return motion
    expected = motion.at(*grid.centres[chosen].T)
    offsets = np.rint(expected).astype(np.int64)
    sums, pixels = differences((reference, frame), grid.corners[chosen], grid.side, offsets, LOCAL_REACH)
    found = minima(sums / np.maximum(pixels, 1))
    further = offsets + found.places - expected
    moves = found.found & (found.values < LOCAL_FALL * unfit[chosen]) & (np.abs(further).max(1) > SMALLEST_MOVE)
    moves &= pixels.min((1, 2)) >= grid.side**2 / 2
    if not moves.any():
        return motion
    local = np.zeros((len(unfit), 2), np.float32)
    local[chosen[moves]] = further[moves]
    middle = (grid.side - 1) / 2
    return replace(
        motion,
        local=local.reshape(len(grid.tops), len(grid.lefts), 2),
        tops=tuple((grid.tops + middle).tolist()),
        lefts=tuple((grid.lefts + middle).tolist()),
    )
