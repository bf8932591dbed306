"""Read protocol buffers' wire format: enough for a Core ML model, without the protobuf package.

Only what a message holds is returned: field number to the values in file order. What they mean is the reader's
business (`viewfinder.runtime.coreml.program`).

Source: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Fields: TypeAlias = "dict[int, list[int | memoryview]]"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


class WireError(ValueError):
    """The bytes are not a message."""


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Read one base-128 number; returns it and where the next byte is."""
    value = 0
    for position in range(_LONGEST_VARINT):
        if at >= len(data):
            raise WireError("it ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value, at
    raise WireError("a number is longer than 64 bits")


def fields(data: memoryview) -> Fields:
    """Split a message into its fields. Fixed-size values are returned as their bytes."""
    found: Fields = {}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = varint(data, at)
            found.setdefault(tag >> 3, []).append(value)
            continue
        if kind == _BYTES:
            size, at = varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"it has a field of the unknown kind {kind}")
        if at + size > len(data):
            raise WireError("it ends in the middle of a field")
        found.setdefault(tag >> 3, []).append(data[at : at + size])
        at += size
    return found


def messages(found: Fields, number: int) -> list[memoryview]:
    """Return all values of a field that holds messages, texts or bytes."""
    values = found.get(number, [])
    texts = [value for value in values if isinstance(value, memoryview)]
    if len(texts) != len(values):
        raise WireError(f"field {number} holds a number where a message belongs")
    return texts


def message(found: Fields, number: int) -> memoryview | None:
    """Return the last value of a field that holds one message, or None."""
    values = messages(found, number)
    return values[-1] if values else None


def text(found: Fields, number: int) -> str:
    """Return a text field, or ""."""
    value = message(found, number)
    return "" if value is None else decode(value)


def decode(value: memoryview) -> str:
    """Read UTF-8."""
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("a name is not UTF-8") from error


def number(found: Fields, field: int) -> int:
    """Return an unsigned number field, or 0."""
    values = found.get(field, [])
    if not values:
        return 0
    value = values[-1]
    if isinstance(value, memoryview):
        raise WireError(f"field {field} holds a message where a number belongs")
    return value


def numbers(found: Fields, field: int) -> NDArray[np.int64]:
    """Return a repeated integer field, packed or not; negative numbers are 64-bit two's complement."""
    read: list[int] = []
    for value in found.get(field, []):
        if isinstance(value, int):
            read.append(value)
            continue
        at = 0
        while at < len(value):
            item, at = varint(value, at)
            read.append(item)
    return np.array(read, np.uint64).view(np.int64)


def fixed(found: Fields, field: int, dtype: str) -> NDArray[np.generic]:
    """Return a repeated float or double field, packed or not; `dtype` is little-endian."""
    joined = b"".join(bytes(value) for value in messages(found, field))
    if len(joined) % np.dtype(dtype).itemsize:
        raise WireError(f"field {field} is not a whole number of values")
    return np.frombuffer(joined, dtype)
