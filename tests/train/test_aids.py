from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from viewfinder.errors import UsageError
from viewfinder.train.aids.activation_statistics import layer_statistics
from viewfinder.train.aids.first_layer_filters import GAP, PIXEL, draw_filters, filter_picture, first_convolution
from viewfinder.train.aids.gradient_check import check_gradients


class HalfGradient(torch.autograd.Function):
    """The identity, with a wrong backward: a gradient that is half as large."""

    @staticmethod
    def forward(ctx, value):
        """Pass the value."""
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        """Halve the gradient."""
        return gradient / 2


class Wrong(nn.Module):
    """A linear layer behind a function whose gradient is wrong."""

    def __init__(self):
        super().__init__()
        self.right, self.wrong = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, value):
        """Two layers, the first one behind the wrong function."""
        return self.right(HalfGradient.apply(self.wrong(value)))


def test_right_gradients_agree(tiny_network, batch):
    """On a photograph the gradients of the whole network agree with differences to 1e-4."""
    lowres, image = batch
    results = check_gradients(tiny_network, (lowres, image[:, :, :24, :32]), per_parameter=3)
    assert {result.name for result in results} == {name for name, _ in tiny_network.named_parameters()}
    assert max(result.relative_error for result in results) < 1e-4
    assert max(result.gradient_norm for result in results) > 0


def test_wrong_gradients_are_found():
    """A backward that halves is off by half, in the layers below it alone."""
    found = {result.name: result.relative_error for result in check_gradients(Wrong(), [torch.rand(4, 3)])}
    assert found["wrong.weight"] == pytest.approx(0.5, abs=0.01)
    assert found["right.weight"] < 1e-6


def test_the_checked_network_stays_as_it_is(tiny_network, batch):
    """The check works on a copy: same values, same precision, same mode."""
    before = {name: value.clone() for name, value in tiny_network.state_dict().items()}
    check_gradients(tiny_network, (batch[0], batch[1][:, :, :8, :8]), per_parameter=1)
    assert tiny_network.training
    assert all(torch.equal(before[name], value) for name, value in tiny_network.state_dict().items())


def test_dead_channels_are_counted():
    """Two of four channels that can never fire are half."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    nn.init.constant_(layers[0].weight, 1.0)
    with torch.no_grad():
        layers[0].bias.copy_(torch.tensor([0.0, -100.0, 0.5, -100.0]))
    convolution, rectifier = layer_statistics(layers, [torch.rand(2, 3, 5, 5)])
    assert (convolution.kind, convolution.dead_fraction) == ("Conv2d", None)
    assert rectifier.dead_fraction == pytest.approx(0.5)
    assert rectifier.smallest == 0
    assert rectifier.shape == (2, 4, 5, 5)


def test_statistics_are_those_of_the_output(tiny_network, batch):
    """Layers come in the order they run, and leave no hooks behind."""
    found = layer_statistics(tiny_network, batch)
    with torch.no_grad():
        first = tiny_network.coefficients.splat[0](batch[0])
    assert found[0].name == "coefficients.splat.0"
    assert found[0].mean == pytest.approx(float(first.mean()), abs=1e-6)
    assert found[0].standard_deviation == pytest.approx(float(first.std()), abs=1e-6)
    assert not any(layer._forward_hooks for layer in tiny_network.modules())


def test_filters_are_drawn(tmp_path):
    """Two filters side by side, mid-grey for zero, white for the largest weight, in their channel."""
    layers = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 3))
    nn.init.zeros_(layers[1].weight)
    with torch.no_grad():
        layers[1].weight[1, 0, 2, 2] = 0.5
    picture = np.asarray(Image.open(draw_filters(layers, tmp_path / "filters.png")))
    side = 3 * PIXEL
    assert picture.shape == (side + 2 * GAP, 2 * side + 3 * GAP, 3)
    assert picture[GAP, GAP].tolist() == [128] * 3
    assert picture[GAP + side - 1, GAP + 2 * side + GAP - 1].tolist() == [255, 128, 128]
    assert picture[0, 0].tolist() == [255] * 3


def test_filters_on_many_channels_are_grey():
    """A filter on other than three channels is drawn by its mean."""
    picture = filter_picture(nn.Conv2d(8, 4, 3))
    assert np.ptp(picture, axis=2).max() == 0


def test_a_network_without_filters_is_refused():
    """1x1 convolutions have nothing to draw."""
    with pytest.raises(UsageError, match="no convolution larger than 1x1"):
        first_convolution(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
