from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.coreml import packages

from viewfinder.runtime.coreml import wire


@given(st.integers(-(2**63), 2**64 - 1))
def test_numbers_of_any_size(value):
    """A number is read back as its 64 bits."""
    read, end = wire.varint(memoryview(packages.varint(value)), 0)
    assert read == value & (2**64 - 1)
    assert end == len(packages.varint(value))


def test_fields_come_in_order():
    """Repeated fields keep their order, kinds do not mix."""
    data = packages.part(1, "a") + packages.whole(2, 300) + packages.part(1, "b")
    found = wire.fields(memoryview(data))
    assert [bytes(value) for value in wire.messages(found, 1)] == [b"a", b"b"]
    assert wire.number(found, 2) == 300
    assert wire.text(found, 1) == "b"
    assert (wire.text(found, 9), wire.number(found, 9), wire.message(found, 9)) == ("", 0, None)


def test_packed_and_unpacked_lists_are_the_same():
    """Both encodings of a list are read, with negative numbers."""
    packed = packages.part(1, packages.varint(3) + packages.varint(-2))
    loose = packages.whole(1, 3) + packages.whole(1, -2)
    for data in (packed, loose):
        assert wire.numbers(wire.fields(memoryview(data)), 1).tolist() == [3, -2]


def test_fixed_size_lists():
    """Floats are read little-endian."""
    data = packages.part(1, np.array([1.5, -2], "<f4").tobytes())
    assert wire.fixed(wire.fields(memoryview(data)), 1, "<f4").tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x0a\x05abc", "middle of a field"),
        (b"\x08", "middle of a number"),
        (b"\x08" + b"\xff" * 11, "longer than 64 bits"),
        (b"\x0b", "unknown kind 3"),
    ],
)
def test_damage_is_said(data, said):
    """Bytes that are no message give a sentence, not nonsense."""
    with pytest.raises(wire.WireError, match=said):
        wire.fields(memoryview(data))


def test_kinds_that_do_not_fit():
    """A number where a message belongs, half a float, and a name that is no text are refused."""
    with pytest.raises(wire.WireError, match="number where a message"):
        wire.messages(wire.fields(memoryview(packages.whole(1, 3))), 1)
    with pytest.raises(wire.WireError, match="message where a number"):
        wire.number(wire.fields(memoryview(packages.part(1, "abc"))), 1)
    with pytest.raises(wire.WireError, match="whole number of values"):
        wire.fixed(wire.fields(memoryview(packages.part(1, "abc"))), 1, "<f4")
    with pytest.raises(wire.WireError, match="UTF-8"):
        wire.text(wire.fields(memoryview(packages.part(1, b"\xff"))), 1)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    """Nothing but WireError comes out of a damaged message."""
    try:
        wire.fields(memoryview(data))
    except wire.WireError:
        return
