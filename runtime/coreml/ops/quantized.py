"""Quantized activations, and weights stored in a compressed form.

Formulas: coremltools, ``converters/mil/mil/ops/defs`` (iOS16/constexpr_ops, iOS17/quantization_ops, iOS18/compression).
"""

from __future__ import annotations

import numpy as np

from viewfinder.runtime.coreml.registry import Array, Inputs, Kernel, Node, kernel, op
from viewfinder.runtime.coreml.values import unpack

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


def _along(values: Array | None, rank: int, axis: int | None) -> Array:
    """Shape one value per slice of `axis` so that it broadcasts; a missing one is zero."""
    if values is None:
        return np.asarray(np.float32(0))
    values = np.asarray(values, np.float32)
    if values.ndim == 0 or axis is None:
        return values
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)


@op("quantize")
def quantize(node: Node) -> Kernel:
    """clip(round(input / scale) + zero point)."""
    axis, (low, high) = node.value("axis"), _RANGES[node.value("output_dtype")]

    def run(inputs: Inputs) -> Array:
        """Round half to even, as Core ML does."""
        x = inputs["input"]
        steps = np.rint(x / _along(inputs["scale"], x.ndim, axis))
        return np.asarray(np.clip(steps + _along(inputs.get("zero_point"), x.ndim, axis), low, high))

    return run


@op("dequantize")
def dequantize(node: Node) -> Kernel:
    """(input - zero point) * scale."""
    axis = node.value("axis")

    def run(inputs: Inputs) -> Array:
        """Compute in float32."""
        x = inputs["input"].astype(np.float32)
        shifted = x - _along(inputs.get("zero_point"), x.ndim, axis)
        return np.asarray(shifted * _along(inputs["scale"], x.ndim, axis))

    return run


@op("constexpr_affine_dequantize")
def affine_dequantize(node: Node) -> Kernel:
    """Weights with one scale and zero point, or one per slice of an axis (iOS 16)."""
    axis = node.value("axis")

    def run(inputs: Inputs) -> Array:
        """Shift, then scale."""
        data = inputs["quantized_data"].astype(np.float32)
        shifted = data - _along(inputs["zero_point"], data.ndim, axis)
        return np.asarray(shifted * _along(inputs["scale"], data.ndim, axis))

    return run


def _blocks(values: Array, shape: tuple[int, ...]) -> Array:
    """Repeat one value per block until it covers `shape`."""
    for axis, (have, want) in enumerate(zip(values.shape, shape, strict=True)):
        if have != want:
            values = np.repeat(values, want // have, axis)
    return values


def _shift_scale(data: Array, scale: Array, offset: Array | None) -> Array:
    """(data - offset) * scale, scale and offset in blocks of any axis."""
    values = data.astype(np.float32)
    if offset is not None:
        values = values - _blocks(offset.astype(np.float32), data.shape)
    return np.asarray(values * _blocks(scale.astype(np.float32), data.shape))


@kernel("constexpr_blockwise_shift_scale")
def blockwise_shift_scale(inputs: Inputs) -> Array:
    """Weights with a scale and offset per block (iOS 18)."""
    return _shift_scale(inputs["data"], inputs["scale"], inputs.get("offset"))


@op("constexpr_lut_to_dense", exact=True)
def lut_to_dense(node: Node) -> Kernel:
    """Weights as positions in a table: one packed table (iOS 16), or one per block, maybe of vectors (iOS 18)."""
    if node.has("shape"):
        return lambda inputs: _packed_table(inputs["indices"], inputs["lut"], node.value("shape"))
    axis = node.value("vector_axis")
    return lambda inputs: _block_tables(inputs["indices"], inputs["lut"], axis)


def _packed_table(packed: Array, table: Array, shape: list[int]) -> Array:
    """Look up indices that are packed into bytes, lowest bits first."""
    bits = int(table.size).bit_length() - 1
    count = int(np.prod(shape))
    flags = np.unpackbits(packed.astype(np.uint8), bitorder="little")[: count * bits].reshape(count, bits)
    return np.asarray(table.reshape(-1)[flags @ (1 << np.arange(bits))].reshape(shape))


def _block_tables(indices: Array, tables: Array, axis: int | None) -> Array:
    """Look up indices in the table of their block; `tables` is ``[blocks per axis..., entries, vector]``."""
    sizes = zip(indices.shape, tables.shape[:-2], strict=True)
    own = np.ix_(*[np.arange(have) // (have // blocks) for have, blocks in sizes])
    vectors = tables[(*own, indices.astype(np.int64))]
    if tables.shape[-1] == 1:
        return np.asarray(vectors[..., 0])
    at = (axis or 0) % indices.ndim
    shape = list(indices.shape)
    shape[at] *= tables.shape[-1]
    return np.asarray(np.moveaxis(vectors, -1, at + 1).reshape(shape))


def _mask(inputs: Inputs, node: Node, key: str) -> Array:
    """Return the mask of values that are stored: a tensor of bits, or bytes of packed bits with a shape."""
    mask = inputs[key]
    if not node.has("shape"):
        return np.asarray(mask != 0)
    shape = node.value("shape")
    bits = unpack(mask.astype(np.uint8).tobytes(), "uint1", int(np.prod(shape)))
    return np.asarray(bits.reshape(shape) != 0)


def _spread(values: Array, mask: Array) -> Array:
    """Put stored values where the mask is set, zeros elsewhere."""
    dense = np.zeros(mask.shape, values.dtype)
    dense[mask] = values
    return dense


@op("constexpr_sparse_to_dense", exact=True)
def sparse_to_dense(node: Node) -> Kernel:
    """Weights of which only some are stored."""
    return lambda inputs: _spread(inputs["nonzero_data"], _mask(inputs, node, "mask"))


@op("constexpr_lut_to_sparse", exact=True)
def lut_to_sparse(node: Node) -> Kernel:
    """Sparse weights as positions in a table; returns the mask and the stored values."""
    if node.has("vector_axis"):
        raise node.refuse("tables of vectors")

    def run(inputs: Inputs) -> list[Array]:
        """Look all positions up, then keep the stored ones."""
        mask = inputs["indices_mask"] != 0
        dense = _block_tables(_spread(inputs["indices_nonzero_data"], mask), inputs["lut"], None)
        return [inputs["indices_mask"], dense[mask]]

    return run


@kernel("constexpr_sparse_blockwise_shift_scale")
def sparse_blockwise_shift_scale(inputs: Inputs) -> list[Array]:
    """Sparse weights with a scale and offset per block; returns the mask and the stored values."""
    mask = inputs["data_mask"] != 0
    dense = _shift_scale(_spread(inputs["nonzero_data"], mask), inputs["scale"], inputs.get("offset"))
    return [inputs["data_mask"], dense[mask]]


@kernel("constexpr_cast", exact=True)
def constexpr_cast(inputs: Inputs) -> Array:
    """Weights stored in a smaller float."""
    return np.asarray(inputs["source_val"])
