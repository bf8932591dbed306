"""Slicing as one 5-D `grid_sample`: the plain PyTorch op that the lowerings have to equal.

It converts to ONNX (opset 20) alone, where ONNX Runtime takes 20 to 30 times as long for it as for the cell form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from viewfinder.export.lowering.sizes import MATRIX_VALUES


def slice_rows(grid: Tensor, guide: Tensor, image: Tensor, first_row: int, height: int) -> Tensor:
    """Slice and apply on rows ``first_row ...`` of a picture of `height` rows.

    Args:
        grid: ``[1, bins * 12, cells, cells]``, channel = ``bin * 12 + out * 4 + in``.
        guide: ``[1, 1, rows, W]`` in 0..1; values outside are clamped to the first and last bin.
        image: ``[1, 3, rows, W]``, any range.
        first_row: row of the picture that the first row of `image` is.
        height: rows of the whole picture.

    Returns:
        ``[1, 3, rows, W]``, not clipped.
    """
    rows, width = image.shape[-2:]
    y = (torch.arange(first_row, first_row + rows, dtype=image.dtype) + 0.5) * (2.0 / height) - 1.0
    x = (torch.arange(width, dtype=image.dtype) + 0.5) * (2.0 / width) - 1.0
    where = torch.stack([x.expand(rows, width), y[:, None].expand(rows, width), guide[0, 0] * 2.0 - 1.0], -1)
    bins = grid.shape[1] // MATRIX_VALUES
    volume = grid.reshape(1, bins, MATRIX_VALUES, *grid.shape[2:]).transpose(1, 2)
    matrices = F.grid_sample(volume, where[None, None], "bilinear", "border", align_corners=False)[:, :, 0]
    mixed = matrices.reshape(3, 4, rows, width)
    return ((mixed[:, :3] * image).sum(1) + mixed[:, 3])[None]


class FrameGridSample(nn.Module):
    """Slice and apply on a whole picture: what a benchmark of the lowerings compares with."""

    def __init__(self, guide: nn.Module) -> None:
        """Take the network's own guide."""
        super().__init__()
        self.guide = guide

    def forward(self, grid: Tensor, image: Tensor) -> Tensor:
        """Enhance ``[1, 3, H, W]``."""
        return slice_rows(grid, self.guide(image), image, 0, image.shape[2])
