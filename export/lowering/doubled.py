"""Convolutions as the sum of two: weights of 16 bits for NPUs whose weights have 8.

The first one has the weights rounded to 8 bits, one scale for each output, the second what that left over, which in 8
bits of its own is 250 times finer (the first order of REx: Yvinec, Dapogny, Cord, Bailly, 2023). In float nothing
changes but the order of a sum.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

LEVELS = 127
"""Largest integer of symmetric weights of 8 bits."""
LEAST_DB = 60.0
"""What rounding the weights of all layers that stay single may cost together, on the example.

Of the weights that `dncnn` had first, with activations in float, on tiles of 64 x 64 of the package's photographs with
noise, the worst loses 2.5 dB of its truth with all layers single, 0.51 at 54 dB (9 of 17 layers are
two), 0.40 at 57 (13), 0.16 at 60 (15).
"""
_NOISE = 0.1
"""Standard deviation of the example's noise: sigma 25 of 255."""


class Doubled(nn.Module):
    """A convolution whose weights are two of 8 bits."""

    def __init__(self, layer: nn.Conv2d) -> None:
        """Take over a layer."""
        super().__init__()
        self.main, self.rest = copy.deepcopy(layer), copy.deepcopy(layer)
        self.rest.bias = None
        with torch.no_grad():
            self.main.weight.copy_(rounded(layer.weight))
            self.rest.weight.copy_(layer.weight - self.main.weight)

    def forward(self, values: Tensor) -> Tensor:
        """Add both: ``[B, in, H, W]`` to ``[B, out, H, W]``."""
        result: Tensor = self.main(values) + self.rest(values)
        return result


def rounded(weight: Tensor) -> Tensor:
    """Round weights ``[out, ...]`` to 8 bits, one scale for each output."""
    scale = weight.abs().flatten(1).amax(1) / LEVELS
    scale = torch.where(scale > 0, scale, 1).view(-1, *[1] * (weight.ndim - 1))
    return (weight / scale).round() * scale


def example(shape: tuple[int, ...]) -> Tensor:
    """Return a picture ``[B, C, H, W]`` that gets lighter from corner to corner, with noise; the same every time."""
    rows, columns = (torch.linspace(0, 0.5, side) for side in shape[2:])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return (rows[:, None] + columns + _NOISE * noise).clamp(0, 1)


@torch.no_grad()
def lower(network: nn.Module, picture: Tensor) -> nn.Module:
    """Return a copy in which enough convolutions are two, those first whose rounding costs most on a picture.

    Each layer is rounded alone and the errors of the output are added up; the cheap ones stay single as long as their
    sum keeps `LEAST_DB`.
    """
    made = copy.deepcopy(network).eval()
    names = [name for name, layer in made.named_modules() if isinstance(layer, nn.Conv2d)]
    wanted = made(picture)
    errors = {name: _error(made, name, picture, wanted) for name in names}
    left: float = 10 ** (-LEAST_DB / 10)
    for name in sorted(names, key=lambda name: errors[name]):
        left -= errors[name]
        if left < 0:
            _exchange(made, name, Doubled(_convolution(made, name)))
    return made


def _error(network: nn.Module, name: str, picture: Tensor, wanted: Tensor) -> float:
    """Return the mean square error of the output with one layer's weights rounded."""
    layer = _convolution(network, name)
    kept = layer.weight.clone()
    layer.weight.copy_(rounded(kept))
    error = float((network(picture) - wanted).square().mean())
    layer.weight.copy_(kept)
    return error


def _convolution(network: nn.Module, name: str) -> nn.Conv2d:
    """Return a convolution by its name."""
    found = network.get_submodule(name)
    assert isinstance(found, nn.Conv2d)
    return found


def _exchange(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in another's place."""
    parent, _, last = name.rpartition(".")
    holder: Any = network.get_submodule(parent)
    setattr(holder, last, layer)
