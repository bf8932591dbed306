"""Statistics of every layer's output on given inputs: dead ReLUs and exploding or vanishing layers show here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_RECTIFIERS = (nn.ReLU, nn.ReLU6)


@dataclass(frozen=True)
class LayerStatistics:
    """What one layer puts out.

    Attributes:
        name, kind: of the layer.
        shape: of its output.
        mean, standard_deviation, smallest, largest: over all its values.
        dead_fraction: share of a ReLU's channels (axis 1) that are zero everywhere; None for other layers.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    standard_deviation: float
    smallest: float
    largest: float
    dead_fraction: float | None


@torch.no_grad()
def layer_statistics(module: nn.Module, inputs: Sequence[Tensor]) -> list[LayerStatistics]:
    """Run ``module(*inputs)`` once and describe every leaf layer's output, in the order they ran.

    Functions that are no layers (``F.relu`` in a forward) do not appear.
    """
    found: list[LayerStatistics] = []
    handles = []
    for name, layer in module.named_modules():
        if name and not any(layer.children()):
            handles.append(layer.register_forward_hook(_recorder(name, found)))
    try:
        module(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _recorder(name: str, found: list[LayerStatistics]) -> Any:
    """Return a forward hook that appends the statistics of a layer."""

    def record(layer: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            found.append(_describe(name, layer, output.float()))

    return record


def _describe(name: str, layer: nn.Module, output: Tensor) -> LayerStatistics:
    """Summarise one output."""
    dead = None
    if isinstance(layer, _RECTIFIERS) and output.dim() > 1:
        alive = (output != 0).transpose(0, 1).flatten(1).any(1)
        dead = 1 - float(alive.float().mean())
    spread = float(output.std()) if output.numel() > 1 else 0.0
    numbers = float(output.mean()), spread, float(output.min()), float(output.max())
    return LayerStatistics(name, type(layer).__name__, tuple(output.shape), *numbers, dead)
