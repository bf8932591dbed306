"""The quantizer: manifests, what it refuses, and that artifacts appear whole or not at all."""

from __future__ import annotations

import pytest
from tests.quantize import made

from viewfinder import artifact
from viewfinder.errors import BadArtifactError, UsageError
from viewfinder.quantize import quantizer
from viewfinder.quantize.quantizer import Aids
from viewfinder.recipe import BadRecipeError, CalibrationSet, Recipe, Rule

W8 = Recipe("w8", (Rule(weights="int8", reason="a fourth"),))


def test_the_manifest_tells_where_it_comes_from(tmp_path):
    """Parent's hash, recipe with reasons and calibration set, tools; task, weights and pipeline as the parent's."""
    parent = made.write(tmp_path / "onnx-float", weights="w", weights_sha256="12")
    used = CalibrationSet("set", "ab", 4, {"exposure=dark": 4})
    recipe = Recipe("w8a8", (Rule(weights="int8", activations="int8", reason="fast"),), calibration=used)
    done = quantizer.quantize(parent, recipe, tmp_path / "onnx-w8a8", Aids({"model": made.feeds()}))
    assert artifact.load(done.folder, parent=parent) == done
    assert (done.precision, done.weights_sha256, done.pipeline) == ("w8a8", "12", "tiles")
    assert Recipe.from_dict(done.recipe) == recipe
    assert done.recipe["layout"] == "nchw"
    assert done.recipe["calibration"]["coverage"] == 1
    assert {"onnx", "onnxruntime"} <= set(done.tools)


def test_the_same_gives_the_same_bytes(tmp_path):
    """Quantizing twice gives the same hashes."""
    parent = made.write(tmp_path / "onnx-float")
    recipe = Recipe("w8a8", (Rule(weights="int8", activations="int8"),))
    first, second = (
        quantizer.quantize(parent, recipe, tmp_path / name, Aids({"model": made.feeds()})) for name in ("a", "b")
    )
    assert first.sha256 == second.sha256


def test_quantized_twice_is_refused(tmp_path):
    """A quantized artifact is no parent."""
    done = quantizer.quantize(made.write(tmp_path / "onnx-float"), W8, tmp_path / "onnx-w8")
    with pytest.raises(BadArtifactError, match="w8 already"):
        quantizer.quantize(done, W8, tmp_path / "again")


def test_a_recipe_that_fits_nothing_is_refused(tmp_path):
    """A recipe whose rules meet no operator leaves nothing behind."""
    parent = made.write(tmp_path / "onnx-float")
    for rule in (Rule("other", weights="int8"), Rule(match="nothing_like_it", weights="int8")):
        with pytest.raises(BadRecipeError, match="no operator"):
            quantizer.quantize(parent, Recipe("w8", (rule,)), tmp_path / "onnx-w8")
    assert [path.name for path in tmp_path.iterdir()] == ["onnx-float"]


@pytest.mark.parametrize(
    ("file_format", "rule", "part"),
    [
        ("onnx", Rule(weights="int4"), "int4 weights"),
        ("onnx", Rule(weights="int8", activations="dynamic"), "dynamic activations"),
        ("tflite", Rule(weights="palette4"), "palette4 weights"),
        ("coreml", Rule(weights="int8", activations="int16"), "int16 activations"),
        ("executorch", Rule(weights="int8"), "without 8-bit activations"),
        ("executorch", Rule(weights="fp16"), "fp16 weights"),
    ],
)
def test_what_a_format_cannot_hold(file_format, rule, part):
    """Formats refuse what they do not have, and say what they have instead."""
    with pytest.raises(BadRecipeError, match=part) as caught:
        quantizer.check(Recipe("mixed", (rule,)), file_format)
    assert caught.value.hint


def test_native_recipes_are_for_their_format():
    """An AI Edge Quantizer recipe is refused for ONNX."""
    with pytest.raises(BadRecipeError, match="tflite"):
        quantizer.check(Recipe("w8", native={"tflite": [{}]}), "onnx")


def test_unknown_formats():
    """A format that nothing quantizes is refused."""
    with pytest.raises(UsageError, match="gguf"):
        quantizer.writer("gguf")
