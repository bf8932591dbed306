"""Fewer knots for a trained curve guide: most of its 48 ReLU steps do nothing that the others could not do.

The paper's guide (Gharbi et al. 2017, section 3.4.2) has 16 knots per channel so that training may place them. After
training many lie on top of each other or outside the colours there are. A step whose slope is zero costs nothing after
export (`export.lowering.guide` drops it), and the full-resolution half of HDRNet spends a third of its time on the 48.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from viewfinder.train.networks.hdrnet import CurveGuide

LARGEST_ERROR = 1e-3
"""Root mean square change of the guide, of its range 0..1, that is accepted: a 125th of one of eight bins. Of the 48
steps of the shipped `hdrnet`, 9 are left, and its 25 validation pictures stay within 0.002 dB of what they were."""

_RIDGE = 1e-9
"""Keeps the least squares solvable when two steps are the same."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Fit:
    """Least squares over steps, from their inner products, so that dropping one costs no pass over the pixels."""

    gram: Values
    """Inner products of steps and a constant, ``[n + 1, n + 1]``, per pixel."""
    moment: Values
    """Inner products with the guide, ``[n + 1]``."""
    power: float
    """Mean square of the guide."""

    def solve(self, steps: list[int]) -> tuple[Values, float]:
        """Return the weights of `steps` and the constant, and the root mean square error."""
        chosen = [*steps, len(self.moment) - 1]
        gram = self.gram[np.ix_(chosen, chosen)]
        ridge = _RIDGE * np.eye(len(chosen))
        weights: Values = np.linalg.solve(gram + ridge, self.moment[chosen]).astype(np.float64)
        error = float(self.power - 2 * weights @ self.moment[chosen] + weights @ gram @ weights)
        return weights, math.sqrt(max(error, 0.0))


@torch.no_grad()
def simplify(guide: CurveGuide, colours: NDArray[np.float32], largest_error: float = LARGEST_ERROR) -> int:
    """Set to zero the slopes of steps that the others can replace, one after another, and refit those.

    Args:
        guide: a trained guide; its slopes and its last offset change, in place.
        colours: ``[N, 3]`` in 0..1, pixels of training photographs: on these the guide must stay.
        largest_error: root mean square change accepted on `colours`, in units of the guide.

    Returns:
        How many steps are left.
    """
    first, offset, second, constant = (value.double().numpy() for value in guide.as_pointwise())
    weights, mix = first.reshape(-1, 3), second.reshape(-1)
    opened = np.maximum(colours.astype(np.float64) @ weights.T + offset, 0)
    columns = np.concatenate([opened, np.ones((len(colours), 1))], 1)
    target = opened @ mix + constant
    fit = _Fit(columns.T @ columns / len(colours), columns.T @ target / len(colours), float(np.mean(target**2)))
    free, kept = _by_use(weights, offset, mix)
    while kept:
        dropped = min(kept, key=lambda step: fit.solve([*free, *(one for one in kept if one != step)])[1])
        rest = [one for one in kept if one != dropped]
        if fit.solve([*free, *rest])[1] > largest_error:
            break
        kept = rest
    _write(guide, [*free, *kept], fit.solve([*free, *kept])[0])
    return len(free) + len(kept)


def _by_use(weights: Values, offset: Values, mix: Values) -> tuple[list[int], list[int]]:
    """Part steps into those always open in 0..1, which cost one channel together, and those that bend there."""
    lowest = offset + np.minimum(weights, 0).sum(1)
    highest = offset + np.maximum(weights, 0).sum(1)
    used = (highest > 0) & (mix != 0)
    return np.flatnonzero(used & (lowest >= 0)).tolist(), np.flatnonzero(used & (lowest < 0)).tolist()


def _write(guide: CurveGuide, steps: list[int], solution: Values) -> None:
    """Write weights of `steps` and a constant back as slopes and the last offset."""
    slopes = np.zeros(guide.slope.numel())
    slopes[steps] = solution[:-1] / guide.mix.double().numpy().repeat(guide.KNOTS)[steps]
    guide.slope.copy_(torch.from_numpy(slopes).reshape(guide.slope.shape))
    guide.mix_offset.fill_(float(solution[-1]))
