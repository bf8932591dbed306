"""Operations that move values: views where numpy has them."""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, kernel, op, simple

simple("shape", lambda x: np.array(x.shape, np.int32), "x", exact=True)


@kernel("reshape", exact=True)
def reshape(inputs: Inputs) -> Array:
    """Same values, other shape; 0 keeps an axis, -1 is what is left."""
    x, wanted = inputs["x"], inputs["shape"].tolist()
    return np.asarray(x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(wanted)]))


@op("flatten2d", exact=True)
def flatten2d(node: Node) -> Kernel:
    """Merge the axes before and from ``axis`` on."""
    axis = node.value("axis", 1)
    return lambda inputs: inputs["x"].reshape(int(np.prod(inputs["x"].shape[:axis], dtype=int)), -1)


@op("transpose", exact=True)
def transpose(node: Node) -> Kernel:
    """Permute the axes."""
    order = node.value("perm")
    return lambda inputs: inputs["x"].transpose(order)


@op("expand_dims", exact=True)
def expand_dims(node: Node) -> Kernel:
    """Insert axes of size 1."""
    axes = tuple(node.value("axes"))
    return lambda inputs: np.expand_dims(inputs["x"], axes)


@op("squeeze", exact=True)
def squeeze(node: Node) -> Kernel:
    """Remove axes of size 1."""
    axes = node.value("axes")
    return lambda inputs: np.squeeze(inputs["x"], None if axes is None else tuple(axes))


@op("concat", exact=True)
def concat(node: Node) -> Kernel:
    """Join along an axis, one tensor after the other or value by value."""
    axis, interleave = node.value("axis"), bool(node.value("interleave", False))

    def run(inputs: Inputs) -> Array:
        """Interleave by a new axis behind the joined one."""
        values = inputs["values"]
        if not interleave:
            return np.concatenate(values, axis)
        stacked = np.stack(values, axis % values[0].ndim + 1)
        shape = list(values[0].shape)
        shape[axis] *= len(values)
        return stacked.reshape(shape)

    return run


@op("stack", exact=True)
def stack(node: Node) -> Kernel:
    """Join along a new axis."""
    axis = node.value("axis")
    return lambda inputs: np.stack(inputs["values"], axis)


@op("split", exact=True)
def split(node: Node) -> Kernel:
    """Cut along an axis; the declared outputs say how many parts there are."""
    axis, sizes = node.value("axis"), node.value("split_sizes")

    def run(inputs: Inputs) -> list[Array]:
        """Cut into equal parts unless sizes are given."""
        borders = len(node.outputs) if sizes is None else np.cumsum(sizes)[:-1].tolist()
        return np.split(inputs["x"], borders, axis)

    return run


@kernel("tile", exact=True)
def tile(inputs: Inputs) -> Array:
    """Repeat along each axis."""
    return np.asarray(np.tile(inputs["x"], inputs["reps"].tolist()))


@op("reverse", exact=True)
def reverse(node: Node) -> Kernel:
    """Flip axes, all without ``axes``."""
    axes = node.value("axes")
    return lambda inputs: np.flip(inputs["x"], None if axes is None else tuple(axes))


@op("fill", exact=True)
def fill(node: Node) -> Kernel:
    """Make a tensor of one value."""
    value = node.value("value", 0.0)
    return lambda inputs: np.full(inputs["shape"].tolist(), value, np.float32 if isinstance(value, float) else None)


@op("fill_like", exact=True)
def fill_like(node: Node) -> Kernel:
    """Make a tensor of one value, in the shape of another."""
    value = node.value("value", 0.0)
    return lambda inputs: np.full(inputs["ref_tensor"].shape, value, np.float32 if isinstance(value, float) else None)


@kernel("range_1d", exact=True)
def range_1d(inputs: Inputs) -> Array:
    """Count from ``start`` to ``end`` by ``step``."""
    return np.arange(inputs["start"], inputs["end"], inputs["step"], dtype=inputs["start"].dtype)


@op("pad", exact=True)
def pad(node: Node) -> Kernel:
    """Extend the last axes by a constant, by reflection, or by the border."""
    mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}[node.value("mode", "constant")]
    fill_value = node.value("constant_val", 0.0)

    def run(inputs: Inputs) -> Array:
        """Leave the leading axes alone."""
        x, flat = inputs["x"], inputs["pad"].tolist()
        widths = [(0, 0)] * (x.ndim - len(flat) // 2) + list(zip(flat[::2], flat[1::2], strict=True))
        if mode != "constant":
            return np.pad(x, widths, mode=mode)  # type: ignore[call-overload,no-any-return]
        y = np.full(
            [n + before + after for n, (before, after) in zip(x.shape, widths, strict=True)], fill_value, x.dtype
        )
        y[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))] = x
        return y

    return run


@op("depth_to_space", "pixel_shuffle", exact=True)
def to_space(node: Node) -> Kernel:
    """Move channels into blocks of pixels. ``depth_to_space`` counts block positions first, ``pixel_shuffle`` last."""
    n = node.value("block_size", None) or node.value("upscale_factor")
    positions_first = node.type == "depth_to_space"

    def run(inputs: Inputs) -> Array:
        """Split the channels, then put the block axes behind the pixel axes."""
        x = inputs["x"]
        batch, channels, height, width = x.shape
        depth = channels // (n * n)
        if positions_first:
            parts = x.reshape(batch, n, n, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
        else:
            parts = x.reshape(batch, depth, n, n, height, width).transpose(0, 1, 4, 2, 5, 3)
        return np.asarray(parts.reshape(batch, depth, height * n, width * n))

    return run


@op("space_to_depth", "pixel_unshuffle", exact=True)
def to_depth(node: Node) -> Kernel:
    """Move blocks of pixels into channels; the inverses of ``depth_to_space`` and ``pixel_shuffle``."""
    n = int(node.value("block_size", None) or node.value("downscale_factor"))
    order = (0, 3, 5, 1, 2, 4) if node.type == "space_to_depth" else (0, 1, 3, 5, 2, 4)

    def run(inputs: Inputs) -> Array:
        """Split the pixel axes, then merge the block axes into the channels."""
        x = inputs["x"]
        batch, channels, height, width = x.shape
        parts = x.reshape(batch, channels, height // n, n, width // n, n).transpose(order)
        return np.asarray(parts.reshape(batch, channels * n * n, height // n, width // n))

    return run


@op("band_part", exact=True)
def band_part(node: Node) -> Kernel:
    """Keep a band around the diagonal of the last two axes; a negative width keeps everything on that side."""
    lower, upper = node.value("lower", -1), node.value("upper", -1)

    def run(inputs: Inputs) -> Array:
        """Zero what is outside."""
        x = inputs["x"]
        offset = np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None]
        keep = ((lower < 0) | (-offset <= lower)) & ((upper < 0) | (offset <= upper))
        return np.where(keep, x, np.zeros((), x.dtype))

    return run


@op("sliding_windows", exact=True)
def sliding_windows(node: Node) -> Kernel:
    """Cut overlapping windows along one axis; they get an axis of their own in front of it."""
    axis, size, stride = node.value("axis"), node.value("size"), node.value("stride", 1)

    def run(inputs: Inputs) -> Array:
        """Stack the windows."""
        x = inputs["x"]
        at = axis % x.ndim
        starts = range(0, x.shape[at] - size + 1, stride)
        return np.stack([np.take(x, range(start, start + size), at) for start in starts], at)

    return run
