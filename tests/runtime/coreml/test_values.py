from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewfinder.errors import NotVerifiedError
from viewfinder.runtime.coreml import values

EVERY_HALF = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)


def by_casts(x):
    """Round with numpy's own conversion."""
    with np.errstate(all="ignore"):
        return x.astype(np.float16).astype(np.float32)


def assert_same(x):
    """Compare values and signs, NaN with NaN."""
    got, want = values.round_half(x), by_casts(x)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def test_every_half_and_its_neighbours_round_as_casts_do():
    """All 65536 halves, the float32 beside them, and the ties between them."""
    finite = EVERY_HALF[np.isfinite(EVERY_HALF)]
    ties = (np.sort(finite)[1:] + np.sort(finite)[:-1]) / 2
    for x in (EVERY_HALF, np.nextafter(finite, np.float32(np.inf)), np.nextafter(finite, np.float32(-np.inf)), ties):
        assert_same(x.astype(np.float32))


def test_the_ends_of_the_range():
    """Overflow, underflow, signed zeros, infinities and NaN."""
    assert_same(np.float32([65519.9, 65520, -65520, 1e30, 1e-8, -1e-8, 6e-8, 0.0, -0.0, np.inf, -np.inf, np.nan]))


@given(st.lists(st.floats(width=32), min_size=1, max_size=50))
def test_any_floats_round_as_casts_do(numbers):
    """Whatever hypothesis finds."""
    assert_same(np.float32(numbers))


def test_shape_and_input_survive():
    """The argument is not written to, views and blocks do not matter."""
    x = np.random.default_rng(0).normal(size=(3, 5, 40000)).astype(np.float32).transpose(2, 0, 1)
    before = x.copy()
    y = values.round_half(x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(y, by_casts(x))
    assert values.round_half(np.float32(0.1)).shape == ()


def test_packed_types():
    """The first value is in the lowest bits; int4 has a sign."""
    assert values.unpack(b"\x21\x43", "uint4", 3).tolist() == [1, 2, 3]
    assert values.unpack(b"\x8f", "int4", 2).tolist() == [-1, -8]
    assert values.unpack(b"\b\x00", "uint1", 5).tolist() == [0, 0, 0, 1, 0]
    assert values.unpack(bytes([0b10_001_010, 0b1]), "uint3", 3).tolist() == [2, 1, 6]


def test_too_few_bytes():
    """A short weight is refused."""
    for dtype in ("fp16", "uint4"):
        with pytest.raises(ValueError, match="too few for 9 values"):
            values.unpack(b"\0\0", dtype, 9)


def test_unknown_type_is_not_run():
    """A type that is not evaluated says so."""
    with pytest.raises(NotVerifiedError, match="not-run: tensors of type type 40"):
        values.rounded(np.zeros(1), "type 40")
