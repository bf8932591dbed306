"""Resizing and resampling. Sampling grids: coremltools, ``converters/mil/mil/ops/defs/iOS15/image_resizing.py``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, op

_HALF_PIXEL, _CORNERS = "UNALIGN_CORNERS", "STRICT_ALIGN_CORNERS"


def positions(size: int, wanted: int, mode: str) -> NDArray[np.float64]:
    """Return where `wanted` samples fall on an axis of `size` values, inside 0 .. size - 1."""
    at = np.arange(wanted, dtype=np.float64)
    if mode in (_CORNERS, "ALIGN_CORNERS"):
        centre = (size - 1) / 2 if mode == "ALIGN_CORNERS" else 0.0
        points = at * (size - 1) / (wanted - 1) if wanted > 1 else at + centre
    elif mode == "DEFAULT":
        points = at * size / wanted
    elif mode == "OFFSET_CORNERS":
        points = (at + 0.5) * max(1, size - 1) / wanted
    else:
        points = (at + 0.5) * size / wanted - 0.5
    return np.clip(points, 0.0, size - 1.0)


def _lerp(x: Array, points: NDArray[np.float64], axis: int) -> Array:
    """Interpolate linearly along an axis."""
    lower = np.floor(points).astype(np.int64)
    upper = np.minimum(lower + 1, x.shape[axis] - 1)
    weight = (points - lower).astype(np.float32)
    weight = weight[:, None] if axis == -2 else weight
    low = np.take(x, lower, axis)
    return np.asarray(low + weight * (np.take(x, upper, axis) - low))


def bilinear(x: Array, height: int, width: int, mode: str) -> Array:
    """Resize the last two axes; columns first where that leaves less to do."""
    steps = [(-2, height), (-1, width)]
    if height * x.shape[-1] > width * x.shape[-2]:
        steps.reverse()
    for axis, wanted in steps:
        x = _lerp(x, positions(x.shape[axis], wanted, mode), axis)
    return x


def nearest(x: Array, height: int, width: int) -> Array:
    """Resize the last two axes by repetition: sample ``floor(i * size / wanted)``."""
    rows = np.arange(height) * x.shape[-2] // height
    columns = np.arange(width) * x.shape[-1] // width
    return np.asarray(x[..., rows[:, None], columns])


def _target(node: Node) -> tuple[int, int]:
    """Read the size that the program declares."""
    height, width = node.outputs[0].shape[-2:]
    if min(height, width) < 1:
        raise node.refuse("flexible sizes")
    return height, width


@op("upsample_bilinear")
def upsample_bilinear(node: Node) -> Kernel:
    """Resize by factors. iOS 17 can set half-pixel centres apart from aligned corners."""
    height, width = _target(node)
    aligned = bool(node.value("align_corners", True))
    half_pixel = bool(node.value("half_pixel_centers", not aligned))
    mode = _CORNERS if aligned else _HALF_PIXEL if half_pixel else "DEFAULT"
    return lambda inputs: bilinear(inputs["x"], height, width, mode)


@op("resize_bilinear")
def resize_bilinear(node: Node) -> Kernel:
    """Resize to a size."""
    height, width = _target(node)
    mode = node.value("sampling_mode", "DEFAULT")
    return lambda inputs: bilinear(inputs["x"], height, width, mode)


@op("resize_nearest_neighbor", "upsample_nearest_neighbor", exact=True)
def resize_nearest(node: Node) -> Kernel:
    """Resize by repetition."""
    height, width = _target(node)
    return lambda inputs: nearest(inputs["x"], height, width)


@op("resize")
def resize(node: Node) -> Kernel:
    """Resize to a size, by interpolation or repetition (iOS 17)."""
    height, width = _target(node)
    if node.value("interpolation_mode", "LINEAR") == "NEAREST_NEIGHBOR":
        if node.value("sampling_mode", "DEFAULT") != "DEFAULT":
            raise node.refuse("nearest neighbour with shifted samples")
        return lambda inputs: nearest(inputs["x"], height, width)
    mode = node.value("sampling_mode", "DEFAULT")
    return lambda inputs: bilinear(inputs["x"], height, width, mode)


@op("resample")
def resample(node: Node) -> Kernel:
    """Read ``[N, C, H, W]`` at coordinates ``[N, h, w, (x, y)]``, as PyTorch's ``grid_sample`` does."""
    border, scale = node.value("padding_mode"), node.value("coordinates_mode")
    aligned, linear = bool(node.value("align_corners")), node.value("sampling_mode") == "bilinear"
    fill = np.float32(node.value("padding_value", 0.0))
    if border not in {"constant", "border"}:
        raise node.refuse(f"padding_mode {border}")

    def run(inputs: Inputs) -> Array:
        """Mix the four neighbours, or take the nearest one."""
        x, where = inputs["x"], inputs["coordinates"].astype(np.float64)
        across = _pixels(where[..., 0], x.shape[3], scale, aligned=aligned)
        down = _pixels(where[..., 1], x.shape[2], scale, aligned=aligned)
        if border == "border":
            across, down = np.clip(across, 0, x.shape[3] - 1), np.clip(down, 0, x.shape[2] - 1)
        if not linear:
            return _pick(x, np.rint(down).astype(np.int64), np.rint(across).astype(np.int64), fill)
        top, left = np.floor(down).astype(np.int64), np.floor(across).astype(np.int64)
        wy, wx = (down - top).astype(np.float32)[:, None], (across - left).astype(np.float32)[:, None]
        upper = (1 - wx) * _pick(x, top, left, fill) + wx * _pick(x, top, left + 1, fill)
        lower = (1 - wx) * _pick(x, top + 1, left, fill) + wx * _pick(x, top + 1, left + 1, fill)
        return (1 - wy) * upper + wy * lower

    return run


def _pixels(where: NDArray[np.float64], size: int, scale: str, *, aligned: bool) -> NDArray[np.float64]:
    """Turn coordinates into pixel positions."""
    if scale == "unnormalized":
        return where
    unit = (where + 1) / 2 if scale == "normalized_minus_one_to_one" else where
    return unit * (size - 1) if aligned else unit * size - 0.5


def _pick(x: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], fill: np.float32) -> Array:
    """Read whole pixels ``[N, C, h, w]``; outside of the picture there is `fill`."""
    height, width = x.shape[2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    batch = np.arange(x.shape[0])[:, None, None]
    found = x[batch, :, np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return np.moveaxis(np.where(inside[..., None], found, fill), -1, 1)
