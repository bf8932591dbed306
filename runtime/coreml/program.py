"""Decode an ML program: functions, operations, constants.

Field numbers are those of Core ML's Model.proto and MIL.proto.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from viewfinder.errors import BadArtifactError, NotVerifiedError
from viewfinder.runtime.coreml import wire
from viewfinder.runtime.coreml.package import Package
from viewfinder.runtime.coreml.values import DTYPES, Array, held, unpack

_ML_PROGRAM = 502
_MOST_VALUES = 1 << 32


@dataclass(frozen=True)
class Tensor:
    """Name, data type and shape of a tensor in a program. A flexible axis has size -1."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Constant:
    """A value written into the program: a tensor, a text, or a list of them."""

    value: Array | str | list[str]


@dataclass(frozen=True)
class Operation:
    """One operation. An input is bound to names of tensors or to constants; most have exactly one."""

    type: str
    inputs: Mapping[str, tuple[str | Constant, ...]]
    outputs: tuple[Tensor, ...]
    attributes: Mapping[str, Constant]

    @property
    def name(self) -> str:
        """What the operation is called in messages: its first output."""
        return self.outputs[0].name if self.outputs else self.type


@dataclass(frozen=True)
class Function:
    """The part of a program that a prediction runs."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    operations: tuple[Operation, ...]


def load(package: Package) -> Function:
    """Decode the function that a prediction runs.

    Raises:
        BadArtifactError: the package is damaged.
        NotVerifiedError: it is not an ML program (an older neural network, a pipeline), so nothing here can run it.
    """
    try:
        model = wire.fields(package.program_bytes())
        program = wire.message(model, _ML_PROGRAM)
        if program is None:
            raise NotVerifiedError(
                f"not-run: {package.folder} is not an ML program",
                "convert it with convert_to='mlprogram'; older kinds of models are not evaluated",
            )
        description = wire.fields(wire.message(model, 2) or memoryview(b""))
        return _Decoder(package).function(program, wire.text(description, 21) or "main")
    except (ValueError, KeyError) as error:
        raise BadArtifactError(
            f"{package.specification} cannot be read as a Core ML program: {error}", "export the model again"
        ) from error


class _Decoder:
    """Turns messages into the classes above; knows where the weights lie."""

    def __init__(self, package: Package) -> None:
        """Remember the package for its weights."""
        self.package = package

    def function(self, program: memoryview, name: str) -> Function:
        """Decode one function by name, in the operator set that it selects."""
        functions = self._map(wire.fields(program), 2)
        if name not in functions:
            raise ValueError(f"it has no function {name!r}")
        found = wire.fields(functions[name])
        blocks = self._map(found, 3)
        block = wire.fields(blocks[wire.text(found, 2)])
        return Function(
            inputs=tuple(self._tensor(item) for item in wire.messages(found, 1)),
            outputs=tuple(wire.decode(item) for item in wire.messages(block, 2)),
            operations=tuple(self._operation(item) for item in wire.messages(block, 3)),
        )

    @staticmethod
    def _map(found: wire.Fields, number: int) -> dict[str, memoryview]:
        """Read a map from text to message."""
        entries = [wire.fields(entry) for entry in wire.messages(found, number)]
        return {wire.text(entry, 1): wire.message(entry, 2) or memoryview(b"") for entry in entries}

    def _operation(self, data: memoryview) -> Operation:
        """Decode an operation with its constants."""
        found = wire.fields(data)
        inputs = {name: self._argument(item) for name, item in self._map(found, 2).items()}
        outputs = tuple(self._tensor(item) for item in wire.messages(found, 3))
        attributes = {key: self._constant(item) for key, item in self._map(found, 5).items() if key != "name"}
        kind = wire.text(found, 1)
        if wire.messages(found, 4):
            raise NotVerifiedError(
                f"not-run: op {kind}", f"{self.package.folder} has control flow, which is not evaluated"
            )
        return Operation(kind, inputs, outputs, attributes)

    def _argument(self, data: memoryview) -> tuple[str | Constant, ...]:
        """Decode what an input is bound to."""
        bound: list[str | Constant] = []
        for item in wire.messages(wire.fields(data), 1):
            found = wire.fields(item)
            value = wire.message(found, 2)
            bound.append(wire.text(found, 1) if value is None else self._constant(value))
        return tuple(bound)

    def _tensor(self, data: memoryview) -> Tensor:
        """Decode a name with its type."""
        found = wire.fields(data)
        dtype, shape = self._type(wire.message(found, 2))
        return Tensor(wire.text(found, 1), dtype, shape)

    @staticmethod
    def _type(data: memoryview | None) -> tuple[str, tuple[int, ...]]:
        """Decode a value type: tensors with their shape, anything else as the type ``other``."""
        tensor = None if data is None else wire.message(wire.fields(data), 1)
        if tensor is None:
            return "other", ()
        found = wire.fields(tensor)
        code = wire.number(found, 1)
        sizes = [wire.message(wire.fields(item), 1) for item in wire.messages(found, 3)]
        shape = tuple(-1 if size is None else wire.number(wire.fields(size), 1) for size in sizes)
        return DTYPES.get(code, f"type {code}"), shape

    def _constant(self, data: memoryview) -> Constant:
        """Decode a value, written in place or in a weight file."""
        found = wire.fields(data)
        dtype, shape = self._type(wire.message(found, 2))
        blob = wire.message(found, 5)
        if blob is not None:
            where = wire.fields(blob)
            stored = self.package.blob(wire.text(where, 1), wire.number(where, 2))
            return Constant(held(unpack(stored, dtype, _count(shape)), dtype).reshape(shape))
        immediate = wire.fields(wire.message(found, 3) or memoryview(b""))
        tensor = wire.message(immediate, 1)
        if tensor is not None:
            return _immediate(tensor, dtype, shape)
        items = wire.message(immediate, 2) or wire.message(immediate, 3) or memoryview(b"")
        nested = [self._constant(item).value for item in wire.messages(wire.fields(items), 1)]
        return Constant([item for item in nested if isinstance(item, str)])


def _count(shape: tuple[int, ...]) -> int:
    """Count the values of a constant; a damaged shape may ask for anything."""
    count = math.prod(shape)
    if not 0 <= count < _MOST_VALUES:
        raise ValueError(f"a constant has the shape {shape}")
    return count


_LISTS = {1: "<f4", 2: "int", 3: "bool", 5: "int", 6: "<f8"}
"""Field of TensorValue to how its values are stored; 4 holds texts, 7 raw bytes."""


def _immediate(data: memoryview, dtype: str, shape: tuple[int, ...]) -> Constant:
    """Decode a tensor written in place."""
    found = wire.fields(data)
    field = next(iter(found), 2)
    inner = wire.fields(wire.message(found, field) or memoryview(b""))
    if field == 4:
        texts = [wire.decode(item) for item in wire.messages(inner, 1)]
        return Constant(texts if shape else (texts or [""])[0])
    if field == 7:
        raw = wire.message(inner, 1) or memoryview(b"")
        return Constant(held(unpack(raw, dtype, _count(shape)), dtype).reshape(shape))
    if field not in _LISTS:
        raise ValueError(f"a constant is stored in the unknown field {field}")
    stored = _LISTS[field]
    values: Array = wire.fixed(inner, 1, stored) if stored[0] == "<" else wire.numbers(inner, 1)
    if stored == "bool":
        values = values.astype(np.bool_)
    if not values.size and not shape:
        values = np.zeros(1, values.dtype)
    return Constant(held(values, dtype).reshape(shape))
