"""Core ML: weights, activations, tables and half precision, run by the evaluator of the package's own program."""

from __future__ import annotations

import pytest
from tests.quantize import grids

from viewfinder.errors import UsageError
from viewfinder.quantize import defaults, quantizer
from viewfinder.quantize.quantizer import Aids
from viewfinder.recipe import Recipe, Rule
from viewfinder.runtime.coreml.evaluator import Evaluator
from viewfinder.verbs import feeding

pytestmark = pytest.mark.slow
TABLES = Recipe(
    "mixed", (Rule("coefficients", weights="palette6"), Rule("coefficients", match="predict", onwards=True))
)


@pytest.mark.parametrize(
    ("precision", "least", "operation"),
    [("w8", 35, "constexpr_affine_dequantize"), ("w8a8", 25, "quantize"), ("fp16", 55, "cast")],
)
def test_small_hdrnet(small, tmp_path, precision, least, operation):
    """Every precision is near the float grid, by the operations that it is made of."""
    parent = small("coreml")
    aids = Aids({"coefficients": grids.feeds()}, feeding.ranges)
    done = quantizer.quantize(parent, defaults.recipe(parent, precision), tmp_path / precision, aids)
    assert grids.snr(done, parent) > least
    found = Evaluator(done.path(done.graphs[0])).operations
    assert found[operation] > 0
    assert ("quantize" in found) == (precision == "w8a8")


def test_tables(small, tmp_path):
    """Palettes store weights as tables, smaller than 8 bits."""
    parent = small("coreml")
    done = quantizer.quantize(parent, TABLES, tmp_path / "out")
    assert Evaluator(done.path(done.graphs[0])).operations["constexpr_lut_to_dense"] > 0
    assert grids.snr(done, parent) > 20
    assert done.graphs[0].size_bytes < parent.graphs[0].size_bytes


def test_the_same_gives_the_same_bytes(small, tmp_path):
    """Quantizing twice gives the same hashes, although Core ML packages hold random names."""
    parent = small("coreml")
    first, second = (
        quantizer.quantize(parent, defaults.recipe(parent, "w8"), tmp_path / name).sha256 for name in ("a", "b")
    )
    assert first == second


def test_ranges_have_to_be_measured(small, tmp_path):
    """Activations without an observer are refused."""
    parent = small("coreml")
    recipe = defaults.recipe(parent, "w8a8")
    with pytest.raises(UsageError, match="ranges"):
        quantizer.quantize(parent, recipe, tmp_path / "out", Aids({"coefficients": grids.feeds()}))
