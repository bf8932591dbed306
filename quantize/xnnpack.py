"""Read scales and zero points out of ExecuTorch programs: they stand in the graphs that XNNPACK was given.

Such a graph is a FlatBuffer behind a header, inside the program. ExecuTorch has a schema of it and no reader; what is
read here are fields by their places in ``runtime_schema.fbs``. Scales of channels lie in the program's named data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

DELEGATE = "XnnpackBackend"
_INT8, _INT8_BY_CHANNEL = 3, 6
"""``XNNDatatype``: one scale for the tensor, and one for every channel."""
_QUANTIZED = 2
"""``XValueUnion``: a tensor with scales."""

# Places of fields: of a graph, its values and its constants; of a value, its kind and its table; of a quantized tensor,
# the plain tensor and the table of scales; of those, scale and zero point, or scales and the constant that holds them.
_VALUES, _CONSTANTS = 2, 8
_KIND, _TABLE = 0, 1
_PLAIN, _SCALES = 0, 2
_SCALE, _ZERO = 0, 1
_SCALE_LIST, _SCALE_CONSTANT = 0, 2
_NAMED_KEY = 2


def pairs(path: Path) -> dict[str, set[tuple[float, int]]]:
    """List scale and zero point of int8 tensors: of ``activations``, and of ``weights`` for every channel."""
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
    from executorch.exir._serialize._program import deserialize_pte_binary

    file = deserialize_pte_binary(path.read_bytes())
    named = file.named_data

    def constant(key: str) -> bytes:
        """Return the named data under a key."""
        return bytes(named.buffers[named.pte_data[key].buffer_index]) if named and key in named.pte_data else b""

    found: dict[str, set[tuple[float, int]]] = {"activations": set(), "weights": set()}
    for plan in file.program.execution_plan:
        for delegate in (one for one in plan.delegates if one.id == DELEGATE):
            data = bytes(file.program.backend_delegate_data[delegate.processed.index].data)
            header = XNNHeader.from_bytes(data[: XNNHeader.EXPECTED_LENGTH])
            graph = data[header.flatbuffer_offset : header.flatbuffer_offset + header.flatbuffer_size]
            for kind, scale, zero in _pairs(graph, constant):
                found[kind].add((scale, zero))
    return found


def _pairs(graph: bytes, constant: Callable[[str], bytes]) -> Iterator[tuple[str, float, int]]:
    """Yield kind, scale and zero point of every int8 tensor of a graph."""
    from flatbuffers import encode, number_types, packer
    from flatbuffers.table import Table

    root = Table(bytearray(graph), encode.Get(packer.uoffset, graph, 0))
    constants = list(_tables(root, _CONSTANTS))
    for value in _tables(root, _VALUES):
        if _number(value, _KIND, number_types.Uint8Flags) != _QUANTIZED:
            continue
        tensor = _table(value, _TABLE)
        type_ = _number(_table(tensor, _PLAIN), 0, number_types.Int16Flags)
        scales = _table(tensor, _SCALES)
        if type_ == _INT8:
            scale = _number(scales, _SCALE, number_types.Float32Flags)
            yield "activations", float(scale), int(_number(scales, _ZERO, number_types.Int32Flags))
        elif type_ == _INT8_BY_CHANNEL:
            given = constants[int(_number(scales, _SCALE_CONSTANT, number_types.Uint32Flags))]
            own = _floats(scales, _SCALE_LIST)
            for scale in own if own.size else np.frombuffer(constant(_text(given, _NAMED_KEY)), "<f4"):
                yield "weights", float(scale), 0


def _place(table: Any, field: int) -> int:
    """Return where a field of a table lies; 0 where the table leaves it out."""
    offset = int(table.Offset(4 + 2 * field))
    return int(table.Pos) + offset if offset else 0


def _number(table: Any, field: int, flags: Any) -> Any:
    """Read a number; 0 where it is left out."""
    place = _place(table, field)
    return table.Get(flags, place) if place else 0


def _table(table: Any, field: int) -> Any:
    """Read a table in a table."""
    from flatbuffers.table import Table

    return Table(table.Bytes, table.Indirect(_place(table, field)))


def _tables(table: Any, field: int) -> Iterator[Any]:
    """Walk over a list of tables."""
    from flatbuffers.table import Table

    if _place(table, field):
        first, offset = table.Vector(int(table.Offset(4 + 2 * field))), int(table.Offset(4 + 2 * field))
        for number in range(table.VectorLen(offset)):
            yield Table(table.Bytes, table.Indirect(first + 4 * number))


def _floats(table: Any, field: int) -> Any:
    """Read a list of numbers; empty where it is left out."""
    offset = int(table.Offset(4 + 2 * field))
    if not offset:
        return np.empty(0, np.float32)
    return np.frombuffer(table.Bytes, "<f4", table.VectorLen(offset), table.Vector(offset))


def _text(table: Any, field: int) -> str:
    """Read a text; empty where it is left out."""
    offset = int(table.Offset(4 + 2 * field))
    return table.String(table.Pos + offset).decode() if offset else ""
