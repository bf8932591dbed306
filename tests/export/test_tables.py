"""Roots, powers and quotients out of exponentials and logarithms: the same numbers, of operators that NPUs have."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from viewfinder.errors import UsageError
from viewfinder.export.lowering import tables

REFUSED = ("sqrt", "pow", "div", "clamp", "maximum", "minimum")


class Curves(nn.Module):
    """Every operation that is rewritten, as networks write it."""

    def forward(self, light, other):
        """Return two pictures."""
        root = torch.sqrt((light - 0.1).clamp(min=0.0)) + light.clamp(0.2, 0.9) ** (1 / 2.4) + other.clamp(max=0.5) ** 2
        return root / (1 + other), torch.maximum(light, other).pow(2.4) / 1.5


def pictures():
    """Return two pictures with values from black to white."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 1, 32, 32, generator=generator) + 0.01, torch.rand(1, 1, 32, 32, generator=generator)


def test_the_numbers_stay():
    """Every value is the same up to rounding; a root of nothing is the root of a millionth."""
    given = pictures()
    lowered = tables.lower(Curves(), given)
    for wanted, found in zip(Curves()(*given), lowered(*given), strict=True):
        assert (wanted - found).abs().max() < 1.01e-3
        assert (wanted - found).abs().median() < 1e-6


def test_nothing_that_npus_refuse_is_left():
    """What is traced holds none of the operations that Ethos-U leaves to the CPU."""
    given = pictures()
    program = torch.export.export(tables.lower(Curves(), given), given)
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert {"aten.exp.default", "aten.log.default", "aten.relu.default"} <= called
    assert not [name for name in called for other in REFUSED if f"aten.{other}." in name and "div" not in name]
    quotients = [node for node in program.graph.nodes if "aten.div." in str(node.target)]
    assert all(not isinstance(node.args[1], torch.fx.Node) for node in quotients)


def test_negative_divisors_are_refused():
    """A logarithm of what is negative is no number, so such a network is not written this way."""

    class Signed(nn.Module):
        """Divide by something that changes its sign."""

        def forward(self, light, other):
            """Return a quotient."""
            return light / (other - 0.5)

    with pytest.raises(UsageError, match="negative"):
        tables.lower(Signed(), pictures())
