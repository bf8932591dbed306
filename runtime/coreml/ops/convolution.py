"""Convolutions: windows are gathered into a matrix, in blocks that fit the cache, and multiplied by BLAS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import as_strided

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, op

_BLOCK_VALUES = 1 << 21
"""Gathered values at a time (8 MiB): bounds the scratch memory of large pictures."""


@dataclass(frozen=True)
class Window:
    """How a window moves over the two last axes, each as (rows, columns); padding as (top, bottom, left, right)."""

    size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def over(self, x: Array) -> Array:
        """View a padded ``[N, C, H, W]`` tensor as its windows ``[N, C, kh, kw, OH, OW]``, without a copy."""
        rows, columns = self.reach
        batch, channels, height, width = x.shape
        counts = [(height - rows) // self.strides[0] + 1, (width - columns) // self.strides[1] + 1]
        steps = x.strides
        moves = [steps[2 + axis] * self.dilations[axis] for axis in (0, 1)]
        moves += [steps[2 + axis] * self.strides[axis] for axis in (0, 1)]
        return as_strided(x, (batch, channels, *self.size, *counts), (*steps[:2], *moves), writeable=False)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from a window's first to its last value."""
        rows, columns = ((n - 1) * d + 1 for n, d in zip(self.size, self.dilations, strict=True))
        return rows, columns

    def pad(self, x: Array, fill: float = 0.0) -> Array:
        """Surround ``[N, C, H, W]`` with `fill`."""
        top, bottom, left, right = self.padding
        if not any(self.padding):
            return x
        batch, channels, height, width = x.shape
        padded = np.full((batch, channels, height + top + bottom, width + left + right), fill, x.dtype)
        padded[:, :, top : top + height, left : left + width] = x
        return padded


def window_of(node: Node, size: Sequence[int], shape: Sequence[int]) -> Window:
    """Read strides, dilations and padding; `size` is the window's and `shape` the input's, spatial axes only.

    One-dimensional operations are treated as pictures of one row.
    """
    spatial = len(size)
    if spatial > 2:
        raise node.refuse(f"{spatial} spatial axes")
    strides, dilations = node.value("strides", [1] * spatial), node.value("dilations", [1] * spatial)
    kind = node.value("pad_type", "valid")
    if kind == "custom":
        padding = node.value("pad", [0] * 2 * spatial)
    elif kind == "valid":
        padding = [0] * 2 * spatial
    else:
        reach = [(n - 1) * d + 1 for n, d in zip(size, dilations, strict=True)]
        padding = _same(shape, strides, reach, upper=kind == "same")
    lead = 2 - spatial
    rows = [cast("tuple[int, int]", (1,) * lead + tuple(values)) for values in (size, strides, dilations)]
    return Window(rows[0], rows[1], rows[2], cast("tuple[int, int, int, int]", (0, 0) * lead + tuple(padding)))


def _same(shape: Sequence[int], strides: Sequence[int], reach: Sequence[int], *, upper: bool) -> list[int]:
    """Pad so that the output has ceil(input / stride) values; an odd value goes after (`upper`) or before."""
    padding = []
    for n, stride, span in zip(shape, strides, reach, strict=True):
        total = max((-(-n // stride) - 1) * stride + span - n, 0)
        less = total // 2
        padding += [less, total - less] if upper else [total - less, less]
    return padding


def _as_picture(x: Array) -> Array:
    """Give a one-dimensional tensor ``[N, C, L]`` a row axis."""
    return x[:, :, None] if x.ndim == 3 else x


@op("conv")
def conv(node: Node) -> Kernel:
    """Cross-correlation of ``[N, C, H, W]`` with ``[O, C / groups, kh, kw]``, plus a bias per output channel."""
    if not node.has("weight"):
        raise node.refuse("weights that change")
    weight = _as_picture(node.constants["weight"])
    bias = node.constants.get("bias")
    groups = node.value("groups", 1)
    spatial = node.constants["weight"].ndim - 2
    size = node.constants["weight"].shape[2:]

    def run(inputs: Inputs) -> Array:
        """Choose by the number of channels in a group."""
        x = inputs["x"]
        window = window_of(node, size, x.shape[2:])
        padded = window.pad(_as_picture(x))
        y = _depthwise(padded, weight, window) if weight.shape[1] == 1 and groups > 1 else None
        if y is None:
            y = _grouped(padded, weight, window, groups)
        if bias is not None:
            y += bias.reshape(-1, 1, 1)
        return y if spatial == 2 else y[:, :, 0]

    return run


def _depthwise(x: Array, weight: Array, window: Window) -> Array:
    """Sum shifted copies: with one input channel per filter, a matrix product has nothing to gain."""
    windows = window.over(x)
    repeats = weight.shape[0] // x.shape[1]
    if repeats > 1:
        windows = np.repeat(windows, repeats, axis=1)
    y = np.zeros((x.shape[0], weight.shape[0], *windows.shape[4:]), np.float32)
    for row in range(window.size[0]):
        for column in range(window.size[1]):
            y += weight[:, 0, row, column].reshape(-1, 1, 1) * windows[:, :, row, column]
    return y


def _grouped(x: Array, weight: Array, window: Window, groups: int) -> Array:
    """Multiply gathered windows by the weights, some output rows at a time."""
    batch = x.shape[0]
    if window.size == window.strides == (1, 1):
        matrix = weight.reshape(groups, weight.shape[0] // groups, -1)
        y = np.matmul(matrix, x.reshape(batch, groups, x.shape[1] // groups, -1))
        return np.asarray(y).reshape(batch, -1, *x.shape[2:])
    windows = window.over(x)
    height, width = windows.shape[4:]
    depth = windows.shape[1] // groups * window.size[0] * window.size[1]
    matrix = weight.reshape(groups, weight.shape[0] // groups, depth)
    y = np.empty((batch, groups, matrix.shape[1], height, width), np.float32)
    rows = max(1, _BLOCK_VALUES // max(1, groups * depth * width))
    for image in range(batch):
        for first in range(0, height, rows):
            block = windows[image, :, :, :, first : first + rows].reshape(groups, depth, -1)
            y[image, :, :, first : first + rows] = np.matmul(matrix, block).reshape(groups, matrix.shape[1], -1, width)
    return y.reshape(batch, -1, height, width)


@op("conv_transpose")
def conv_transpose(node: Node) -> Kernel:
    """Adjoint of a convolution: ``[N, C, H, W]`` with ``[C, O / groups, kh, kw]``; the declared shape sets the crop."""
    if not node.has("weight"):
        raise node.refuse("weights that change")
    original = node.constants["weight"]
    weight, bias = _as_picture(original), node.constants.get("bias")
    groups, size = node.value("groups", 1), original.shape[2:]
    height, width = (1, 1, *node.outputs[0].shape[2:])[-2:] if original.ndim == 4 else (1, node.outputs[0].shape[2])

    def run(inputs: Inputs) -> Array:
        """Scatter every input value through the filter, then crop the padding away."""
        x = _as_picture(inputs["x"])
        full = _scatter(x, weight, window_of(_unpadded(node), size, inputs["x"].shape[2:]), groups)
        top, left = _crop(node, full.shape[2:], (height, width))
        y = np.zeros((*full.shape[:2], height, width), np.float32)
        part = full[:, :, top : top + height, left : left + width]
        y[:, :, : part.shape[2], : part.shape[3]] = part
        if bias is not None:
            y += bias.reshape(-1, 1, 1)
        return y if original.ndim == 4 else y[:, :, 0]

    return run


def _unpadded(node: Node) -> Node:
    """Return the operation without its padding, which here means a crop."""
    constants = {key: value for key, value in node.constants.items() if key not in {"pad", "pad_type"}}
    return Node(node.type, constants, node.outputs)


def _crop(node: Node, full: Sequence[int], wanted: tuple[int, int]) -> tuple[int, int]:
    """Return how many rows and columns to drop before the output."""
    kind = node.value("pad_type", "valid")
    if kind == "custom":
        padding = node.value("pad", [0, 0, 0, 0])
        return (padding[0], padding[2]) if len(padding) == 4 else (0, padding[0])
    if kind == "valid":
        return 0, 0
    extra = [max(n - size, 0) for n, size in zip(full, wanted, strict=True)]
    return (extra[0] // 2, extra[1] // 2) if kind == "same" else (extra[0] - extra[0] // 2, extra[1] - extra[1] // 2)


def _scatter(x: Array, weight: Array, window: Window, groups: int) -> Array:
    """Add every input value times the filter to the output, without padding."""
    batch, channels, height, width = x.shape
    matrix = weight.reshape(groups, channels // groups, -1).transpose(0, 2, 1)
    spread = np.matmul(matrix, x.reshape(batch, groups, channels // groups, height * width))
    spread = spread.reshape(batch, -1, *window.size, height, width)
    (row_step, column_step), (row_gap, column_gap) = window.strides, window.dilations
    rows, columns = (height - 1) * row_step + window.reach[0], (width - 1) * column_step + window.reach[1]
    y = np.zeros((batch, spread.shape[1], rows, columns), np.float32)
    for row in range(window.size[0]):
        for column in range(window.size[1]):
            down, across = row * row_gap, column * column_gap
            target = y[
                :, :, down : down + height * row_step : row_step, across : across + width * column_step : column_step
            ]
            target += spread[:, :, row, column]
    return y
