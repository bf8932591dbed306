"""Knots of a curve guide that do nothing go; the guide stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from viewfinder import demo, models, photos
from viewfinder.export.lowering.guide import merge_settled
from viewfinder.train.networks import knots
from viewfinder.train.networks.hdrnet import CurveGuide


@pytest.fixture
def colours():
    """Colours of two photographs, ``[N, 3]``."""
    return np.concatenate([photos.read(path).display()[::40, ::40].reshape(-1, 3) for path in demo.photos()[:2]])


def _values(guide, colours):
    """The guide at some colours."""
    with torch.no_grad():
        return guide(torch.from_numpy(colours.T.copy())[None, :, None]).numpy().ravel()


def _bent(seed):
    """Curves with three real bends each and thirteen knots that lie on top of them, as training leaves them."""
    torch.manual_seed(seed)
    guide = CurveGuide()
    with torch.no_grad():
        places = torch.tensor([0.0, 0.3, 0.6]).repeat(6)[:16]
        guide.shift.copy_(places + 1e-5 * torch.randn(3, 16))
        guide.slope.copy_(torch.tensor([0.4, -0.3, 0.5]).repeat(6)[:16] * (0.3 + 0.05 * torch.randn(3, 16)))
    return guide


@pytest.mark.parametrize("seed", range(3))
def test_knots_on_top_of_each_other_become_one(colours, seed):
    """48 steps, 9 places: at most 9 and one line remain, and the guide moves by a thousandth."""
    guide = _bent(seed)
    before = _values(guide, colours)
    left = knots.simplify(guide, colours)
    assert left <= 9 + 3 * 5  # steps that are always open may stay: they cost one channel together
    assert len(merge_settled(guide.as_pointwise())[1]) <= 10
    assert np.sqrt(np.mean((_values(guide, colours) - before) ** 2)) <= 1.05 * knots.LARGEST_ERROR


def test_a_smaller_error_keeps_more(colours):
    """Sixteen different bends per channel: the looser the bound, the fewer are left, and each bound is kept."""
    left = []
    for bound in (1e-5, 1e-3, 1e-2):
        torch.manual_seed(5)
        guide = CurveGuide()
        with torch.no_grad():
            guide.slope.copy_(torch.linspace(1, 0.05, 16).repeat(3, 1) * torch.tensor([1.0, -0.5] * 8) * 0.3)
        before = _values(guide, colours)
        left.append(knots.simplify(guide, colours, bound))
        assert np.abs(_values(guide, colours) - before).mean() <= bound
    assert left[0] > left[1] > left[2]


def test_the_shipped_curves_are_simple():
    """What is exported of the published network costs no more channels than the improved guide does."""
    task = models.load("hdrnet")
    guide = CurveGuide()
    state = load_file(task.weights_file())
    guide.load_state_dict({name[6:]: value for name, value in state.items() if name.startswith("guide.")})
    assert len(merge_settled(guide.as_pointwise())[1]) <= 12
