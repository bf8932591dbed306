"""ONNX: what becomes integers, what stays float, and how near the result is on pieces of a photograph."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from tests.quantize import made

from viewfinder.errors import UsageError
from viewfinder.quantize import quantizer
from viewfinder.quantize.quantizer import Aids
from viewfinder.recipe import Recipe, Rule

KEEP = Rule(match="predict", onwards=True)


@pytest.fixture
def parent(tmp_path):
    """Write the float artifact."""
    return made.write(tmp_path / "onnx-float")


def quantized(parent, precision, *rules, target="cpu"):
    """Quantize with calibration tiles; return artifact and model."""
    recipe = Recipe(precision, rules, target)
    done = quantizer.quantize(parent, recipe, parent.folder.parent / f"onnx-{precision}", Aids({"model": made.feeds()}))
    return done, onnx.load(str(done.path(done.graphs[0])))


def stored(model):
    """Map constants to their types."""
    return {item.name: item.data_type for item in model.graph.initializer}


def nearness(parent, done):
    """Worst PSNR against the float artifact on other tiles than those of the calibration."""
    return min(made.psnr(made.run(done, feed), made.run(parent, feed)) for feed in made.feeds(12)[4:])


def test_weights_and_activations(parent):
    """w8a8: weights int8 per channel, activations uint8, the last layer and everything behind it float."""
    done, model = quantized(parent, "w8a8", Rule(weights="int8", activations="int8"), KEEP)
    types = stored(model)
    assert types["first.weight_quantized"] == TensorProto.INT8
    assert types["predict.weight"] == TensorProto.FLOAT
    scale = next(item for item in model.graph.initializer if item.name == "first.weight_scale")
    assert list(scale.dims) == [8]
    assert done.graphs[0].notes["rules"] == {"float": 3, "w8a8": 4}
    assert nearness(parent, done) > 40


def test_one_scale_per_tensor(parent):
    """Granularity tensor: one scale for a weight."""
    rule = Rule(weights="int8", activations="int8", granularity="tensor")
    _, model = quantized(parent, "w8a8", rule, KEEP)
    scale = next(item for item in model.graph.initializer if item.name == "first.weight_scale")
    assert list(scale.dims) == []


def test_weights_alone(parent):
    """w8: weights int8 with DequantizeLinear, no activation is quantized, and the result is nearer than w8a8's."""
    done, model = quantized(parent, "w8", Rule(weights="int8"))
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["DequantizeLinear"] == 3
    assert "QuantizeLinear" not in operators
    assert stored(model)["predict.weight_int8"] == TensorProto.INT8
    assert nearness(parent, done) > 45


def test_stored_weights_are_the_float_ones_rounded(parent):
    """w8: integer times scale is within half a step of every float weight, channel by channel."""
    _, model = quantized(parent, "w8", Rule(weights="int8"))
    constants = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    float_model = onnx.load(str(parent.path(parent.graphs[0])))
    weight = next(
        onnx.numpy_helper.to_array(one) for one in float_model.graph.initializer if one.name == "first.weight"
    )
    scale = constants["first.weight_scale"][:, None, None, None]
    assert np.all(np.abs(constants["first.weight_int8"] * scale - weight) <= scale * 0.501)


def test_sixteen_bit_activations(parent):
    """w8a16: activations uint16, nearer to float than uint8."""
    _, narrow = quantized(parent, "w8a8", Rule(weights="int8", activations="int8"), KEEP)
    done, model = quantized(parent, "w8a16", Rule(weights="int8", activations="int16"), KEEP)
    assert TensorProto.UINT16 in stored(model).values()
    assert TensorProto.UINT16 not in stored(narrow).values()
    assert nearness(parent, done) > 45


def test_both_widths_in_one_graph(parent):
    """mixed: the sum keeps 16 bits where the rest has 8."""
    rules = (Rule(weights="int8", activations="int8"), KEEP, Rule(match="^sum$", weights="int8", activations="int16"))
    done, model = quantized(parent, "mixed", *rules)
    assert {TensorProto.UINT8, TensorProto.UINT16} <= set(stored(model).values())
    assert nearness(parent, done) > 40


def test_for_npus(parent):
    """Target npu: onnxruntime's configuration for Qualcomm's; the recipe in the manifest says so."""
    done, _ = quantized(parent, "w8a8", Rule(weights="int8", activations="int8"), KEEP, target="npu")
    assert done.recipe["target"] == "npu"
    assert nearness(parent, done) > 40


def test_half_precision(parent):
    """fp16: constants in half, inputs and outputs float32, 60 dB and better."""
    done, model = quantized(parent, "fp16", Rule(weights="fp16", activations="fp16"))
    assert stored(model)["first.weight"] == TensorProto.FLOAT16
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert nearness(parent, done) > 60


def test_half_and_integers_do_not_mix(parent):
    """fp16 and int8 in one graph are refused, and no folder is left."""
    with pytest.raises(UsageError, match="fp16 and int8"):
        quantized(parent, "mixed", Rule(weights="int8", activations="int8"), Rule(match="predict", weights="fp16"))
    assert not (parent.folder.parent / "onnx-mixed").exists()


def test_activations_need_pictures(parent):
    """Static ranges without calibration pictures are refused."""
    recipe = Recipe("w8a8", (Rule(weights="int8", activations="int8"),))
    with pytest.raises(UsageError, match="no calibration pictures"):
        quantizer.quantize(parent, recipe, parent.folder.parent / "out")
