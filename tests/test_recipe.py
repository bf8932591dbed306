"""Recipes: data that checks itself, and which rule counts."""

from __future__ import annotations

import json

import pytest

from viewfinder.recipe import BadRecipeError, CalibrationSet, Operator, Recipe, Rule, read_json

W8A8 = Rule(weights="int8", activations="int8", reason="small")


def chain(*names, kind="Conv"):
    """Describe operators that each read what the one before gives."""
    return [
        Operator((name, f"{name}_out"), kind, (f"{before}_out",), (f"{name}_out",))
        for before, name in zip(("in", *names), names, strict=False)
    ]


def test_json_round_trip():
    """A recipe with everything set comes back equal from its JSON, and a manifest's `layout` beside it does no harm."""
    measured = CalibrationSet("set", "ab", 3, {"exposure=dark": 0, "exposure=mid": 3})
    rules = (W8A8, Rule("strip", "predict", "conv.*", onwards=True, granularity="tensor"))
    recipe = Recipe("mixed", rules, "npu", measured, {"tflite": [{"regex": ".*"}]})
    data = json.loads(json.dumps({**recipe.to_dict(), "layout": "nchw"}))
    assert Recipe.from_dict(data) == recipe


def test_coverage_counts_strata_with_pictures():
    """Coverage is computed from the counts, not believed, and names what is missing."""
    data = {"name": "a", "sha256": "b", "samples": 2, "strata": {"exposure=dark": 0, "exposure=mid": 2}, "coverage": 1}
    measured = CalibrationSet.from_dict(data)
    assert (measured.coverage, measured.missing) == (0.5, ("exposure=dark",))
    assert CalibrationSet("none", "", 0).coverage == 0


def test_the_last_fitting_rule_counts():
    """Later rules win; globs choose graphs, expressions names and types; what no rule fits stays float."""
    recipe = Recipe("mixed", (Rule("co*", weights="int8"), Rule(match="b"), Rule(operator="ADD", weights="int8")))
    kinds = [rule.kind for rule in recipe.rules_for("coefficients", [*chain("a", "b"), *chain("c", kind="add")])]
    assert kinds == ["w8", "float", "w8"]
    assert [rule.kind for rule in recipe.rules_for("strip", chain("a"))] == ["float"]


def test_onwards_reaches_everything_behind():
    """A rule that goes onwards is also for what reads its results, at any distance, and for nothing else."""
    recipe = Recipe("w8a8", (W8A8, Rule(match="^b$", onwards=True)))
    side = Operator(("side",), "Conv", ("a_out",), ("side_out",))
    rules = recipe.rules_for("g", [*chain("a", "b", "c", "d"), side])
    assert [rule.is_float for rule in rules] == [False, True, True, True, False]


def test_a_later_rule_takes_back_what_onwards_reached():
    """Order decides between a rule that goes onwards and a later one, too."""
    recipe = Recipe("mixed", (W8A8, Rule(match="^a$", onwards=True), Rule(match="^c$", weights="int8")))
    assert [rule.kind for rule in recipe.rules_for("g", chain("a", "b", "c"))] == ["float", "float", "w8"]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"precision": "w9", "rules": [{"weights": "int8"}]}, "'w9'"),
        ({"precision": "w8", "rules": [{"weights": "int9"}]}, "'int9'"),
        ({"precision": "w8", "rules": [{"weights": "int8", "match": "("}]}, "no regular expression"),
        ({"precision": "w8", "rules": [{"activations": "int8"}]}, "float weights and int8"),
        ({"precision": "w8", "rules": [{"graph": "strip"}]}, "leaves everything float"),
        ({"precision": "w8", "rules": [{"weight": "int8"}]}, "weight"),
        ({"precision": "w8", "rules": [{"weights": "int8"}], "colour": 1}, "colour"),
        ({"precision": "w8", "rules": [{"weights": "int8"}], "target": "gpu"}, "'gpu'"),
        ({"schema_version": 2, "precision": "w8", "rules": []}, "version 2"),
        ({"rules": [{"weights": "int8"}]}, "precision"),
        ({"precision": "w8", "rules": 3}, "cannot be read"),
        ({"precision": "w8", "rules": [{"weights": "int8"}], "calibration": {"name": 1}}, "cannot be read"),
    ],
)
def test_bad_recipes_are_refused(data, part):
    """Wrong words, expressions, keys and versions are refused by name."""
    with pytest.raises(BadRecipeError) as caught:
        Recipe.from_dict(data)
    assert part in caught.value.message
    assert caught.value.hint


def test_files_that_are_no_recipes(tmp_path):
    """A missing file and one that is no JSON are told apart."""
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(BadRecipeError, match="there is no recipe"):
        read_json(tmp_path / "none.json")
    with pytest.raises(BadRecipeError, match="no JSON"):
        read_json(broken)
