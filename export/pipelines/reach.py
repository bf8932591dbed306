"""Measure how far a network looks, and how far its input may move before the output moves differently."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from viewfinder.errors import UsageError

_STRIDES = (1, 2, 4, 8, 16, 32, 64)
_AGREEMENT = 1e-4
"""Largest relative difference of two float32 outputs that count as the same."""


def reach(network: Any, shape: tuple[int, ...]) -> int:
    """Return how many input pixels away from itself an output pixel looks.

    The gradient of the central output pixel is not zero where the input counts. On a copy of the network all weights
    are first replaced by means (and offsets by zero), so that no ReLU or clamp is shut and nothing cancels.

    Args:
        network: ``[1, C, H, W]`` to ``[1, C', s * H, s * W]``.
        shape: of the input.

    Raises:
        UsageError: the output does not depend on the input.
    """
    open_network = _with_mean_weights(network)
    image = torch.full(shape, 0.25, dtype=torch.float64, requires_grad=True)
    result = open_network(image)
    centre = [size // 2 for size in result.shape[2:]]
    if result.requires_grad:
        result[:, :, centre[0], centre[1]].sum().backward()
    gradient = image.grad
    used = gradient[0].abs().sum(0).nonzero() if gradient is not None else torch.empty(0, 2)
    if len(used) == 0:
        raise UsageError(
            "how far the network looks cannot be measured: its output has no gradient",
            "state it: pipeline_options={'halo': N}",
        )
    return int((used - torch.tensor([shape[2] // 2, shape[3] // 2])).abs().max())


def _with_mean_weights(network: Any) -> Any:
    """Copy a network in float64, every filter replaced by the mean of what it sees."""
    averaging = copy.deepcopy(network).double().requires_grad_(requires_grad=False)
    for name, value in averaging.named_parameters():
        inputs = value[0].numel() if value.dim() > 1 else 1
        value.fill_(0.0 if name.endswith("bias") else 1.0 / inputs)
    return averaging


def stride(network: Any, shape: tuple[int, ...]) -> int:
    """Return the smallest shift of the input that only shifts the output; networks that shrink inside have one > 1."""
    generator = torch.Generator().manual_seed(0)
    wide = torch.rand(shape[0], shape[1], shape[2], shape[3] + _STRIDES[-1], generator=generator)
    with torch.no_grad():
        still = network(wide[..., : shape[3]])
        scale = still.shape[3] // shape[3]
        for step in _STRIDES[:-1]:
            moved = network(wide[..., step : step + shape[3]])
            if _agree(still[..., step * scale :], moved[..., : moved.shape[3] - step * scale]):
                return step
    return _STRIDES[-1]


def _agree(first: Tensor, second: Tensor) -> bool:
    """Compare the middle thirds of two pictures, which borders do not reach into."""
    third = max(1, first.shape[3] // 3)
    first, second = first[..., third : 2 * third], second[..., third : 2 * third]
    return bool((first - second).abs().max() <= _AGREEMENT * first.abs().max().clamp(min=1e-6))
