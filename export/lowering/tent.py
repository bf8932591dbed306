"""Slicing as two matrix products and tent weights made of ReLUs only: the form that NPUs take whole.

ABS and MIN stay float in TFLite's int8 graphs and fall off NPUs; a clamp to 0..1 becomes RELU_0_TO_1, which many
delegates refuse. Here a tent is the difference of two ramps, and a ramp the difference of two ReLUs.

As in the cell form, the grid is for colours less `CENTRE`: large terms that cancel lose 2 to 4 dB in fp16 (a strip of
four photographs, every step rounded to fp16: 60.4 to 67.0 dB against float without, 64.5 to 69.1 dB with it).
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.export.lowering import guide as guides
from viewfinder.export.lowering.cell import CENTRE
from viewfinder.export.lowering.sizes import MATRIX_VALUES, StripSizes


def from_centre(coefficients: Any) -> nn.Module:
    """Return a coefficient network whose grid is for colours less `CENTRE`; free where it ends in ``predict``."""
    last = getattr(coefficients, "predict", None)
    if not isinstance(last, nn.Conv2d) or last.groups != 1:
        return FromCentre(coefficients)
    network: nn.Module = copy.deepcopy(coefficients)
    with torch.no_grad():
        for name, value in (("weight", last.weight), ("bias", last.bias)):
            if value is not None:
                getattr(network.predict, name).copy_(_moved(value))
    return network


class FromCentre(nn.Module):
    """A network whose grid is for colours less `CENTRE`."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap `network`."""
        super().__init__()
        self.network = network

    def forward(self, lowres: Tensor) -> Tensor:
        """Run the network and move the offsets."""
        return _moved(self.network(lowres)[0])[None]


def _moved(values: Tensor) -> Tensor:
    """Add the colour matrices' value at `CENTRE` to their offsets; axis 0 is ordered bin, output, input channel."""
    each = values.reshape(-1, 4, *values.shape[1:])
    offset = each[:, 3:] + CENTRE * each[:, :3].sum(1, keepdim=True)
    return torch.cat([each[:, :3], offset], 1).reshape(values.shape)


class StripTent(nn.Module):
    """Slice and apply on one strip of rows.

    ``forward(grid [1, bins * 12, cells, cells] of `from_centre`, row_weights [rows, cells], column_matrix [cells,
    width], image [1, 3, rows, width]) -> enhanced [1, 3, rows, width]``, not clipped. The rows of `row_weights` and the
    columns of `column_matrix` hold bilinear weights that add up to one.
    """

    def __init__(self, guide: Any, sizes: StripSizes) -> None:
        """Take the network's guide, a module from ``[1, 3, H, W]`` to ``[1, 1, H, W]``."""
        super().__init__()
        self.position, self.sizes = guides.lower(guide, sizes.bins), sizes

    def tents(self, image: Tensor) -> list[Tensor]:
        """Weigh every bin: ``bins`` maps ``[rows, 1, width]`` that add up to one."""
        size = self.sizes
        position = self.position(image).reshape(size.rows, 1, size.width)
        above = [F.relu(position - float(step)) for step in range(size.bins)]
        ramps = [low - high for low, high in pairwise(above)]
        inner = [rising - falling for rising, falling in pairwise(ramps)]
        return [1.0 - ramps[0], *inner, ramps[-1]]

    def forward(self, grid: Tensor, row_weights: Tensor, column_matrix: Tensor, image: Tensor) -> Tensor:
        """Enhance one strip."""
        size = self.sizes
        table = grid.reshape(size.grid[1], size.cells, size.cells).permute(1, 0, 2).reshape(size.cells, -1)
        rows = torch.mm(row_weights, table).reshape(size.rows * size.grid[1], size.cells)
        upsampled = torch.mm(rows, column_matrix).reshape(size.rows, size.grid[1], size.width)
        tents, first = self.tents(image), MATRIX_VALUES
        matrices = tents[0] * upsampled[:, :first]
        for step in range(1, size.bins):
            matrices = matrices + tents[step] * upsampled[:, step * first : (step + 1) * first]
        colour = (image - CENTRE).reshape(3, size.rows, size.width).permute(1, 0, 2)
        enhanced = torch.cat([_apply_row(matrices[:, 4 * row : 4 * row + 4], colour) for row in range(3)], 1)
        return enhanced.permute(1, 0, 2).reshape(size.image)


def _apply_row(matrix_row: Tensor, colour: Tensor) -> Tensor:
    """Apply one row of the colour matrices: axis 1 holds (red, green, blue, offset) and (red, green, blue)."""
    red, green, blue, offset = (matrix_row[:, index : index + 1] for index in range(4))
    return red * colour[:, 0:1] + green * colour[:, 1:2] + blue * colour[:, 2:3] + offset
