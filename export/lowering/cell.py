"""Slicing as a small matrix product per row and grid cell: the fastest portable form on CPUs.

Per row, the grid's rows are mixed first (one product with `row_weights`). Between two neighbouring columns of cell
centres every pixel then mixes the same ``2 x bins`` colour matrices, so all pixels of a row between these centres are
one product ``[12, 2 * bins] @ [2 * bins, cell_width]``. Half a cell hangs over at either end: there the first and the
last column of the grid are repeated. Per pixel, 16 weights and 12 matrix values move instead of the 96 upsampled grid
values that a resize per bin writes.

Along the bins, a piecewise linear function is written as its first value plus a ramp for every step to the next bin.
A ramp is one clamped difference, where a tent takes four operations; and it clamps the position by itself.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.export.lowering import guide as guides
from viewfinder.export.lowering.sizes import StripSizes

RAMP = 6.0
"""Height of a ramp: a clamp to 0..6 is ReLU6, which runtimes fuse into the subtraction before it. TFLite's XNNPACK
delegate refuses a clamp to 0..1."""

CENTRE = 0.5
"""The colour that prepared colour matrices start from: they give ``A (colour - CENTRE) + b'``, ``b' = A CENTRE + b``.

Exact in float32, and what half precision rounds is smaller: from 0, large terms cancel. The sky of a sunset, with
every step rounded to fp16, had 57.6 dB against float, and has 64.8 dB with the centre."""

_ALWAYS = -100.0
"""A ramp that starts so far below every position is always full: it carries the first bin's value."""


def channel_order(bins: int) -> list[int]:
    """List the network's grid channels (``bin * 12 + out * 4 + in``) in the order ``(in * 3 + out) * bins + bin``."""
    return [bin_ * 12 + out * 4 + in_ for in_ in range(4) for out in range(3) for bin_ in range(bins)]


class InOrder(nn.Module):
    """A network whose output channels come in another order."""

    order: Tensor

    def __init__(self, network: nn.Module, order: list[int]) -> None:
        """Wrap `network`."""
        super().__init__()
        self.network = network
        self.register_buffer("order", torch.tensor(order))

    def forward(self, lowres: Tensor) -> Tensor:
        """Run the network and pick its channels."""
        grid: Tensor = self.network(lowres)
        return grid.index_select(1, self.order)


class FromCentre(nn.Module):
    """A network whose grid, ordered by `channel_order`, is for colours less `CENTRE`."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap `network`."""
        super().__init__()
        self.network = network

    def forward(self, lowres: Tensor) -> Tensor:
        """Run the network and move the offsets."""
        return _moved(self.network(lowres)[0])[None]


class Prepared(nn.Module):
    """A coefficient network whose grid comes as the strips need it, so that it is made once and not in every strip.

    ``forward(lowres) -> grid [1, cells, (cells + 1) * 12 * 2 * bins]``: for each row of the grid and each pair of
    neighbouring columns (the first and the last repeated), the twelve values ordered by input channel first, and for
    each the steps from bin to bin: one half in the left column, the other half how much larger they are in the right.
    The offsets are those for colours less `CENTRE`.
    Strips of 12 to 16 rows, which prepared it themselves, took 6 to 9 ms more of 50 to 80 at 1080p.
    """

    def __init__(self, coefficients: Any, sizes: StripSizes) -> None:
        """Wrap a network with the output ``[1, bins * 12, cells, cells]``."""
        super().__init__()
        self.network, self.sizes = from_centre(in_order(coefficients, sizes.bins)), sizes

    def forward(self, lowres: Tensor) -> Tensor:
        """Predict the grid and arrange it."""
        size = self.sizes
        grid = self.network(lowres).reshape(size.grid[1], -1)
        flat = grid.permute(1, 0).reshape(size.cells, size.cells, 12, size.bins)
        table = torch.cat([flat[..., :1], flat[..., 1:] - flat[..., :-1]], 3) * (1.0 / RAMP)
        wide = torch.cat([table[:, :1], table, table[:, -1:]], 1)
        left = wide[:, :-1]
        return torch.cat([left, wide[:, 1:] - left], 3).reshape(size.prepared)


def in_order(coefficients: Any, bins: int) -> nn.Module:
    """Return a coefficient network whose grid has the channels in the order of `channel_order`.

    Where the last layer is a convolution called ``predict``, its weights are reordered; else the result is.
    """
    order = channel_order(bins)
    last = getattr(coefficients, "predict", None)
    if not isinstance(last, nn.Conv2d) or last.groups != 1:
        return InOrder(coefficients, order)
    reordered: nn.Module = copy.deepcopy(coefficients)
    with torch.no_grad():
        for name, value in (("weight", last.weight), ("bias", last.bias)):
            if value is not None:
                getattr(reordered.predict, name).copy_(value[order])
    return reordered


def from_centre(network: nn.Module) -> nn.Module:
    """Return a network of `in_order` whose grid is for colours less `CENTRE`; free where there is `predict`.

    The network's own weights are changed: it has to be a copy.
    """
    if isinstance(network, InOrder):
        return FromCentre(network)
    last: Any = network.predict
    with torch.no_grad():
        for value in (last.weight, last.bias):
            if value is not None:
                value.copy_(_moved(value))
    return network


def _moved(values: Tensor) -> Tensor:
    """Add the colour matrices' value at `CENTRE` to their offsets; axis 0 is ordered by `channel_order`."""
    each = values.reshape(4, -1, *values.shape[1:])
    offset = each[3:] + CENTRE * (each[0:1] + each[1:2] + each[2:3])
    return torch.cat([each[:3], offset]).reshape(values.shape)


class StripCell(nn.Module):
    """Slice and apply on one strip of rows.

    ``forward(grid [1, cells, (cells + 1) * 12 * 2 * bins] of `Prepared`, row_weights [rows, cells], column_weights
    [cells + 1, cell_width], image [1, 3, rows, width]) -> enhanced [1, 3, rows, width]``, not clipped.

    The picture is padded by ``cell_width // 2`` slots on the left and the rest of a cell on the right; slot ``s`` of
    cell ``k`` mixes the grid columns ``k - 1`` and ``k`` (clamped to the grid), the right one with the weight
    ``column_weights[k, s]``. Weights that are inputs let one model serve every strip and every picture width.
    """

    starts: Tensor
    is_right: Tensor

    def __init__(
        self, guide: Any, sizes: StripSizes, *, sums: frozenset[str] = frozenset(), joined: bool = False
    ) -> None:
        """Take the network's guide, a module from ``[1, 3, H, W]`` to ``[1, 1, H, W]``.

        What `sums` names (`SUMS`) ends in a sum over an axis; the rest in a product, or in slices that are added.
        With `joined`, the two halves of the features are concatenated; without, one product writes both.
        """
        super().__init__()
        self.position = guides.lower_for_colours(guide, sizes, RAMP, CENTRE, sums="guide" in sums)
        self.sizes, self.joined = sizes, joined
        self.apply_by = _apply_by_sum if "matrices" in sums else _apply_by_slices
        starts = torch.tensor([_ALWAYS, *range(sizes.bins - 1)]) * RAMP
        self.register_buffer("starts", starts.reshape(1, 1, -1, 1))
        self.register_buffer("is_right", (torch.arange(2 * sizes.bins) >= sizes.bins).float().reshape(1, 1, -1, 1))

    def features(self, position: Tensor, column_weights: Tensor) -> Tensor:
        """Weigh the steps of both grid columns for every slot: ``[rows * (cells + 1), 2 * bins, cell_width]``.

        The weights are spread over the bins first: runtimes multiply long runs of equal shapes faster than short ones
        that they repeat.
        """
        size = self.sizes
        cells, bins, width = size.cells + 1, size.bins, size.cell_width
        ramps = (position.reshape(size.rows, cells, 1, width) - self.starts).clamp(0.0, RAMP)
        right = column_weights.reshape(1, cells, 1, width)
        if self.joined:
            both = torch.cat([ramps, ramps * (right * self.is_right[:, :, bins:])], 2)
        else:
            weights = (right * self.is_right + (1.0 - self.is_right)).reshape(1, cells, 2, bins, width)
            both = ramps.reshape(size.rows, cells, 1, bins, width) * weights
        return both.reshape(-1, 2 * bins, width)

    def forward(self, grid: Tensor, row_weights: Tensor, column_weights: Tensor, image: Tensor) -> Tensor:
        """Enhance one strip."""
        size = self.sizes
        left = size.cell_width // 2
        padded = F.pad(image - CENTRE, (left, size.cell_width - left))
        colour = F.pad(padded, (0, 0, 0, 0, 0, 1), value=1.0)
        position = self.position(colour.reshape(1, 4, -1))
        # 3-D products: with 4-D operands ExecuTorch copies them whole and leaves the product to a slow kernel.
        rows = torch.bmm(row_weights.reshape(1, size.rows, size.cells), grid).reshape(
            size.rows * (size.cells + 1), 12, 2 * size.bins
        )
        matrices = torch.bmm(rows, self.features(position, column_weights))
        enhanced = self.apply_by(matrices, colour.reshape(4, size.rows, size.cells + 1, size.cell_width))
        strip = enhanced.permute(2, 0, 1, 3).reshape(1, 3, size.rows, -1)
        return strip[:, :, :, left : left + size.width]


SUMS = ("guide", "matrices")
"""What can end in a sum over an axis, which XNNPACK in LiteRT does in one pass. In ONNX Runtime the guide's is slow
(150 against 69 ms with 40 channels), in ExecuTorch both are left to a slow kernel."""


def _apply_by_slices(matrices: Tensor, colour: Tensor) -> Tensor:
    """Apply ``[rows * cells, 12, N]``, input channel first, to ``[4, rows, cells, N]``; to ``[rows, cells, 3, N]``."""
    last = colour.permute(1, 2, 0, 3)
    each = matrices.reshape(*last.shape[:2], 12, -1)
    scaled = each[:, :, 0:3] * last[:, :, 0:1] + each[:, :, 3:6] * last[:, :, 1:2]
    return scaled + each[:, :, 6:9] * last[:, :, 2:3] + each[:, :, 9:12]


def _apply_by_sum(matrices: Tensor, colour: Tensor) -> Tensor:
    """Do the same with one product and one sum: the fourth colour is one."""
    _, rows, cells, width = colour.shape
    last = colour.permute(1, 2, 0, 3).reshape(-1, 4, 1, width)
    return (matrices.reshape(-1, 4, 3, width) * last).sum(1).reshape(rows, cells, 3, width)
