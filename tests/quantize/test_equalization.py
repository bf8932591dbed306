"""Channels of equal range in front of a float layer: the same network in float, a better one in 8 bits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from viewfinder.quantize import equalization
from viewfinder.recipe import Rule

pytestmark = pytest.mark.slow

EIGHT, FLOAT = Rule(weights="int8", activations="int8"), Rule()


class Summed(nn.Module):
    """Two layers whose sum a third one reads, as HDRNet's last layer does; perhaps somebody else does, too."""

    def __init__(self, *, is_read_twice: bool = False) -> None:
        """Give the channels unlike ranges."""
        super().__init__()
        torch.manual_seed(1)
        self.near, self.far = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(3, 8)
        self.last = nn.Conv2d(8, 2, 1)
        self.is_read_twice = is_read_twice
        with torch.no_grad():
            spread = torch.logspace(-1, 1, 8)
            self.near.weight.abs_().mul_(spread.view(-1, 1, 1, 1))  # nothing is below 0, where a ReLU would cut it
            self.near.bias.abs_().mul_(spread)
            self.far.weight.abs_().mul_(spread.view(-1, 1))
            self.far.bias.abs_().mul_(spread)
            self.last.weight.div_(spread.view(1, -1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return ``[1, 2, H, W]`` of ``[1, 3, H, W]``."""
        both = torch.relu(self.near(image) + self.far(image.mean((2, 3)))[:, :, None, None])
        made: torch.Tensor = self.last(both)
        return made + both.mean() if self.is_read_twice else made


def equalized(network, last=FLOAT):
    """Export a network and equalize it; return the graph, in front of how many layers, and an input."""
    torch.manual_seed(2)
    image = torch.rand(1, 3, 16, 16)
    exported = torch.export.export(network.eval(), (image,), strict=False).module()
    nodes = [node for node in exported.graph.nodes if node.op == "call_function"]
    convolutions = [node.name for node in nodes if "conv2d" in node.name]
    rules = {node.name: last if node.name == convolutions[-1] else EIGHT for node in nodes}
    return exported, equalization.equalize(exported, rules, [(image,)]), image


def ranges(exported, image):
    """Return the largest value of every channel that the last layer reads."""
    (found,) = [node for node in exported.graph.nodes if "relu" in str(node.target)]
    return equalization._ranges(exported, {found}, [(image,)])[found].detach()


def test_it_computes_the_same_with_equal_ranges():
    """The output stays, and the channels' ranges, a hundred times apart before, come together."""
    network = Summed()
    exported, count, image = equalized(network)
    assert count == 1
    with torch.no_grad():
        expected = network(image)
        assert torch.allclose(exported(image), expected, atol=1e-5 * float(expected.abs().max()))
    plain, *_ = equalized(Summed(), EIGHT)
    spread, before = (float(one.max() / one.min()) for one in (ranges(exported, image), ranges(plain, image)))
    assert before > 50
    assert spread < before / 4


def test_what_others_read_is_left_alone():
    """A sum that is read twice cannot be scaled, and in front of a layer in 8 bits nothing is."""
    assert equalized(Summed(is_read_twice=True))[1] == 0
    assert equalized(Summed(), EIGHT)[1] == 0


def test_shared_weights_are_left_alone():
    """Two layers with one tensor of weights cannot be scaled each for itself."""
    shared = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
    shared.append(shared[0])
    assert equalized(shared)[1] == 0
