"""TFLite: recipes as AI Edge Quantizer writes them, float ends, and ranges that do not depend on the order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.quantize import grids

from viewfinder.errors import UsageError
from viewfinder.quantize import defaults, quantizer, tflite
from viewfinder.quantize.quantizer import Aids
from viewfinder.recipe import Operator, Recipe, Rule, read_json

STATIC = {
    "regex": ".*",
    "operation": "*",
    "algorithm_key": "min_max_uniform_quantize",
    "op_config": {
        "activation_tensor_config": {"num_bits": 8, "symmetric": False, "granularity": "TENSORWISE", "dtype": "INT"},
        "weight_tensor_config": {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
        "compute_precision": "INTEGER",
        "explicit_dequantize": False,
        "skip_checks": False,
        "min_weight_elements": 0,
    },
}
"""What ``ai_edge_quantizer.recipe.static_wi8_ai8()`` returns."""


def operators():
    """Describe two operators, one behind the other."""
    return [
        Operator(("net/predict;1",), "CONV_2D", ("in",), ("net/predict;1",)),
        Operator(("out",), "TRANSPOSE", ("net/predict;1",), ("out",)),
    ]


@pytest.mark.parametrize("name", ["static_wi8_ai8", "static_wi8_ai16", "weight_only_wi8_afp32", "dynamic_wi8_afp32"])
def test_rules_become_the_quantizers_own_recipes(name):
    """A rule for everything is, entry for entry, the recipe that the quantizer ships under the alias."""
    from ai_edge_quantizer import recipe as shipped
    from ai_edge_quantizer import recipe_manager

    activations = {"i8": "int8", "16": "int16"}.get(name[-2:], "dynamic" if "dynamic" in name else "float")
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe([tflite.entry(Rule(weights="int8", activations=activations))])
    assert manager.get_quantization_recipe() == getattr(shipped, name)()


def test_what_lies_behind_is_listed():
    """A rule that goes onwards names the results behind it, escaped and whole."""
    recipe = Recipe("w8a8", (Rule(weights="int8", activations="int8"), Rule(match="predict", onwards=True)))
    first, second, *ends = tflite.native(recipe, "coefficients", operators())
    assert first["regex"] == ".*"
    assert second["regex"] == r"^(net/predict;1|out);?$"
    assert second["algorithm_key"] == "no_quantize"
    assert [one["operation"] for one in ends] == ["INPUT", "OUTPUT"] * 2


def test_ends_stay_float_where_a_rule_names_them():
    """The quantizer asks the entries of the expression that came last: each has its own two for the ends."""
    rules = (Rule(weights="int8", activations="int8"), Rule(match="out", weights="int8", activations="int16"))
    entries = tflite.native(Recipe("mixed", rules), "coefficients", operators())
    spared = {(one["regex"], one["operation"]) for one in entries if one["algorithm_key"] == "no_quantize"}
    assert spared == {(regex, end) for regex in (".*", "out") for end in ("INPUT", "OUTPUT")}


def test_types_become_operations():
    """A rule for a type names the quantizer's operations that fit it, in any case."""
    recipe = Recipe("w8", (Rule(operator="conv_2d|add", weights="int8"),))
    entries = tflite.native(recipe, "coefficients", operators())[:-2]
    assert {one["operation"] for one in entries} == {"ADD", "CONV_2D"}


def test_native_recipes_are_taken_as_they_are():
    """The user's entries come first and unchanged; a mapping gives each graph its own."""
    assert tflite.native(Recipe("w8a8", native={"tflite": [STATIC]}), "model", [])[:-2] == [STATIC]
    named = Recipe("w8a8", native={"tflite": {"coefficients": [STATIC]}})
    assert tflite.native(named, "coefficients", [])[:-2] == [STATIC]
    assert tflite.native(named, "strip", [])[:-2] == []


def test_native_recipes_are_recognized():
    """Lists of entries and mappings of such lists are the quantizer's; ours and anything else are not."""
    assert tflite.is_native([STATIC])
    assert tflite.is_native({"coefficients": [STATIC]})
    for other in ([], {}, [{"regex": ""}], {"precision": "w8", "rules": []}, 3, "text"):
        assert not tflite.is_native(other)


def test_precisions_of_native_recipes():
    """The precision is read off the entries; two kinds are mixed; entries that leave operators alone do not count."""
    leave = {"regex": "x", "operation": "*", "algorithm_key": "no_quantize", "op_config": {}}
    wide = tflite.entry(Rule(weights="int8", activations="int16"))
    assert tflite.precision_of([STATIC, leave]) == "w8a8"
    assert tflite.precision_of({"a": [wide]}) == "w8a16"
    assert tflite.precision_of([tflite.entry(Rule(weights="int8"))]) == "w8"
    assert tflite.precision_of([tflite.entry(Rule(weights="fp16", activations="fp16"))]) == "fp16"
    assert tflite.precision_of([STATIC, wide]) == "mixed"


def test_int16_warns():
    """16-bit activations warn of their slow CPU kernels; others do not."""
    assert "NPU" in tflite.warnings([Rule(weights="int8", activations="int16")])[0]
    assert not tflite.warnings([Rule(weights="int8", activations="int8")])


def stored(made):
    """Map tensor names of the first graph to their types."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(made.path(made.graphs[0])))
    return {detail["name"]: detail["dtype"].__name__ for detail in interpreter.get_tensor_details()}, interpreter


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "least"), [("w8a8", 25), ("w8", 35), ("mixed", 25), ("fp16", 55)])
def test_small_hdrnet(small, tmp_path, precision, least):
    """Every precision runs in LiteRT near its float grid, with float32 inputs and outputs."""
    parent = small("tflite")
    recipe = defaults.recipe(parent, precision)
    done = quantizer.quantize(parent, recipe, tmp_path / precision, Aids({"coefficients": grids.feeds()}))
    assert grids.snr(done, parent) > least
    _, interpreter = stored(done)
    ends = (*interpreter.get_input_details(), *interpreter.get_output_details())
    assert {detail["dtype"].__name__ for detail in ends} == {"float32"}
    if precision != "fp16":
        assert done.graphs[1].sha256 == parent.graphs[1].sha256


@pytest.mark.slow
def test_native_recipes_are_not_counted_as_float(small, tmp_path):
    """Of a file that the quantizer's own recipe made int8 throughout, the manifest does not say that it is float."""
    recipe = Recipe("w8a8", native={"tflite": {"coefficients": [STATIC]}})
    done = quantizer.quantize(small("tflite"), recipe, tmp_path / "out", Aids({"coefficients": grids.feeds()}))
    assert "int8" in stored(done)[0].values()
    assert [graph.notes["rules"] for graph in done.graphs] == [
        {f"as {tflite.NATIVE_NAME} says": "all"},
        {"float": "all"},
    ]


@pytest.mark.slow
def test_the_last_layer_stays_float(small, tmp_path):
    """w8a8: the result of ``predict`` is float32, that of the layers before it int8."""
    parent = small("tflite")
    recipe = defaults.recipe(parent, "w8a8")
    done = quantizer.quantize(parent, recipe, tmp_path / "out", Aids({"coefficients": grids.feeds()}))
    types, _ = stored(done)
    assert {kind for name, kind in types.items() if name.endswith("predict;2")} == {"float32"}
    assert "int8" in types.values()


@pytest.mark.slow
def test_the_order_of_the_pictures_does_not_matter(small, tmp_path):
    """Ranges are those of all pictures: reversed, they give the same bytes (a moving average would not)."""
    parent = small("tflite")
    recipe = defaults.recipe(parent, "w8a8")
    feeds = grids.feeds()
    one, other = (
        quantizer.quantize(parent, recipe, tmp_path / name, Aids({"coefficients": listed}))
        for name, listed in (("a", feeds), ("b", feeds[::-1]))
    )
    assert one.graphs[0].sha256 == other.graphs[0].sha256


@pytest.mark.slow
def test_recipes_go_out_and_in_again(small, tmp_path):
    """The recipe that lies beside the file, given back as the quantizer's own, makes the same file.

    The quantizer's own recipes cannot say how weights are rounded: to the nearest.
    """
    parent = small("tflite")
    aids = Aids({"coefficients": grids.feeds()})
    default = defaults.recipe(parent, "w8a8")
    nearest = replace(default, rules=tuple(replace(rule, rounding="nearest") for rule in default.rules))
    first = quantizer.quantize(parent, nearest, tmp_path / "first", aids)
    written = read_json(first.folder / "coefficients_recipe.json")
    assert tflite.is_native(written)
    again = Recipe(tflite.precision_of(written), native={"tflite": {"coefficients": written}})
    second = quantizer.quantize(parent, again, tmp_path / "second", aids)
    assert second.precision == "w8a8"
    assert second.graphs[0].sha256 == first.graphs[0].sha256


@pytest.mark.slow
def test_refusals_of_the_quantizer_are_explained(small, tmp_path):
    """An entry that the quantizer refuses becomes an error with a way out, and no folder."""
    parent = small("tflite")
    broken = {**STATIC, "algorithm_key": "no_such_algorithm"}
    recipe = replace(defaults.recipe(parent, "w8a8"), native={"tflite": [broken]})
    with pytest.raises(UsageError, match="no_such_algorithm"):
        quantizer.quantize(parent, recipe, tmp_path / "out", Aids({"coefficients": grids.feeds()}))
    assert not (tmp_path / "out").exists()
