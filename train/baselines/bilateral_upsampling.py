"""Bilateral-guided upsampling of an operator, an ORACLE: it runs the true operator on a copy of the test picture.

The operator's small output is fitted with a bilateral grid of 3x4 colour matrices, and the grid is sliced with the
full picture. Source: Chen, Adams, Wadhwa, Hasinoff, Bilateral Guided Upsampling, ACM TOG 35(6), 2016. The same fit on
the full-size truth (`fit_full_size`) is the ceiling of what a grid guided by luma can hold.

Arrays are float32, display-referred sRGB in 0..1, ``[H, W, 3]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.train.operators.pyramid import Array, luma

SMALL_SIDE = 256
"""Long side of the copy on which bilateral-guided upsampling runs the operator; the network reads as many pixels."""


@dataclass(frozen=True)
class GridFit:
    """Sizes and weights of the least-squares fit of a grid of colour matrices."""

    rows: int = 16
    columns: int = 16
    bins: int = 8
    smoothness: float = 1e-3
    """Weight of the squared difference of neighbouring cells, relative to the mean data weight of a cell."""
    iterations: int = 150

    @property
    def cells(self) -> int:
        """Count the cells."""
        return self.rows * self.columns * self.bins


def _axis_corners(position: NDArray[np.float64], size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Split positions in cells into the lower cell and the weight of the upper one; borders are clamped."""
    inside = np.clip(position - 0.5, 0, size - 1)
    lower = np.minimum(inside.astype(np.int64), size - 2)
    return lower, inside - lower


def slicing_matrix(guide: Array, fit: GridFit) -> Any:
    """Return the sparse ``[H * W, cells]`` matrix of trilinear weights for a guide ``[H, W]`` in 0..1."""
    from scipy import sparse

    height, width = guide.shape
    y, wy = _axis_corners((np.arange(height)[:, None] + 0.5) * fit.rows / height, fit.rows)
    x, wx = _axis_corners((np.arange(width)[None] + 0.5) * fit.columns / width, fit.columns)
    z, wz = _axis_corners(guide.astype(np.float64) * fit.bins, fit.bins)
    columns, weights = [], []
    for corner in range(8):
        dz, dy, dx = corner >> 2, corner >> 1 & 1, corner & 1
        columns.append((((z + dz) * fit.rows + y + dy) * fit.columns + x + dx).ravel())
        weights.append(((wz if dz else 1 - wz) * (wy if dy else 1 - wy) * (wx if dx else 1 - wx)).ravel())
    starts = np.arange(0, 8 * guide.size + 1, 8)
    return sparse.csr_matrix(
        (np.stack(weights, 1).ravel(), np.stack(columns, 1).ravel(), starts), (guide.size, fit.cells)
    )


def _roughness(fit: GridFit) -> Any:
    """Return the sparse ``[cells, cells]`` sum of squared differences between neighbouring cells."""
    from scipy import sparse

    sizes, total = (fit.bins, fit.rows, fit.columns), 0
    for axis, size in enumerate(sizes):
        difference = sparse.diags([-1.0, 1.0], [0, 1], shape=(size - 1, size))
        factors = [difference if a == axis else sparse.identity(s) for a, s in enumerate(sizes)]
        operator = sparse.kron(sparse.kron(factors[0], factors[1]), factors[2])
        total = total + operator.T @ operator
    return sparse.csr_matrix(total)


def with_one(image: NDArray[Any]) -> NDArray[np.float64]:
    """List the pixels of ``[..., 3]`` as ``[N, 4]``: red, green, blue, 1."""
    pixels = image.reshape(-1, 3).astype(np.float64)
    return np.concatenate([pixels, np.ones((len(pixels), 1))], 1)


def conjugate_gradients(matrix: Any, right: NDArray[np.float64], iterations: int) -> NDArray[np.float64]:
    """Solve ``matrix @ x = right`` for every column of `right` at once, preconditioned with the diagonal.

    Stops after `iterations`, or when every residual has shrunk a million times.
    """
    scale = 1 / matrix.diagonal()[:, None]
    solution, residual = np.zeros_like(right), right.copy()
    direction = scale * residual
    power = (residual * direction).sum(0)
    enough = power * 1e-12
    for _ in range(iterations):
        product = matrix @ direction
        step = power / np.maximum((direction * product).sum(0), 1e-300)
        solution += step * direction
        residual -= step * product
        scaled = scale * residual
        previous, power = power, (residual * scaled).sum(0)
        if (power <= enough).all():
            break
        direction = scaled + power / np.maximum(previous, 1e-300) * direction
    return solution


def fit_grid(image: Array, target: Array, fit: GridFit) -> NDArray[np.float64]:
    """Fit a grid of 3x4 colour matrices ``[cells, 4, 3]`` that turns `image` into ``image + result = target``."""
    from scipy import sparse

    slicing, pixels = slicing_matrix(luma(image), fit), with_one(image)
    rows = np.repeat(np.arange(slicing.shape[0]), 8)
    values = (slicing.data[:, None] * pixels[rows]).ravel()
    columns = (slicing.indices[:, None].astype(np.int64) * 4 + np.arange(4)).ravel()
    design = sparse.csr_matrix((values, columns, slicing.indptr.astype(np.int64) * 4), (len(pixels), fit.cells * 4))
    share = fit.cells / len(pixels)
    smooth = sparse.kron(fit.smoothness * _roughness(fit) + 1e-8 * sparse.identity(fit.cells), sparse.identity(4))
    change = (target - image).reshape(-1, 3).astype(np.float64)
    matrix = sparse.csr_matrix(share * (design.T @ design) + smooth)
    return conjugate_gradients(matrix, share * (design.T @ change), fit.iterations).reshape(fit.cells, 4, 3)


def apply_grid(grid: NDArray[np.float64], image: Array, fit: GridFit) -> Array:
    """Slice a grid that `fit_grid` made at every pixel of `image`, apply it, clip to 0..1."""
    matrices = (slicing_matrix(luma(image), fit) @ grid.reshape(fit.cells, 12)).reshape(-1, 4, 3)
    change = np.einsum("nj,nji->ni", with_one(image), matrices).reshape(image.shape)
    result: Array = np.clip(image + change, 0, 1).astype(np.float32)
    return result


def reduce_by_area(image: Array, long_side: int = SMALL_SIDE) -> Array:
    """Shrink by averaging areas until the long side is `long_side`; smaller pictures stay as they are."""
    from PIL import Image

    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(image, 2, 0)]
    return np.stack([np.asarray(plane.resize(size, Image.Resampling.BOX)) for plane in planes], -1)


def upsample_bilaterally(image: Array, operator: Callable[[Array], Array], fit: GridFit | None = None) -> Array:
    """Run `operator` on a small copy, fit a grid to it there, slice the grid with the full picture."""
    fit, small = fit or GridFit(), reduce_by_area(image)
    return apply_grid(fit_grid(small, operator(small), fit), image, fit)


def fit_full_size(image: Array, target: Array, fit: GridFit | None = None) -> Array:
    """Return the best picture that a luma-guided grid can make of `image`, knowing the full-size truth."""
    fit = fit or GridFit()
    return apply_grid(fit_grid(image, target, fit), image, fit)
