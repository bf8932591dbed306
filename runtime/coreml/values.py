"""Data types of the Model Intermediate Language, and rounding to them.

Floating-point tensors are held as float32 arrays whose values the declared type can represent; so an fp16 tensor
needs no conversion when the next operation reads it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import NotVerifiedError

Array = NDArray[np.generic]

# MIL.proto, enum DataType. Widths below 8 bits are packed, first value in the lowest bits.
DTYPES = {
    1: "bool", 2: "string", 10: "fp16", 11: "fp32", 12: "fp64", 21: "int8", 22: "int16", 23: "int32", 24: "int64",
    25: "int4", 31: "uint8", 32: "uint16", 33: "uint32", 34: "uint64", 35: "uint4", 36: "uint2", 37: "uint1",
    38: "uint6", 39: "uint3",
}  # fmt: skip

STORAGE = {
    "bool": np.dtype("?"), "fp16": np.dtype("<f2"), "fp32": np.dtype("<f4"), "fp64": np.dtype("<f8"),
    "int8": np.dtype("i1"), "int16": np.dtype("<i2"), "int32": np.dtype("<i4"), "int64": np.dtype("<i8"),
    "uint8": np.dtype("u1"), "uint16": np.dtype("<u2"), "uint32": np.dtype("<u4"), "uint64": np.dtype("<u8"),
}  # fmt: skip

PACKED_BITS = {"int4": 4, "uint6": 6, "uint4": 4, "uint3": 3, "uint2": 2, "uint1": 1}

FLOATS = ("fp16", "fp32", "fp64")

_BLOCK = 1 << 15
"""Values rounded at a time, so that they stay in the nearest cache."""

_LEAST_NORMAL = np.uint32(0x38800000)
"""Bits of 2**-14, the smallest normal fp16: float32 below it lose more than 13 bits."""

_NORMAL_SPAN = np.uint32(0x477FF000 - 0x38800000)
"""From there to 65520, the smallest float32 that rounds to infinity in fp16."""


def unpack(data: bytes | memoryview, dtype: str, count: int) -> Array:
    """Read `count` stored values; packed types come out as int8 or uint8, floats as they are stored."""
    if dtype in STORAGE:
        need = count * STORAGE[dtype].itemsize
        if len(data) < need:
            raise ValueError(f"{len(data)} bytes are too few for {count} values of {dtype}")
        return np.frombuffer(data, STORAGE[dtype], count)
    bits = PACKED_BITS[dtype]
    if len(data) * 8 < count * bits:
        raise ValueError(f"{len(data)} bytes are too few for {count} values of {dtype}")
    flags = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: count * bits].reshape(count, bits)
    values: NDArray[np.uint8] = flags @ (1 << np.arange(bits)).astype(np.uint8)
    if dtype == "int4":
        return (((values ^ 8).astype(np.int8)) - np.int8(8)).astype(np.int8)
    return values


def held(values: Array, dtype: str) -> Array:
    """Convert to how a tensor of `dtype` is held: float32 for floats, numpy's own type otherwise."""
    if dtype in FLOATS:
        return values.astype(np.float32, copy=False)
    if dtype in STORAGE:
        return values.astype(STORAGE[dtype], copy=False)
    return values


def rounded(values: Array, dtype: str) -> Array:
    """Round the result of an operation to the type that the program declares for it."""
    if dtype == "fp16":
        return round_half(values)
    if dtype in FLOATS or dtype in STORAGE or dtype in PACKED_BITS:
        return held(values, dtype)
    raise NotVerifiedError(f"not-run: tensors of type {dtype}", "this type is unknown to the reference evaluator")


def round_half(values: Array) -> Array:
    """Round float32 to the nearest fp16, ties to even; the result is float32 again.

    Normal numbers are rounded by integer arithmetic, three times as fast as two numpy casts; infinities, NaN and
    numbers outside of the normal range go through the casts.
    """
    source = np.ascontiguousarray(values, np.float32).reshape(-1)
    result = np.empty_like(source)
    for start in range(0, source.size, _BLOCK):
        _round_block(source[start : start + _BLOCK], result[start : start + _BLOCK])
    return result.reshape(np.shape(values))


def _round_block(source: NDArray[np.float32], result: NDArray[np.float32]) -> None:
    """Round a few values; see `round_half`."""
    bits = source.view(np.uint32)
    magnitude = bits & np.uint32(0x7FFFFFFF)
    # Numbers below the range wrap around to the top, so that one comparison finds both ends.
    special = (magnitude - _LEAST_NORMAL) >= _NORMAL_SPAN
    special &= magnitude != 0
    np.right_shift(bits, 13, out=magnitude)
    magnitude &= np.uint32(1)
    magnitude += np.uint32(0xFFF)
    magnitude += bits
    np.bitwise_and(magnitude, np.uint32(0xFFFFE000), out=result.view(np.uint32))
    if special.any():
        with np.errstate(over="ignore", invalid="ignore"):
            result[special] = source[special].astype(np.float16)
