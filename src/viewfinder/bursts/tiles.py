"""Compare tiles of two pictures at many offsets, and read sub-pixel minima off the differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Places = NDArray[np.int64]
Pictures = tuple[Array, Array]


@dataclass(frozen=True)
class Grid:
    """Square tiles that cover a picture, overlapping where its size is no multiple of theirs.

    Attributes:
        side: of a tile.
        tops: of the rows of tiles.
        lefts: of the columns of tiles.
    """

    side: int
    tops: Places
    lefts: Places

    @classmethod
    def over(cls, shape: tuple[int, ...], side: int) -> Grid:
        """Cover a picture of `shape` (height, width), both at least `side`."""
        side = min(side, *shape)
        tops, lefts = (
            np.rint(np.linspace(0, size - side, max(1, -(-size // side)))).astype(np.int64) for size in shape
        )
        return cls(side, tops, lefts)

    @property
    def corners(self) -> Places:
        """Top and left of every tile, ``[tiles, 2]``."""
        tops, lefts = np.meshgrid(self.tops, self.lefts, indexing="ij")
        return np.stack([tops.ravel(), lefts.ravel()], -1)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middle of every tile, ``[tiles, 2]``."""
        centres: NDArray[np.float64] = (self.corners + (self.side - 1) / 2).astype(np.float64)
        return centres


def cut(picture: Array, corners: Places, side: int) -> tuple[Array, NDArray[np.bool_]]:
    """Cut squares out of ``[H, W]``, whose corners may lie outside; returns them and which pixels are inside."""
    places = [corners[:, axis, None] + np.arange(side) for axis in (0, 1)]
    inside = [(place >= 0) & (place < size) for place, size in zip(places, picture.shape, strict=True)]
    rows, columns = (np.clip(place, 0, size - 1) for place, size in zip(places, picture.shape, strict=True))
    return picture[rows[:, :, None], columns[:, None, :]], inside[0][:, :, None] & inside[1][:, None, :]


def differences(pictures: Pictures, corners: Places, side: int, offsets: Places, reach: int) -> tuple[Array, Array]:
    """Return squared differences of tiles at all offsets within `reach` of their own.

    Args:
        pictures: reference and frame, ``[H, W]``.
        corners: ``[tiles, 2]``, in the reference.
        side: of the tiles.
        offsets: ``[tiles, 2]``: where each tile is looked for in the frame.
        reach: pixels around it.

    Returns:
        sums of squared differences, and numbers of pixels inside the frame: ``[tiles, 2 reach + 1, 2 reach + 1]`` each.
    """
    count = 2 * reach + 1
    mine = cut(pictures[0], corners, side)[0]
    theirs, inside = cut(pictures[1], corners + offsets - reach, side + 2 * reach)
    is_whole = bool(inside.all())
    sums = np.empty((len(mine), count, count), np.float32)
    pixels = np.full_like(sums, side * side)
    for row in range(count):
        for column in range(count):
            window = (slice(None), slice(row, row + side), slice(column, column + side))
            difference = mine - theirs[window]
            if not is_whole:
                difference *= inside[window]
                pixels[:, row, column] = inside[window].sum((1, 2))
            sums[:, row, column] = np.einsum("tij,tij->t", difference, difference)
    return sums, pixels


@dataclass(frozen=True)
class Minima:
    """Where differences are smallest.

    Attributes:
        places: ``[tiles, 2]``, to fractions of a pixel, relative to the middle of the searched offsets.
        values: ``[tiles]``: the smallest difference.
        curvatures: ``[tiles]``: of the flatter axis; what a tile knows about its place.
        found: ``[tiles]``: the minimum is inside the searched offsets, and curved both ways.
    """

    places: NDArray[np.float64]
    values: Array
    curvatures: Array
    found: NDArray[np.bool_]


def minima(surfaces: Array) -> Minima:
    """Fit a parabola to each axis at the smallest value of ``[tiles, count, count]``."""
    tiles, count = surfaces.shape[:2]
    best = surfaces.reshape(tiles, -1).argmin(1)
    rows, columns = np.divmod(best, count)
    found = (rows > 0) & (rows < count - 1) & (columns > 0) & (columns < count - 1)
    y, x, each = np.clip(rows, 1, count - 2), np.clip(columns, 1, count - 2), np.arange(tiles)
    middle = surfaces[each, y, x]
    sides = [(surfaces[each, y - 1, x], surfaces[each, y + 1, x]), (surfaces[each, y, x - 1], surfaces[each, y, x + 1])]
    curved = [before + after - 2 * middle for before, after in sides]
    parts = [
        np.clip(0.5 * (before - after) / np.maximum(bend, 1e-12), -0.6, 0.6)
        for (before, after), bend in zip(sides, curved, strict=True)
    ]
    places = np.stack([rows + parts[0], columns + parts[1]], -1).astype(np.float64) - count // 2
    flattest = np.minimum(*curved)
    return Minima(places, surfaces[each, rows, columns], flattest, found & (flattest > 0))


def whole_offset(reference: Array, frame: Array, reach: int) -> tuple[int, int]:
    """Return the whole-pixel offset within `reach` at which two pictures differ least, where both have something.

    The mean squared difference of the overlap at every offset, from Fourier transforms.
    """
    height, width = reference.shape
    size = (height + reach, width + reach)
    mask, mine, theirs = (np.fft.rfft2(part, size) for part in (np.ones_like(reference), reference, frame))
    squares = np.fft.rfft2(reference * reference, size), np.fft.rfft2(frame * frame, size)
    sums = np.conj(squares[0]) * mask + np.conj(mask) * squares[1] - 2 * np.conj(mine) * theirs
    shared = np.maximum(np.rint(np.fft.irfft2(np.conj(mask) * mask, size)), 1)
    mean = np.fft.irfft2(sums, size) / shared
    offsets = np.r_[0 : reach + 1, -reach:0]
    row, column = np.unravel_index(mean[np.ix_(offsets, offsets)].argmin(), (len(offsets), len(offsets)))
    return int(offsets[row]), int(offsets[column])
