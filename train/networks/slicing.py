"""Slice a bilateral grid and apply its affine matrices, in plain PyTorch.

A grid holds, for every cell of (rows, columns, luma bins), one 3x4 colour matrix. It is stored as the last layer
of the coefficient network writes it: ``[B, bins * 12, rows, columns]``, channel = ``bin * 12 + out * 4 + in``, with
``in`` = 0, 1, 2 for red, green, blue and 3 for the offset.

Source: Gharbi et al., Deep Bilateral Learning for Real-Time Image Enhancement, ACM TOG 36(4), 2017, section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MATRIX_VALUES = 12
"""Values of one 3x4 colour matrix."""

_STRIP_PIXELS = 1 << 18
"""Pixels sliced at once; bounds the twelve values that every pixel needs while its matrix is being mixed."""


def as_volume(grid: Tensor, bins: int) -> Tensor:
    """View ``[B, bins * 12, rows, columns]`` as the volume ``[B, 12, bins, rows, columns]`` of `grid_sample`."""
    batch, channels, rows, columns = grid.shape
    if channels != bins * MATRIX_VALUES:
        raise ValueError(f"a grid of {bins} bins has {bins * MATRIX_VALUES} channels, not {channels}")
    return grid.reshape(batch, bins, MATRIX_VALUES, rows, columns).transpose(1, 2)


def _corners(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Split a position in cells into the lower cell and the weight of the upper one, clamped to the border."""
    inside = (position - 0.5).clamp(0.0, size - 1.0)
    lower = inside.floor().clamp(max=max(size - 2, 0))
    return lower.long(), inside - lower


def _slice_rows(volume: Tensor, guide: Tensor, first_row: int, height: int) -> Tensor:
    """Mix the eight nearest matrices for some full rows of the picture, ``[B, 12, rows, W]``."""
    batch, values, bins, rows, columns = volume.shape
    count, width = guide.shape[-2:]
    table = volume.permute(0, 2, 3, 4, 1).reshape(-1, values)
    y = (torch.arange(first_row, first_row + count, device=guide.device, dtype=guide.dtype) + 0.5) * rows / height
    x = (torch.arange(width, device=guide.device, dtype=guide.dtype) + 0.5) * columns / width
    (y0, wy), (x0, wx), (z0, wz) = _corners(y, rows), _corners(x, columns), _corners(guide * bins, bins)
    y0, wy = y0.view(1, count, 1), wy.view(1, count, 1)
    image = torch.arange(batch, device=guide.device).view(-1, 1, 1) * bins
    mixed = torch.zeros((), device=guide.device, dtype=guide.dtype)
    for dz in range(min(2, bins)):
        for dy in range(min(2, rows)):
            for dx in range(min(2, columns)):
                weight = (wz if dz else 1 - wz) * (wy if dy else 1 - wy) * (wx if dx else 1 - wx)
                index = ((image + z0 + dz) * rows + y0 + dy) * columns + x0 + dx
                mixed = mixed + weight[..., None] * F.embedding(index, table)
    return mixed.permute(0, 3, 1, 2)


def apply_matrices(matrices: Tensor, image: Tensor) -> Tensor:
    """Apply one 3x4 matrix per pixel: ``[B, 12, H, W]`` on ``[B, 3, H, W]`` gives ``[B, 3, H, W]``."""
    batch, _, height, width = image.shape
    rows = matrices.reshape(batch, 3, 4, height, width)
    return (rows[:, :, :3] * image[:, None]).sum(2) + rows[:, :, 3]


def slice_and_apply(grid: Tensor, guide: Tensor, image: Tensor, bins: int) -> Tensor:
    """Slice `grid` with `guide` and apply the matrices to `image`, in strips of rows.

    Args:
        grid: ``[B, bins * 12, rows, columns]``, see the module's text for the channel order.
        guide: ``[B, 1, H, W]``, 0..1; values outside are clamped to the first and last bin.
        image: ``[B, 3, H, W]``, any range.
        bins: luma bins of the grid.

    Returns:
        ``[B, 3, H, W]``, not clipped. Equal to 5-D `grid_sample` (align_corners=False, border) plus the product.
    """
    height, width = image.shape[-2:]
    volume, strip = as_volume(grid, bins), max(1, _STRIP_PIXELS // (width * image.shape[0]))
    done = [
        apply_matrices(_slice_rows(volume, guide[:, 0, y : y + strip], y, height), image[:, :, y : y + strip])
        for y in range(0, height, strip)
    ]
    return torch.cat(done, 2)


def slice_and_apply_at(grid: Tensor, position: Tensor, guide: Tensor, colour: Tensor, bins: int) -> Tensor:
    """Slice and apply at scattered pixels: what training needs, as the loss reads only some of them.

    Args:
        grid: ``[B, bins * 12, rows, columns]``.
        position: ``[B, N, 2]``, x and y of each pixel as a fraction 0..1 of the picture's width and height.
        guide: ``[B, 1, N, 1]``, 0..1.
        colour: ``[B, 3, N, 1]``.
        bins: luma bins of the grid.

    Returns:
        ``[B, 3, N, 1]``.
    """
    where = torch.cat([position, guide[:, 0]], -1)[:, None, :, None] * 2.0 - 1.0
    matrices = F.grid_sample(as_volume(grid, bins), where, "bilinear", "border", align_corners=False)
    return apply_matrices(matrices[:, :, 0], colour)
