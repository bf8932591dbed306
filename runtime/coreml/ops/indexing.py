"""Operations that pick values by position."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, kernel, op


def _flags(node: Node, key: str, rank: int) -> list[bool]:
    """Read a mask, all false when absent."""
    return list(node.value(key) or [False] * rank)


@op("slice_by_index", exact=True)
def slice_by_index(node: Node) -> Kernel:
    """Python's slicing; masks stand for an omitted bound, or pick one position and drop the axis."""

    def run(inputs: Inputs) -> Array:
        """Build the index."""
        x = inputs["x"]
        begin, end = inputs["begin"].tolist(), inputs["end"].tolist()
        stride = node.value("stride") or [1] * x.ndim
        no_begin, no_end, drop = (_flags(node, key, x.ndim) for key in ("begin_mask", "end_mask", "squeeze_mask"))
        index = tuple(
            begin[axis]
            if drop[axis]
            else slice(None if no_begin[axis] else begin[axis], None if no_end[axis] else end[axis], stride[axis])
            for axis in range(x.ndim)
        )
        return np.asarray(x[index])

    return run


@kernel("slice_by_size", exact=True)
def slice_by_size(inputs: Inputs) -> Array:
    """Cut ``size`` values from ``begin`` on; -1 takes the rest."""
    pairs = zip(inputs["begin"].tolist(), inputs["size"].tolist(), strict=True)
    return np.asarray(inputs["x"][tuple(slice(at, None if n == -1 else at + n) for at, n in pairs)])


@op("crop", exact=True)
def crop(node: Node) -> Kernel:
    """Drop rows and columns at the borders of the last two axes."""
    (top, bottom), (left, right) = node.value("crop_height"), node.value("crop_width")

    def run(inputs: Inputs) -> Array:
        """Count the far borders from the end."""
        height, width = inputs["x"].shape[-2:]
        return np.asarray(inputs["x"][..., top : height - bottom, left : width - right])

    return run


@op("gather", exact=True)
def gather(node: Node) -> Kernel:
    """Take whole slices along an axis; negative positions count from the end."""
    axis = node.value("axis", 0)
    if node.value("batch_dims", 0):
        raise node.refuse("batch_dims")
    return lambda inputs: np.take(inputs["x"], inputs["indices"], axis)


@op("gather_along_axis", exact=True)
def gather_along_axis(node: Node) -> Kernel:
    """Take one value per position along an axis."""
    axis = node.value("axis", 0)
    return lambda inputs: np.take_along_axis(inputs["x"], inputs["indices"].astype(np.int64), axis)


@op("gather_nd", exact=True)
def gather_nd(node: Node) -> Kernel:
    """Take slices by the positions on the last axis of ``indices``."""
    if node.value("batch_dims", 0):
        raise node.refuse("batch_dims")
    return lambda inputs: inputs["x"][tuple(np.moveaxis(inputs["indices"], -1, 0))]
