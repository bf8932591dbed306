"""Sizes of a strip model."""

from __future__ import annotations

from dataclasses import dataclass

MATRIX_VALUES = 12
"""Values of one 3x4 colour matrix."""


@dataclass(frozen=True)
class StripSizes:
    """What a strip model is compiled for.

    Attributes:
        cells: rows and columns of the grid.
        bins: luma bins of the grid.
        rows: rows of pixels in a strip.
        width: columns of pixels in a strip; `cells` times `cell_width`.
    """

    cells: int = 16
    bins: int = 8
    rows: int = 24
    width: int = 1920

    @property
    def cell_width(self) -> int:
        """Pixels between two neighbouring cell centres."""
        return self.width // self.cells

    @property
    def grid(self) -> tuple[int, int, int, int]:
        """Shape of the grid: ``[1, bins * 12, cells, cells]``."""
        return (1, self.bins * MATRIX_VALUES, self.cells, self.cells)

    @property
    def prepared(self) -> tuple[int, int, int]:
        """Shape of the grid as the cell form's strips take it: ``[1, cells, (cells + 1) * 12 * 2 * bins]``."""
        return (1, self.cells, (self.cells + 1) * MATRIX_VALUES * 2 * self.bins)

    @property
    def image(self) -> tuple[int, int, int, int]:
        """Shape of one strip of the picture."""
        return (1, 3, self.rows, self.width)
