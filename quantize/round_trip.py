"""Find scales and zero points in written files, to compare them with those of the graph that was quantized."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

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
        scale = np.ravel(known[node.input[1]]).astype(np.float64)
        zero = np.ravel(known[node.input[2]]) if len(node.input) > 2 else np.zeros(len(scale), np.int8)
        found[kind] |= {(float(one), int(two)) for one, two in zip(scale, zero, strict=True)}
    return found


def in_bytes(path: Path, pairs: Iterable[tuple[float, int]]) -> Pairs:
    """List the pairs whose scale stands in a file as a single-precision number: for files that nothing here parses."""
    data = path.read_bytes()
    return {(scale, zero) for scale, zero in rounded(pairs) if struct.pack("<f", scale) in data}


def told(wanted: Mapping[str, Iterable[tuple[float, int]]], carried: Mapping[str, Pairs]) -> dict[str, str]:
    """Say for the manifest how many different pairs of each kind a file carries, as ``20 of 20``."""
    found = {kind: set(rounded(pairs)) for kind, pairs in wanted.items()}
    return {kind: f"{len(pairs & carried[kind])} of {len(pairs)}" for kind, pairs in found.items()}
