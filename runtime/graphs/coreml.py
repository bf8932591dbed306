"""Core ML packages: an ML program's operators stand in it with their shapes. Needs no coremltools."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from viewfinder.runtime.coreml import program, wire
from viewfinder.runtime.coreml.package import Package
from viewfinder.runtime.coreml.program import Constant, Operation
from viewfinder.runtime.graphs import Contents, Tensor, convolution, known

SUFFIX = ".mlpackage"
Shapes = Mapping[str, tuple[int, ...]]


def read(path: Path) -> Contents:
    """Read the function of an ``.mlpackage`` that a prediction runs."""
    package = Package(path)
    function = program.load(package)
    operators = Counter(operation.type for operation in function.operations if operation.type != "const")
    values = {
        value.name: value for value in (*function.inputs, *(out for op in function.operations for out in op.outputs))
    }
    weights = package.specification.parent / "weights" / "weight.bin"
    model = wire.fields(package.program_bytes())
    return Contents(
        inputs=tuple(Tensor(value.name, value.shape, value.dtype) for value in function.inputs),
        outputs=tuple(Tensor(name, values[name].shape, values[name].dtype) for name in function.outputs),
        operators=dict(operators.most_common()),
        macs=_macs(function.operations, {name: value.shape for name, value in values.items()}),
        transposes=operators["transpose"],
        weights_bytes=weights.stat().st_size if weights.exists() else 0,
        metadata=_metadata(model),
        notes={"specification_version": wire.number(model, 1)},
    )


_FACTORS = {"conv": ("x", "weight"), "conv_transpose": ("x", "weight"), "linear": ("x", "weight"), "matmul": ("x", "y")}


def _macs(operations: tuple[Operation, ...], shapes: Shapes) -> int | None:
    """Sum over the operators; None when a shape that is needed is unknown."""
    flags = {op.outputs[0].name for op in operations if op.type == "const" and _is_true(op.attributes.get("val"))}
    total = 0
    for operation in operations:
        if operation.type not in _FACTORS:
            continue
        needed = [_shape(operation, name, shapes) for name in _FACTORS[operation.type]]
        needed.append(operation.outputs[0].shape)
        if not known(needed):
            return None
        bound = operation.inputs.get("transpose_x", ("",))[0]
        transposed = bound in flags if isinstance(bound, str) else _is_true(bound)
        total += _count(operation.type, [shape for shape in needed if shape is not None], transposed=transposed)
    return total


def _is_true(constant: Constant | None) -> bool:
    """Tell whether a constant is the scalar True."""
    value = None if constant is None else constant.value
    return getattr(value, "size", 0) == 1 and bool(value)


def _shape(operation: Operation, name: str, shapes: Shapes) -> tuple[int, ...] | None:
    """Shape of an input, bound to a name or to a constant."""
    bound = operation.inputs[name][0]
    if isinstance(bound, str):
        return shapes.get(bound)
    return tuple(getattr(bound.value, "shape", ()))


def _count(kind: str, shapes: list[tuple[int, ...]], *, transposed: bool) -> int:
    """MACs of one operator from the shapes of its two factors and of its output."""
    left, right, output = shapes
    if kind == "conv":
        return convolution(output, right)
    if kind == "conv_transpose":
        return math.prod(left) * math.prod(right[1:])
    return math.prod(output) * left[-2 if transposed else -1]


def _metadata(model: wire.Fields) -> dict[str, str]:
    """Collect description, version, author, licence and the user's own entries (Core ML's Model.proto, Metadata)."""
    description = wire.fields(wire.message(model, 2) or memoryview(b""))
    found = wire.fields(wire.message(description, 100) or memoryview(b""))
    own = {"description": 1, "version": 2, "author": 3, "license": 4}
    texts = {key: wire.text(found, number) for key, number in own.items()}
    entries = [wire.fields(entry) for entry in wire.messages(found, 100)]
    return {key: text for key, text in texts.items() if text} | {
        wire.text(entry, 1): wire.text(entry, 2) for entry in entries
    }
