"""Rounding with compensation: errors cancel on what the layer sees, and every format's tool keeps the result."""

from __future__ import annotations

import numpy as np
import pytest
from tests.quantize import made

from viewfinder.quantize import quantizer
from viewfinder.quantize.quantizer import Aids
from viewfinder.quantize.rounding import LEVELS, Layer, Window, neighbourhoods
from viewfinder.recipe import BadRecipeError, Recipe, Rule

SAME = Window((1, 1), (1, 1), ((1, 1), (1, 1)))


def smooth(count: int = 40) -> list[np.ndarray]:
    """Make inputs of one colour each with a little texture, as a sky is."""
    rng = np.random.default_rng(1)
    return [
        (rng.uniform(0.1, 1, (1, 6, 1, 1)) + 0.01 * rng.standard_normal((1, 6, 12, 12))).astype(np.float32)
        for _ in range(count)
    ]


def nearest(weight):
    """Round to the nearest step of the same scale."""
    scale = np.abs(weight).max((1, 2, 3), keepdims=True) / LEVELS
    return np.rint(weight / scale) * scale


def shift(change, inputs):
    """Root mean square of what a change of the weights adds to the outputs."""
    seen = np.concatenate([neighbourhoods(one[0], (3, 3), SAME) for one in inputs])
    return float(np.sqrt(np.mean((seen @ change.reshape(len(change), -1).T) ** 2)))


def test_errors_cancel_on_smooth_pictures():
    """On pictures like those that were seen, the error is less than half of that of nearest rounding."""
    weight = np.random.default_rng(0).standard_normal((16, 6, 3, 3)).astype(np.float32)
    layer = Layer(weight, SAME)
    for one in smooth()[:32]:
        layer.see(one)
    others = smooth()[32:]
    assert shift(layer.rounded() - weight, others) < 0.5 * shift(nearest(weight) - weight, others)


def test_the_scale_stays_and_all_weights_lie_on_it():
    """The largest weight of every output is what it was, all are whole steps, and an output of zeros stays zero."""
    weight = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    weight[2] = 0
    layer = Layer(weight)
    layer.see(np.random.default_rng(3).uniform(0, 1, (30, 40)).astype(np.float32))
    done = layer.rounded()
    np.testing.assert_allclose(np.abs(done).max(1), np.abs(weight).max(1), rtol=1e-6)
    scale = np.abs(weight).max(1, keepdims=True) / LEVELS
    steps = done[[0, 1, 3, 4]] / scale[[0, 1, 3, 4]]
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert not done[2].any()


@pytest.mark.parametrize(
    ("window", "size"),
    [
        (SAME, (7, 6)),
        (Window((2, 2), (1, 1), ((0, 1), (0, 1))), (8, 8)),
        (Window((2, 1), (2, 1), ((1, 1), (0, 0))), (9, 7)),
    ],
)
def test_neighbourhoods_are_what_a_convolution_sees(window, size):
    """Weights times neighbourhoods are PyTorch's convolution, for strides, dilation and uneven padding."""
    import torch
    from torch.nn import functional

    array = np.random.default_rng(0).standard_normal((3, *size)).astype(np.float32)
    weight = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    (top, bottom), (left, right) = window.padding
    padded = functional.pad(torch.from_numpy(array)[None], (left, right, top, bottom))
    stride, dilation = window.stride, window.dilation
    expected = functional.conv2d(padded, torch.from_numpy(weight), stride=stride, dilation=dilation)[0].numpy()
    found = neighbourhoods(array, (3, 3), window) @ weight.reshape(4, -1).T
    np.testing.assert_allclose(found.T, expected.reshape(4, -1), atol=1e-4)


def test_same_pads_as_tensorflow():
    """Stride 2 on an even side pads one pixel behind; stride 1 pads both sides."""
    assert Window.same((8, 8), (3, 3), (2, 2)).padding == ((0, 1), (0, 1))
    assert Window.same((8, 7), (3, 3), (1, 2)).padding == ((1, 1), (1, 1))


def test_onnx_stores_the_rounded_weights(tmp_path):
    """ONNX Runtime's quantizer finds the same scale, so the integers in the file are the steps that were chosen."""
    import onnx
    from onnx import numpy_helper

    parent = made.write(tmp_path / "onnx-float")
    feeds = Aids({"model": made.feeds()})
    keep = Rule(match="predict", onwards=True)

    def weights(rounding):
        """Quantize; return the weights of the first layer as numbers."""
        rule = Rule(weights="int8", activations="int8", rounding=rounding)
        done = quantizer.quantize(parent, Recipe("w8a8", (rule, keep)), tmp_path / rounding, feeds)
        found = {item.name: item for item in onnx.load(str(done.path(done.graphs[0]))).graph.initializer}
        scale = numpy_helper.to_array(found["first.weight_scale"])
        return numpy_helper.to_array(found["first.weight_quantized"]) * scale[:, None, None, None]

    model = onnx.load(str(parent.path(parent.graphs[0])))
    own = next(numpy_helper.to_array(item) for item in model.graph.initializer if item.name == "first.weight")
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    pads = next((tuple(item.ints) for item in first.attribute if item.name == "pads"), (0, 0, 0, 0))
    layer = Layer(own, Window(padding=((pads[0], pads[2]), (pads[1], pads[3]))))
    for feed in made.feeds():
        layer.see(next(iter(feed.values())))
    np.testing.assert_allclose(weights("compensated"), layer.rounded(), atol=1e-6)
    assert np.abs(weights("nearest") - layer.rounded()).max() > 1e-4


def test_unknown_rounding():
    """A rule's rounding is one of two words."""
    with pytest.raises(BadRecipeError, match="rounding"):
        Rule(weights="int8", rounding="upwards")
