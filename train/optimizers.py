"""The optimisers that a run can ask for: AdamW, or Muon for the convolutions and AdamW for the rest.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) makes every step of a matrix orthogonal, so that each of
its directions learns at the same rate. PyTorch's takes matrices alone; a convolution is one of ``[O, kH * kW * I]``.
With it, DnCNN learns in minutes of one core what takes Adam many times as long: compare
``viewfinder train dncnn --photos DIR --steps 400 --optimizer NAME`` at rates of 0.02 and 0.001.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_SIDE = 16
"""Convolutions with fewer channels on either side (the first and the last layer) stay with AdamW."""

REST_RATE_SHARE = 0.1
"""AdamW's learning rate beside Muon, as a share of Muon's."""


class Muon(torch.optim.Muon):
    """PyTorch's Muon over convolutions: it steps matrices that share their memory with the weights.

    Built after the module stands on its device, because moving a weight gives it other memory.
    """

    def __init__(self, weights: Iterable[nn.Parameter], learning_rate: float) -> None:
        """Take weights ``[O, I, kH, kW]`` in either memory format."""
        self._weights = tuple(weights)
        matrices = [nn.Parameter(_matrix(weight.detach(), weight)) for weight in self._weights]
        super().__init__(matrices, lr=learning_rate, weight_decay=0.0)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step every weight that has a gradient."""
        for weight, matrix in zip(self._weights, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if weight.grad is None else _matrix(weight.grad, weight)
        loss: float | None = super().step(closure)  # type: ignore[no-untyped-call]
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the matrices and of the weights behind them."""
        super().zero_grad(set_to_none)
        for weight in self._weights:
            weight.grad = None


def _matrix(values: Tensor, weight: Tensor) -> Tensor:
    """Return ``[O, I * kH * kW]`` in the order in which `weight` lies in memory; a view where `values` lie alike."""
    return values.flatten(1) if weight.is_contiguous() else values.permute(0, 2, 3, 1).flatten(1)


def build(name: str, module: nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Return the optimisers of a run; every group's ``rate_share`` says its part of the learning rate."""
    parameters = list(module.parameters())
    chosen = [p for p in parameters if p.ndim == 4 and min(p.shape[:2]) >= SMALLEST_SIDE] if name == "muon" else []
    if not chosen:
        return [_adamw(parameters, learning_rate, 1.0)]
    taken = {id(parameter) for parameter in chosen}
    muon = Muon(chosen, learning_rate)
    muon.param_groups[0]["rate_share"] = 1.0
    rest = [parameter for parameter in parameters if id(parameter) not in taken]
    return [muon, _adamw(rest, learning_rate, REST_RATE_SHARE)]


def _adamw(parameters: list[nn.Parameter], learning_rate: float, share: float) -> Any:
    """Return AdamW without weight decay at a share of the learning rate."""
    group = {"params": parameters, "lr": learning_rate * share, "rate_share": share}
    return torch.optim.AdamW([group], weight_decay=0.0, fused=True)
