"""Cut a burst network between what predicts kernels and what applies them, so that each can run where it fits best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from viewfinder.errors import UsageError
from viewfinder.export.request import Graph
from viewfinder.task import TensorSpec


class _Kernels(nn.Module):
    """The part of a network that predicts kernels."""

    def __init__(self, network: Any) -> None:
        """Wrap `network`."""
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor:
        """Predict."""
        found: Tensor = self.network.kernels(*inputs)
        return found


class _Application(nn.Module):
    """The part that applies them; it gets the kernels and those inputs that it uses."""

    def __init__(self, network: Any, used: Sequence[int], examples: Sequence[Tensor]) -> None:
        """Wrap `network`; inputs that are not `used` never come, whatever stands in their place."""
        super().__init__()
        self.network, self.used, self.count = network, list(used), len(examples)

    def forward(self, kernels: Tensor, *inputs: Tensor) -> Tensor:
        """Apply."""
        given: list[Tensor | None] = [None] * self.count
        for place, value in zip(self.used, inputs, strict=True):
            given[place] = value
        result: Tensor = self.network.combine(kernels, *given)
        return result


def split(name: str, network: Any, specs: Sequence[TensorSpec], examples: Sequence[Tensor]) -> list[Graph]:
    """Cut the network between kernels and application.

    Raises:
        UsageError: it cannot be cut.
    """
    if not hasattr(network, "kernels") or not hasattr(network, "combine"):
        raise UsageError(
            f"the network of {name} cannot be split",
            "give it kernels(*inputs) and combine(kernels, *inputs), or export it whole",
        )
    with torch.no_grad():
        kernels = network.kernels(*examples)
    used = _used(network, kernels, examples)
    between = TensorSpec(
        "kernels", tuple(kernels.shape), value_range=None, colour_space=None, meaning="kernels, not normalised"
    )
    first = Graph("kernels", _Kernels(network).eval(), tuple(examples), tuple(specs), (between,))
    module = _Application(network, used, examples).eval()
    given = (kernels, *(examples[place] for place in used))
    second = Graph("application", module, given, (between, *(specs[place] for place in used)), ())
    return [first, second]


def _used(network: Any, kernels: Tensor, examples: Sequence[Tensor]) -> list[int]:
    """Find the inputs that the application looks at: those without which it does not run."""
    used = []
    for place in range(len(examples)):
        given: list[Tensor | None] = list(examples)
        given[place] = None
        try:
            with torch.no_grad():
                network.combine(kernels, *given)
        except (TypeError, AttributeError, RuntimeError):
            used.append(place)
    return used
