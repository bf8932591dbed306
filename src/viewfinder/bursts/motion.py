"""How a frame of a burst lies against its reference: shift, zoom, turn, and what moved by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """Where a frame shows what the reference shows: pixel p of the reference lies at ``p + shift(p)``.

    Attributes:
        centre: row and column that turn and zoom leave alone.
        shift: rows and columns, at the centre.
        zoom: share by which distances from the centre grow.
        turn: radians, small.
        local: further shifts ``[rows, columns, 2]`` at the middles of tiles, or None.
        tops: rows of the tiles' middles.
        lefts: columns of the tiles' middles.
    """

    centre: tuple[float, float]
    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 0.0
    turn: float = 0.0
    local: Array | None = None
    tops: tuple[float, ...] = ()
    lefts: tuple[float, ...] = ()

    @property
    def is_shift(self) -> bool:
        """Whether the whole frame moved alike."""
        return self.local is None and self.zoom == self.turn == 0

    def at(self, rows: Vector, columns: Vector) -> Vector:
        """Return the shifts of places, ``[..., 2]``; a place has the further shift of the nearest tile."""
        y, x = rows - self.centre[0], columns - self.centre[1]
        found = np.stack(
            [self.shift[0] + self.zoom * y + self.turn * x, self.shift[1] + self.zoom * x - self.turn * y], -1
        )
        if self.local is not None:
            found += _nearest(self.local, _share(rows, self.tops), _share(columns, self.lefts))
        result: Vector = found
        return result

    def scaled(self, factor: float) -> Motion:
        """Return the same motion of pictures `factor` times as large."""
        middle = tuple((place + 0.5) * factor - 0.5 for place in self.centre)
        local = None if self.local is None else self.local * np.float32(factor)
        tops, lefts = (tuple((place + 0.5) * factor - 0.5 for place in places) for places in (self.tops, self.lefts))
        shift = (self.shift[0] * factor, self.shift[1] * factor)
        return Motion((middle[0], middle[1]), shift, self.zoom, self.turn, local, tops, lefts)


def _share(places: Vector, known: tuple[float, ...]) -> Vector:
    """Return places as fractional numbers of the known ones, which go on outside."""
    return np.interp(places, known, np.arange(len(known), dtype=np.float64))


def _nearest(local: Array, rows: Vector, columns: Vector) -> Array:
    """Read ``[rows, columns, 2]`` at the nearest tile: what moves has an edge, and blended shifts fit neither side."""
    result: Array = local[np.rint(rows).astype(np.int64), np.rint(columns).astype(np.int64)]
    return result
