"""Default recipes: what they keep, why, and the names that other tools use."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.quantize import made

from viewfinder.quantize import defaults
from viewfinder.recipe import PRECISIONS, BadRecipeError, Operator


def chain(*names):
    """Describe operators that each read what the one before gives."""
    return [
        Operator((name,), "add" if "add" in name else "conv", (before,), (name,))
        for before, name in zip(("in", *names), names, strict=False)
    ]


@pytest.fixture
def parent(tmp_path):
    """Write an artifact of the tiles pipeline."""
    return made.write(tmp_path / "onnx-float")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("pipeline", ["tiles", "bilateral_grid", "burst", "something_new"])
def test_every_rule_has_a_reason(parent, pipeline, precision):
    """Every pipeline has a recipe for every precision, of that precision, with a reason beside each rule."""
    recipe = defaults.recipe(replace(parent, pipeline=pipeline), precision)
    assert recipe.precision == precision
    assert all(rule.reason for rule in recipe.rules)


def test_hdrnet_keeps_grid_and_slicing(parent):
    """Of HDRNet, the layers before the last are quantized; it, what is behind it, and the strip are not."""
    recipe = defaults.recipe(replace(parent, pipeline="bilateral_grid"), "w8a8")
    rules = recipe.rules_for("coefficients", chain("splat", "local", "predict.weight", "view", "grid"))
    assert [rule.kind for rule in rules] == ["w8a8", "w8a8", "float", "float", "float"]
    assert recipe.touches("coefficients")
    assert not recipe.touches("strip")


@pytest.mark.parametrize(
    "names",
    [
        (
            "part.picks",
            "encode_fine.0.weight",
            "relu",
            "decode_fine.0.weight",
            "head.weight",
            "product",
            "part_one.picks",
        ),
        (
            "Phases_part;2",
            "Sequential_encode_fine/C",
            "x;4",
            "Sequential_decode_fine/C",
            "x/Conv2d_head;2",
            "x;5",
            "y;6",
        ),
        ("frames", "encoders.0.0.weight", "pool", "decoders.0.0.weight", "head.4.weight", "resize", "ones"),
    ],
)
def test_burst_networks_keep_kernels_and_light(parent, names):
    """Of kpn-lite and kpn, in any format's names, the body is quantized; last layer, kernels and light stay float."""
    recipe = defaults.recipe(replace(parent, pipeline="burst"), "w8a8")
    kinds = [rule.kind for rule in recipe.rules_for("model", chain(*names))]
    assert kinds[1:] == ["w8a8", "w8a8", "w8a8", "float", "float", "float"]


def test_mixed_keeps_the_sum_of_features(parent):
    """Mixed keeps the sum before the last layer float, and 8-bit weights alone in front of it."""
    recipe = defaults.recipe(replace(parent, pipeline="bilateral_grid"), "mixed")
    rules = recipe.rules_for("coefficients", chain("splat", "local.2.weight", "add", "predict"))
    assert [rule.kind for rule in rules] == ["w8a8", "w8", "float", "float"]


@pytest.mark.parametrize("last", ["enhanced", "serving_default_enhanced_output:0"])
def test_pictures_keep_their_last_operator(parent, last):
    """A network from picture to picture keeps the operator that makes the picture, under any format's name for it."""
    recipe = defaults.recipe(parent, "w8a8")
    assert [rule.kind for rule in recipe.rules_for("model", chain("a", last))] == ["w8a8", "float"]


@pytest.mark.parametrize(("task", "kept"), [("dncnn", 9), ("dncnn-colour", 4)])
@pytest.mark.parametrize(
    "named", ["layers.{}.weight", "layers_{}_weight", "DnCNN_module/torch.nn.modules.conv.Conv2d_{};1"]
)
def test_denoisers_keep_what_puts_the_noise_together(parent, task, kept, named):
    """Of a denoiser, in any format's names, grey's tenth and colour's fifth layer and what follows stay float."""
    denoiser = replace(parent, task=task, parameters={**parent.parameters, "samples": "noisy"})
    names = [named.format(number) for number in (0, 1, kept - 1, kept)]
    for precision in ("w8a8", "mixed"):
        rules = defaults.recipe(denoiser, precision).rules_for("model", chain(*names, "relu", "enhanced"))
        assert [rule.kind for rule in rules] == ["w8a8"] * 3 + ["float"] * 3
    rules = defaults.recipe(denoiser, "w8a16", "npu").rules_for("model", chain(*names, "relu", "enhanced"))
    first, how = ("float", "refitted") if task == "dncnn" else ("w8a16", "compensated")
    assert [rule.kind for rule in rules] == [first, *["w8a16"] * 2, *["float"] * 3]
    assert rules[1].rounding == how


def test_weights_of_dncnn_that_cost_most_stay_float(parent):
    """In w8 the sixteenth layer, the first and the last one stay float: with all in 8 bits `verify` fails it."""
    denoiser = replace(parent, task="dncnn", parameters={**parent.parameters, "samples": "noisy"})
    names = [f"layers.{number}.weight" for number in range(17)]
    rules = defaults.recipe(denoiser, "w8").rules_for("model", chain(*names))
    assert [number for number, rule in enumerate(rules) if rule.is_float] == [0, 15, 16]


def test_layers_of_other_denoisers_are_not_kept_by_number(parent):
    """What was measured on the shipped networks says nothing of the tenth layer of a user's own."""
    denoiser = replace(parent, task="mine", parameters={**parent.parameters, "samples": "noisy"})
    names = [f"layers.{number}.weight" for number in (0, 4, 9, 11, 16)]
    for precision, target, how in (
        ("w8", "cpu", "refitted"),
        ("w8a8", "cpu", "compensated"),
        ("w8a16", "npu", "refitted"),
    ):
        rules = defaults.recipe(denoiser, precision, target).rules_for("model", chain(*names, "enhanced"))
        assert [(rule.kind, rule.rounding) for rule in rules[:-1]] == [(precision, how)] * 5
        assert rules[-1].kind == "float"


def test_denoisers_have_a_precision_in_8_bits_that_keeps_faint_noise(parent):
    """w8 refits all weights and keeps activations float; w8a8 warns and names it; photographs need no warning."""
    denoiser = replace(parent, parameters={**parent.parameters, "samples": "noisy"})
    recipe = defaults.recipe(denoiser, "w8")
    assert recipe.is_refitted
    assert recipe.needs_calibration
    assert defaults.warnings(denoiser, recipe) == []
    assert "--precision w8 " in defaults.warnings(denoiser, defaults.recipe(denoiser, "w8a8"))[0]
    assert defaults.warnings(denoiser, defaults.recipe(denoiser, "w8a8", "npu")) == []
    assert defaults.warnings(parent, defaults.recipe(parent, "w8a8")) == []
    assert [defaults.usual(denoiser, target) for target in ("cpu", "npu")] == ["w8", "w8a16"]
    assert defaults.usual(replace(denoiser, format="coreml"), "npu") == "w8a8"
    assert defaults.usual(replace(denoiser, format="executorch"), "cpu") == "w8a8"
    assert defaults.usual(parent, "cpu") == "w8a8"
    assert not defaults.recipe(parent, "w8").needs_calibration


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("static_wi8_ai8", "w8a8"),
        ("static_wi8_ai16", "w8a16"),
        ("weight_only_wi8_afp32", "w8"),
        ("w8a8_mixed_int16", "mixed"),
    ],
)
def test_aliases(name, precision):
    """Names of AI Edge Quantizer and AI Hub are understood."""
    assert defaults.precision(name) == precision


def test_dynamic_is_not_weights_alone(parent):
    """AI Edge Quantizer's dynamic recipe is w8 with activations that the runtime quantizes as it goes."""
    recipe = defaults.recipe(parent, "dynamic_wi8_afp32")
    assert (recipe.precision, recipe.rules[0].kind, recipe.needs_calibration) == ("w8", "w8-dynamic", False)


def test_unknown_precisions(parent):
    """An unknown name is refused with all that are known."""
    with pytest.raises(BadRecipeError, match="w7") as caught:
        defaults.recipe(parent, "w7")
    assert "static_wi8_ai8" in caught.value.hint
