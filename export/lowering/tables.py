"""Roots, powers and quotients out of EXP and LOG, limits out of ReLUs: what NPUs of integers compute, by tables.

Arm's Ethos-U takes neither SQRT nor POW, and DIV, MINIMUM and MAXIMUM only of some types and scales. Of 16-bit values
it computes EXP and LOG by tables of 512 straight pieces over the whole range, so a curve that is steep near black is
cut in two, each part with a range of its own: ``f(x) = f(min(x, c)) + f(max(x, c)) - f(c)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from viewfinder.errors import UsageError

_BEND = 0.05
"""Where curves are cut in two. Below it, light has 256 pieces of a table; of one for 0..1 it would have 13."""
_LEAST = 1e-6
"""Under a root, what is less counts as this much; so no root is more than 0.001 off."""
_TOLERANCE = 2e-3
"""Of a network's output on its examples: a root near zero, seen through the layers behind it."""
_SQUARE = 2


def power(base: Tensor, exponent: float) -> Tensor:
    """Return ``base ** exponent`` of positive values; in two parts where it is steep at zero."""
    if not 0 < exponent < 1:
        return torch.exp(exponent * torch.log(base))
    over = F.relu(base - _BEND)
    below, above = base - over, over + _BEND
    return torch.exp(exponent * torch.log(below)) + (torch.exp(exponent * torch.log(above)) - float(_BEND**exponent))


def _power(base: Any, exponent: Any) -> Any:
    """Write a power; one that is no curve of a tensor stays."""
    if not isinstance(base, Tensor) or not isinstance(exponent, int | float):
        return NotImplemented
    return base * base if exponent == _SQUARE else power(base, float(exponent))


def _root(value: Tensor) -> Tensor:
    """Write a square root, of nothing less than `_LEAST`."""
    return power(_clamp(value, _LEAST), 0.5)


def _quotient(value: Any, divisor: Any, **_how: Any) -> Any:
    """Write a quotient of something and a positive tensor; numbers as divisors stay."""
    return value * torch.exp(-torch.log(divisor)) if isinstance(divisor, Tensor) else NotImplemented


def _clamp(value: Tensor, min: float | None = None, max: float | None = None) -> Tensor:  # noqa: A002 as torch.clamp
    """Write limits as ReLUs."""
    if min is not None:
        value = F.relu(value - min) + min if min else F.relu(value)
    return value if max is None else value - F.relu(value - max)


def _larger(one: Tensor, other: Tensor) -> Tensor:
    """Write the larger of two."""
    return other + F.relu(one - other)


_REWRITTEN: dict[str, Callable[..., Any]] = {
    "sqrt": _root,
    "pow": _power,
    "__pow__": _power,
    "div": _quotient,
    "true_divide": _quotient,
    "__truediv__": _quotient,
    "clamp": _clamp,
    "maximum": _larger,
}
"""PyTorch's name of an operation to what is computed in its place."""


class _Rewriting(TorchFunctionMode):
    """While it is on, PyTorch's own operations are written otherwise."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute `func`, or what stands in its place."""
        rewritten = _REWRITTEN.get(getattr(func, "__name__", ""))
        found = NotImplemented if rewritten is None else rewritten(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if found is NotImplemented else found


class InTables(nn.Module):
    """A network that computes the same of other operators."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap `network`."""
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> Any:
        """Run the network; the operations that it calls are written otherwise."""
        with _Rewriting():
            return self.network(*given)


def lower(network: Any, examples: tuple[Tensor, ...]) -> InTables:
    """Wrap a network.

    Raises:
        UsageError: it takes a root or a power of negative values, or divides by them.
    """
    made = InTables(network).eval()
    with torch.no_grad():
        pairs = zip(_listed(network(*examples)), _listed(made(*examples)), strict=True)
    if not all(torch.allclose(wanted, found, rtol=0, atol=_TOLERANCE) for wanted, found in pairs):
        raise UsageError(
            "the network computes roots, powers or quotients of negative values, which logarithms cannot",
            "keep the form 'auto', and the operators that an NPU of integers does not take on the CPU",
        )
    return made


def _listed(result: Any) -> tuple[Tensor, ...]:
    """Return a network's outputs, one or more."""
    return result if isinstance(result, tuple) else (result,)
