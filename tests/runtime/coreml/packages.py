"""Writes small Core ML packages by hand, so that tests need no converter and can damage any byte they like."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CODES = {"bool": 1, "string": 2, "fp16": 10, "fp32": 11, "int8": 21, "int32": 23, "int4": 25, "uint8": 31, "uint4": 35}
STORED = {"fp16": "<f2", "fp32": "<f4", "int8": "i1", "uint8": "u1"}


@dataclass(frozen=True)
class Typed:
    """An array with a MIL type that numpy does not imply; `blob` puts it into the weight file."""

    values: Any
    dtype: str
    blob: bool = False


@dataclass
class Op:
    """One operation: inputs are names of tensors, lists of names, or constants."""

    type: str
    inputs: dict[str, Any]
    outputs: list[tuple[str, str, tuple[int, ...]]]
    attributes: dict[str, Any] = field(default_factory=dict)


def varint(number: int) -> bytes:
    """Encode a number; negative ones as 64-bit two's complement."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def part(number: int, payload: bytes | str) -> bytes:
    """Encode a field that holds bytes."""
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def whole(number: int, value: int) -> bytes:
    """Encode a field that holds a number."""
    return varint(number << 3) + varint(value)


def tensor_type(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Encode a ValueType."""
    sizes = b"".join(part(3, part(1, whole(1, size))) for size in shape)
    return part(1, whole(1, CODES[dtype]) + whole(2, len(shape)) + sizes)


def named(name: str, dtype: str, shape: tuple[int, ...]) -> bytes:
    """Encode a NamedValueType."""
    return part(1, name) + part(2, tensor_type(dtype, shape))


class Writer:
    """Collects weights while it encodes."""

    def __init__(self) -> None:
        """Start the weight file with its 64 bytes of head."""
        self.weights = bytearray(struct.pack("<II", 0, 2).ljust(64, b"\0"))

    def blob(self, data: bytes) -> int:
        """Append a weight; return where its description is."""
        at = len(self.weights)
        self.weights += struct.pack("<IIQQ", 0xDEADBEEF, 1, len(data), at + 64).ljust(64, b"\0") + data
        self.weights += bytes(-len(self.weights) % 64)
        return at

    def value(self, item: Any) -> bytes:
        """Encode a constant."""
        if isinstance(item, str):
            return part(2, tensor_type("string", ())) + part(3, part(1, part(4, part(1, item))))
        if not isinstance(item, Typed):
            array = np.asarray(item)
            item = Typed(array, {"b": "bool", "i": "int32", "f": "fp32"}[array.dtype.kind])
        array = np.asarray(item.values)
        kind = tensor_type(item.dtype, array.shape)
        if item.dtype in {"int4", "uint4"}:
            flat = [int(value) & 15 for value in array.reshape(-1)] + [0] * (array.size % 2)
            raw = bytes(low | high << 4 for low, high in zip(flat[::2], flat[1::2], strict=True))
        else:
            raw = array.astype(STORED.get(item.dtype, array.dtype)).tobytes()
        if item.blob:
            where = part(1, "@model_path/weights/weight.bin") + whole(2, self.blob(raw))
            return part(2, kind) + part(5, where)
        if item.dtype == "bool":
            stored = part(3, part(1, b"".join(varint(int(v)) for v in array.reshape(-1))))
        elif item.dtype == "int32":
            stored = part(2, part(1, b"".join(varint(int(v)) for v in array.reshape(-1))))
        elif item.dtype == "fp32":
            stored = part(1, part(1, raw))
        else:
            stored = part(7, part(1, raw))
        return part(2, kind) + part(3, part(1, stored))

    def argument(self, item: Any) -> bytes:
        """Encode what an input is bound to: a name is written ``@name``."""
        items = item if isinstance(item, list) else [item]
        bound = b""
        for one in items:
            is_name = isinstance(one, str) and one.startswith("@")
            bound += part(1, part(1, one[1:]) if is_name else part(2, self.value(one)))
        return bound

    def operation(self, op: Op) -> bytes:
        """Encode an operation."""
        out = part(1, op.type)
        out += b"".join(part(2, part(1, key) + part(2, self.argument(item))) for key, item in op.inputs.items())
        out += b"".join(part(3, named(*spec)) for spec in op.outputs)
        attributes = {"name": op.outputs[0][0], **op.attributes}
        return out + b"".join(part(5, part(1, key) + part(2, self.value(item))) for key, item in attributes.items())


def write(folder: Path, inputs: list[tuple[str, str, tuple[int, ...]]], ops: list[Op], outputs: list[str]) -> Path:
    """Write a package whose function ``main`` runs `ops`."""
    writer = Writer()
    block = b"".join(part(2, name) for name in outputs) + b"".join(part(3, writer.operation(op)) for op in ops)
    function = b"".join(part(1, named(*spec)) for spec in inputs) + part(2, "CoreML7")
    function += part(3, part(1, "CoreML7") + part(2, block))
    program = whole(1, 1) + part(2, part(1, "main") + part(2, function))
    inner = folder / "Data" / "com.apple.CoreML"
    (inner / "weights").mkdir(parents=True)
    (inner / "model.mlmodel").write_bytes(whole(1, 8) + part(502, program))
    (inner / "weights" / "weight.bin").write_bytes(writer.weights)
    entries = {"1": {"path": "com.apple.CoreML/model.mlmodel"}, "2": {"path": "com.apple.CoreML/weights"}}
    manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": "1"}
    (folder / "Manifest.json").write_text(json.dumps(manifest))
    return folder


def one(
    folder: Path, kind: str, feeds: dict[str, np.ndarray], constants: dict[str, Any], shape: tuple[int, ...]
) -> Path:
    """Write a package of one operation, all in float32."""
    inputs = [(name, "fp32", array.shape) for name, array in feeds.items()]
    op = Op(kind, {**{name: f"@{name}" for name in feeds}, **constants}, [("y", "fp32", shape)])
    return write(folder, inputs, [op], ["y"])
