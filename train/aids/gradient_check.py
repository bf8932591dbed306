"""Compare the gradients of a module with central differences, parameter by parameter, in double precision."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

STEP = 1e-6
"""Half the distance of the two values; in double precision rounding and curvature then cost about equally little."""


@dataclass(frozen=True)
class ParameterCheck:
    """How well the gradient of one parameter tensor agrees with differences.

    Attributes:
        name: of the parameter.
        checked: how many of its values were checked.
        relative_error: ``|gradient - difference| / max(|gradient|, |difference|, floor)`` as norms over the checked
            values; about 1e-7 is right, 1e-2 or more is wrong. A value that sits on the kink of a ReLU or a clamp
            gives a large error without being wrong: check with another input.
        gradient_norm: norm of the checked gradient values; 0 means that the parameter has no effect on this input.
    """

    name: str
    checked: int
    relative_error: float
    gradient_norm: float


def check_gradients(
    module: nn.Module, inputs: Sequence[Tensor], per_parameter: int = 8, seed: int = 0
) -> list[ParameterCheck]:
    """Check some values of every parameter of `module` on a fixed random projection of its output.

    Args:
        module: any module whose ``forward(*inputs)`` returns one tensor; a copy is used, in double precision.
        inputs: of forward; floats become double.
        per_parameter: values to check per parameter tensor, picked at random.
        seed: of the picks and of the projection.

    Returns:
        One result per parameter that wants gradients.
    """
    module = copy.deepcopy(module).double().eval()
    inputs = [value.double() if value.is_floating_point() else value for value in inputs]
    generator = torch.Generator().manual_seed(seed)
    output = module(*inputs)
    direction = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    named = [(name, value) for name, value in module.named_parameters() if value.requires_grad]
    gradients = torch.autograd.grad(
        (output * direction).sum(), [value for _, value in named], allow_unused=True, materialize_grads=True
    )

    def value_at() -> float:
        """Evaluate the projection with the parameters as they are now."""
        with torch.no_grad():
            return float((module(*inputs) * direction).sum())

    results = []
    for (name, parameter), gradient in zip(named, gradients, strict=True):
        picks = torch.randperm(parameter.numel(), generator=generator)[:per_parameter]
        expected = torch.tensor([_difference(parameter, int(pick), value_at) for pick in picks], dtype=torch.float64)
        results.append(_compare(name, gradient.reshape(-1)[picks], expected))
    return results


def _difference(parameter: Tensor, index: int, value_at: Callable[[], float]) -> float:
    """Central difference of the projection along one value of a parameter."""
    flat = parameter.data.view(-1)
    before = float(flat[index])
    flat[index] = before + STEP
    above = value_at()
    flat[index] = before - STEP
    below = value_at()
    flat[index] = before
    return (above - below) / (2 * STEP)


def _compare(name: str, found: Tensor, expected: Tensor) -> ParameterCheck:
    """Relate the error to the larger norm; two gradients of nothing agree."""
    scale = max(float(found.norm()), float(expected.norm()), 1e-8)
    return ParameterCheck(name, len(found), float((found - expected).norm()) / scale, float(found.norm()))
