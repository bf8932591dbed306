"""Compressed weights and quantized activations against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runtime.coreml import packages
from tests.runtime.coreml.comparing import ints, same
from tests.runtime.coreml.packages import Op, Typed

from viewfinder.runtime.coreml import Evaluator

WEIGHTS = np.arange(-12, 12, dtype=np.int8).reshape(4, 6)
SCALE = np.float32([0.5, 0.25, 2, 1])


def constexpr(tmp_path, kind, attributes, inputs, shape):
    """Add zero to compressed weights and return them."""
    ops = [
        Op(kind, inputs, [("w", "fp32", shape)], attributes),
        Op("add", {"x": "@x", "y": "@w"}, [("y", "fp32", shape)]),
    ]
    folder = packages.write(tmp_path / "p", [("x", "fp32", (1,))], ops, ["y"])
    return Evaluator(folder)({"x": np.zeros(1, np.float32)})["y"]


def test_affine_weights(tmp_path):
    """One scale and zero point per row (iOS 16: attributes)."""
    zero_point = Typed(np.int8([1, 0, -1, 2]), "int8")
    data = Typed(WEIGHTS, "int8", blob=True)
    attributes = {"quantized_data": data, "scale": SCALE, "zero_point": zero_point, "axis": np.int32(0)}
    want = (WEIGHTS - np.float32([[1], [0], [-1], [2]])) * SCALE[:, None]
    same(constexpr(tmp_path, "constexpr_affine_dequantize", attributes, {}, (4, 6)), want, 0)


def test_blockwise_weights(tmp_path):
    """A scale per block of three columns (iOS 18: inputs), four-bit values."""
    values, scale = np.arange(24).reshape(4, 6) % 16 - 8, np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    inputs = {"data": Typed(values, "int4"), "scale": scale}
    want = values * np.repeat(scale, 3, 1)
    same(constexpr(tmp_path, "constexpr_blockwise_shift_scale", {}, inputs, (4, 6)), want, 0)
    offset = Typed(np.full((4, 2), 2), "int4")
    got = constexpr(tmp_path / "2", "constexpr_blockwise_shift_scale", {}, {**inputs, "offset": offset}, (4, 6))
    same(got, (values - 2) * np.repeat(scale, 3, 1), 0)


def test_table_weights_of_ios_16(tmp_path):
    """Packed two-bit indices into one table."""
    table = np.float32([10, 20, 30, 40])
    indices = np.arange(6) % 4
    packed = np.packbits(((indices[:, None] >> np.arange(2)) & 1).astype(np.uint8).reshape(-1), bitorder="little")
    attributes = {"lut": table, "indices": Typed(packed, "uint8"), "shape": ints(2, 3)}
    same(constexpr(tmp_path, "constexpr_lut_to_dense", attributes, {}, (2, 3)), table[indices].reshape(2, 3), 0)


def test_table_weights_of_ios_18(tmp_path):
    """The example of the documentation: two groups of rows, each with its own table."""
    indices = Typed(np.reshape([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], (6, 2)), "uint4")
    tables = np.float32([1, 5, 9, 13, 2, 10, 18, 26]).reshape(2, 1, 4, 1)
    got = constexpr(tmp_path, "constexpr_lut_to_dense", {}, {"indices": indices, "lut": tables}, (6, 2))
    same(got, [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]], 0)


@pytest.mark.parametrize("axis", [1, 2])
def test_tables_of_vectors(tmp_path, axis):
    """The second example of the documentation: each index stands for three values along an axis."""
    indices = Typed(np.reshape([0, 0, 1, 0, 1, 1, 0, 0], (2, 2, 2)), "uint4")
    tables = np.float32([1, 2, 3, 10, 20, 30]).reshape(1, 1, 1, 2, 3)
    shape = (2, 6, 2) if axis == 1 else (2, 2, 6)
    inputs = {"indices": indices, "lut": tables, "vector_axis": np.int32(axis)}
    got = constexpr(tmp_path, "constexpr_lut_to_dense", {}, inputs, shape)
    if axis == 1:
        assert got[0].tolist() == [[1, 1], [2, 2], [3, 3], [10, 1], [20, 2], [30, 3]]
    else:
        assert got[0].tolist() == [[1, 2, 3, 1, 2, 3], [10, 20, 30, 1, 2, 3]]


def test_sparse_weights(tmp_path):
    """Stored values stand where the mask's bits are set (iOS 16)."""
    mask = np.bool_([[1, 0, 0, 1, 1], [0, 0, 0, 0, 1]])
    packed = np.packbits(mask.reshape(-1), bitorder="little")
    attributes = {"nonzero_data": np.float32([1, 2, 3, 4]), "mask": Typed(packed, "uint8"), "shape": ints(2, 5)}
    got = constexpr(tmp_path, "constexpr_sparse_to_dense", attributes, {}, (2, 5))
    assert got.tolist() == [[1, 0, 0, 2, 3], [0, 0, 0, 0, 4]]


def test_sparse_and_quantized_weights(tmp_path):
    """A sparse table and a sparse scale end in the same dense tensor (iOS 18)."""
    mask = Typed(np.uint8([[1, 0, 1], [0, 1, 1]]), "uint8")
    scaled = Op(
        "constexpr_sparse_blockwise_shift_scale",
        {"data_mask": mask, "nonzero_data": Typed(np.int8([1, 2, 3, 4]), "int8"), "scale": np.float32([[2], [10]])},
        [("m", "uint8", (2, 3)), ("v", "fp32", (4,))],
    )
    looked_up = Op(
        "constexpr_lut_to_sparse",
        {
            "indices_mask": mask, "indices_nonzero_data": Typed(np.uint8([0, 1, 1, 0]), "uint8"),
            "lut": np.float32([5, 7]).reshape(1, 1, 2, 1),
        },
        [("m", "uint8", (2, 3)), ("v", "fp32", (4,))],
    )  # fmt: skip
    dense = Op("constexpr_sparse_to_dense", {"mask": "@m", "nonzero_data": "@v"}, [("w", "fp32", (2, 3))])
    add = Op("add", {"x": "@x", "y": "@w"}, [("y", "fp32", (2, 3))])
    found = []
    for number, first in enumerate((scaled, looked_up)):
        folder = packages.write(tmp_path / str(number), [("x", "fp32", (1,))], [first, dense, add], ["y"])
        found.append(Evaluator(folder)({"x": np.zeros(1, np.float32)})["y"].tolist())
    assert found == [[[2, 0, 4], [0, 30, 40]], [[5, 0, 7], [0, 7, 5]]]


def test_quantized_activations(tmp_path):
    """Rounding half to even, zero point, saturation, and back."""
    x = np.float32([[-40, -0.25, 0.25, 0.75, 40]])
    ops = [
        Op(
            "quantize",
            {"input": "@x", "scale": np.float32(0.5), "zero_point": Typed(np.int8(3), "int8"), "output_dtype": "int8"},
            [("q", "int8", (1, 5))],
        ),
        Op(
            "dequantize",
            {"input": "@q", "scale": np.float32(0.5), "zero_point": Typed(np.int8(3), "int8")},
            [("y", "fp32", (1, 5))],
        ),
    ]
    y = Evaluator(packages.write(tmp_path / "p", [("x", "fp32", (1, 5))], ops, ["y"]))({"x": x})["y"]
    assert y.tolist() == [[-40, 0, 0, 1, 40]]
    x = np.float32([[-400, 400]])
    ops[0] = Op(
        "quantize",
        {"input": "@x", "scale": np.float32([0.5, 2]), "output_dtype": "uint8", "axis": np.int32(1)},
        [("q", "uint8", (1, 2))],
    )
    ops[1] = Op(
        "dequantize", {"input": "@q", "scale": np.float32([0.5, 2]), "axis": np.int32(1)}, [("y", "fp32", (1, 2))]
    )
    y = Evaluator(packages.write(tmp_path / "2", [("x", "fp32", (1, 2))], ops, ["y"]))({"x": x})["y"]
    assert y.tolist() == [[0, 400]]
