from __future__ import annotations

import pytest
import torch
from torch import nn

from viewfinder.errors import UsageError
from viewfinder.train import optimizers
from viewfinder.train.config import FitConfig


def network(memory_format):
    """A first, two inner and a last convolution, the inner ones with 32 channels."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 32, 3), nn.Conv2d(32, 32, 3), nn.Conv2d(32, 32, 3), nn.Conv2d(32, 1, 3)]
    return nn.Sequential(*layers).to(memory_format=memory_format)


def stepped(module):
    """Return the change of every weight after one step along the same gradient."""
    made = optimizers.build("muon", module, 0.02)
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        # In the weight's own memory format, as autograd leaves it.
        parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=generator))
    for one in made:
        one.step()
        one.zero_grad()
    assert all(parameter.grad is None for parameter in module.parameters())
    return {name: value.detach() - before[name] for name, value in module.named_parameters()}


def test_muon_steps_inner_convolutions_in_all_directions():
    """The step of an inner weight is nearly as large in its middle direction as in its largest; the rest is AdamW's."""
    change = stepped(network(torch.contiguous_format))
    for name in ("1.weight", "2.weight"):
        values = torch.linalg.svdvals(change[name].flatten(1))
        assert values.max() < 0.02 * 1.4
        assert values.median() > 0.02 * 0.4
    for name in ("0.weight", "3.weight", "1.bias"):
        assert change[name].abs().max() == pytest.approx(0.002, rel=0.02)


def test_the_memory_format_does_not_matter():
    """Weights with their channels last take the same step."""
    plain, last = stepped(network(torch.contiguous_format)), stepped(network(torch.channels_last))
    for name, value in plain.items():
        assert torch.allclose(value, last[name], atol=4e-4), name


def test_without_inner_convolutions_all_is_adamw():
    """A network that has no matrix for Muon is trained by AdamW at the whole rate."""
    (only,) = optimizers.build("muon", nn.Conv2d(1, 8, 3), 0.02)
    assert isinstance(only, torch.optim.AdamW)
    assert only.param_groups[0]["rate_share"] == 1.0


def test_an_unknown_optimizer_is_refused():
    """The names that exist are listed."""
    with pytest.raises(UsageError, match="--optimizer is 'sgd'") as caught:
        FitConfig(optimizer="sgd")
    assert "adamw, muon" in caught.value.hint
