"""Find scales and zero points in written files, to compare them with those of the graph that was quantized."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from viewfinder.errors import CheckFailedError
from viewfinder.quantize import xnnpack

Pairs = set[tuple[float, int]]
"""Scale and zero point."""


def rounded(pairs: Iterable[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return the pairs as files hold them: scales in single precision."""
    return [(float(np.float32(scale)), zero) for scale, zero in pairs]


def in_onnx(path: Path) -> dict[str, Pairs]:
    """List what stands at QuantizeLinear (of ``activations``) and at DequantizeLinear of constants (of ``weights``)."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    known = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    found: dict[str, Pairs] = {"activations": set(), "weights": set()}
    for node in graph.node:
        kind = {"QuantizeLinear": "activations", "DequantizeLinear": "weights"}.get(node.op_type, "")
        if not kind or (kind == "weights" and node.input[0] not in known):
            continue
        found[kind] |= _pairs(known[node.input[1]], known[node.input[2]] if len(node.input) > 2 else None)
    return found


def in_tflite(path: Path) -> dict[str, Pairs]:
    """List what stands at int8 tensors: with data in them (of ``weights``) and without (of ``activations``)."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    found: dict[str, Pairs] = {"activations": set(), "weights": set()}
    for tensor in model.subgraphs[0].tensors:
        if tensor.type == schema.TensorType.INT8 and tensor.quantization is not None:
            kind = "activations" if model.buffers[tensor.buffer].data is None else "weights"
            found[kind] |= _pairs(tensor.quantization.scale, tensor.quantization.zeroPoint)
    return found


def in_coreml(path: Path) -> dict[str, Pairs]:
    """List what stands at ``quantize`` (of ``activations``) and at constants that are dequantized (of ``weights``)."""
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load

    model = ct.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    program = load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
    found: dict[str, Pairs] = {"activations": set(), "weights": set()}
    for function in program.functions.values():
        for operation in function.operations:
            kind = {"quantize": "activations", "constexpr_affine_dequantize": "weights"}.get(operation.op_type, "")
            if kind:
                zero = 0 if operation.zero_point is None else operation.zero_point.val
                # coremltools writes a zero point of -128 as unsigned integers without one: the same numbers.
                is_unsigned = kind == "activations" and operation.output_dtype.val == "uint8"
                found[kind] |= _pairs(operation.scale.val, np.asarray(zero, np.int32) - (128 if is_unsigned else 0))
    return found


def _pairs(scale: Any, zero: Any) -> Pairs:
    """Put scales and zero points together; no zero point, or one for all, stands for many."""
    scales = np.ravel(np.asarray(scale, np.float64))
    zeros = np.broadcast_to(np.ravel(0 if zero is None else zero), scales.shape)
    return {(float(one), int(two)) for one, two in zip(scales, zeros, strict=True)}


READERS: Mapping[str, Callable[[Path], dict[str, Pairs]]] = MappingProxyType(
    {".onnx": in_onnx, ".tflite": in_tflite, ".mlpackage": in_coreml, ".pte": xnnpack.pairs}
)
"""By a file's suffix: lists the pairs in it."""


def checked(graph: str, path: Path, wanted: Mapping[str, Iterable[tuple[float, int]]]) -> dict[str, str]:
    """Say for the manifest how many different pairs of each kind the file of a graph carries, as ``20 of 20``.

    Raises:
        CheckFailedError: one is not in it.
    """
    pairs = {kind: set(rounded(listed)) for kind, listed in wanted.items()}
    carried = READERS[path.suffix](path)
    for kind, listed in pairs.items():
        if lost := listed - carried[kind]:
            raise CheckFailedError(
                f"the graph {graph}: {len(lost)} of {len(listed)} scales of {kind} are not in {path.name}",
                "quantize without --qat and --pt2e, with the format's own tool, or another format",
                code="scales-lost",
            )
    return {kind: f"{len(listed)} of {len(listed)}" for kind, listed in pairs.items()}
