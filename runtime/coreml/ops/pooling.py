"""Pooling over windows of the spatial axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from viewfinder.runtime.coreml.ops.convolution import Window, window_of
from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, op


@op("avg_pool", "l2_pool")
def average(node: Node) -> Kernel:
    """Mean (or root of the sum of squares) of each window.

    Padding counts as zeros unless it is excluded; what ``ceil_mode`` adds after it never counts, as in PyTorch.
    """
    exclude = bool(node.value("exclude_padding_from_average", False))

    def run(inputs: Inputs) -> Array:
        """Sum the windows, then divide."""
        x, window, extra = _prepare(node, inputs)
        if node.type == "l2_pool":
            return _finish(node, np.sqrt(window.over(window.pad(x * x)).sum((2, 3), dtype=np.float32)))
        ones = np.ones((1, 1, *x.shape[2:]), np.float32)
        counted = window.pad(ones) if exclude else extra.pad(_without(window, extra).pad(ones, 1.0))
        total = window.over(window.pad(x)).sum((2, 3), dtype=np.float32)
        return _finish(node, np.asarray(total / window.over(counted).sum((2, 3), dtype=np.float32)))

    return run


def _without(window: Window, extra: Window) -> Window:
    """Return the window without the extra padding."""
    top, bottom, left, right = window.padding
    return replace(window, padding=(top, bottom - extra.padding[1], left, right - extra.padding[3]))


@op("max_pool", exact=True)
def maximum(node: Node) -> Kernel:
    """Largest value of each window; padding never wins."""

    def run(inputs: Inputs) -> Array:
        """Compare shifted copies."""
        x, window, _ = _prepare(node, inputs)
        windows = window.over(window.pad(x, -np.inf))
        y = windows[:, :, 0, 0].copy()
        for row in range(window.size[0]):
            for column in range(window.size[1]):
                np.maximum(y, windows[:, :, row, column], out=y)
        return _finish(node, y)

    return run


def _prepare(node: Node, inputs: Inputs) -> tuple[Array, Window, Window]:
    """Return the input as a picture, the window with all padding, and one with what only ``ceil_mode`` adds."""
    x, sizes = inputs["x"], node.value("kernel_sizes")
    window = window_of(node, sizes, x.shape[2:])
    picture = x[:, :, None] if x.ndim == 3 else x
    if not node.value("ceil_mode", False):
        return picture, window, replace(window, padding=(0, 0, 0, 0))
    top, bottom, left, right = window.padding
    outputs = node.outputs[0].shape[2:]
    counts = (1, *outputs) if x.ndim == 3 else outputs
    need = [(n - 1) * step + span for n, step, span in zip(counts, window.strides, window.reach, strict=True)]
    down = max(0, need[0] - picture.shape[2] - top - bottom)
    across = max(0, need[1] - picture.shape[3] - left - right)
    full = replace(window, padding=(top, bottom + down, left, right + across))
    return picture, full, replace(window, padding=(0, down, 0, across))


def _finish(node: Node, y: Array) -> Array:
    """Drop the row axis that a one-dimensional input was given."""
    return y[:, :, 0] if len(node.outputs[0].shape) == 3 else y
