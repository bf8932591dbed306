"""The words for how an artifact fails on values that are too large."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder.artifact import GraphFile
from viewfinder.runtime import overflow
from viewfinder.task import TensorSpec


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda values: values, overflow.SOUND),
        (lambda values: values * np.float32(1.01), overflow.SOUND),
        (lambda values: values.clip(-65504, 65504), overflow.SATURATE),
        (lambda values: np.where(values > 65504, np.inf, values), overflow.NONFINITE),
        (lambda values: values[::-1], overflow.INEXACT),
    ],
)
def test_each_failure_has_its_word(spoil, word):
    """Saturation is finite: a search for NaN would pass it."""
    values = np.linspace(0, 1e6, 1000, dtype=np.float32)
    found = overflow.compared("g", {"out": values}, {"out": spoil(values)})
    assert found.signature == word
    assert (found.sqnr_db >= overflow.LIMIT_DB) == (word == overflow.SOUND)
    assert (found.not_finite > 0) == (word == overflow.NONFINITE)
    assert word in str(found)


@pytest.mark.parametrize(
    ("most", "end", "word"),
    [
        (197500, 131072, overflow.SATURATE),
        (197500, 130900, overflow.SATURATE),
        (100000, 65504, overflow.SATURATE),
        (197500, 140000, overflow.INEXACT),
        (197500, 115000, overflow.INEXACT),
        (131000, 131000, overflow.INEXACT),
    ],
)
def test_what_ends_where_a_type_does_saturates(most, end, word):
    """Also where float is less than twice as large, as a strip of HDRNet's; what ends elsewhere is only wrong."""
    values = np.linspace(0, most, 1000, dtype=np.float32)
    assert overflow.compared("g", {"out": values}, {"out": values.clip(0, end)[::-1]}).signature == word


def test_only_pictures_are_enlarged():
    """Weights of rows and columns, which have no colour space, stay."""
    specs = (TensorSpec("image", (1, 2)), TensorSpec("rows", (1, 2), colour_space=None))
    fed = {name: np.ones((1, 2), np.float32) for name in ("image", "rows")}
    found = overflow.enlarged(GraphFile("g", "g.onnx", specs, specs), fed)
    assert (found["image"].max(), found["rows"].max()) == (overflow.SCALE, 1)
