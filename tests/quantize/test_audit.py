"""The fp16 audit: names the tensor and operator that leave the range, whatever the output looks like."""

from __future__ import annotations

import numpy as np
import pytest
from tests.quantize import made

from viewfinder.quantize import audit
from viewfinder.quantize.audit import LARGEST, TensorRange


def ranges(tmp_path, gain):
    """Audit the small network with a gain."""
    path = tmp_path / "model.onnx"
    made.onnx_file(path, gain)
    return {one.tensor: one for one in audit.audit(path, "model", made.feeds())}


def test_an_ordinary_network_fits(tmp_path):
    """Every tensor, inputs and weights among them, is seen and fits."""
    found = ranges(tmp_path, 1.0)
    assert {"image", "one", "two", "three", "four", "five", "six", "enhanced", "first.weight"} <= set(found)
    assert {one.verdict for one in found.values()} == {"fits"}
    assert found["image"].type == "input"
    assert found["first.weight"].type == "constant"


def test_the_operator_that_overflows_is_named(tmp_path):
    """A gain of a million overflows where it is applied, and not before."""
    found = ranges(tmp_path, 1e6)
    assert (found["six"].verdict, found["six"].operator, found["six"].type) == ("overflow", "louder", "Mul")
    assert found["gain"].verdict == "overflow"
    assert found["five"].verdict == "fits"


def test_the_largest_value_is_that_of_the_float_graph(tmp_path):
    """What is reported is the largest absolute value over all feeds."""
    found = ranges(tmp_path, 1.0)
    assert found["image"].largest == pytest.approx(max(np.abs(feed["image"]).max() for feed in made.feeds()))


@pytest.mark.parametrize(
    ("largest", "verdict"),
    [
        (1.0, "fits"),
        (0.2 * LARGEST, "fits"),
        (0.3 * LARGEST, "near"),
        (LARGEST, "near"),
        (65520.0, "overflow"),
        (np.inf, "overflow"),
        (np.nan, "overflow"),
    ],
)
def test_verdicts(largest, verdict):
    """Two stops below the end is near, beyond it and not-a-number overflow."""
    assert TensorRange("g", "t", "o", "Mul", largest, 0.0).verdict == verdict


def test_lost_values_are_counted():
    """Values too small for all bits of float16 count, zero does not."""
    seen = audit._Seen()
    seen.add(np.array([0.0, 1e-6, 1.0, -1e-5], np.float32))
    seen.add(np.array([1, 2]))
    assert (seen.lost, seen.count, seen.largest) == (2, 4, 1.0)
