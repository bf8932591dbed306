"""Strong local contrast ("clarity"): the fast local Laplacian filter on everything coarser than about four pixels.

The two finest octaves keep their own contrast, so texture and noise are not boosted; what lies above is boosted hard.
The band is measured in pixels, which makes the effect depend on the picture's size: a copy of 256 pixels shows the
operator other structures than the full picture does, and methods that run it on such a copy (bilateral-guided
upsampling) miss an octave. On larger pictures than those of training (321 to 800 pixels) a network that learned this
operator acts like the operator on a copy of about that size. All strengths are this project's choice.
"""

from __future__ import annotations

from viewfinder.train.operators.laplacian import Remap, filter_image
from viewfinder.train.operators.pyramid import Array

REMAP = Remap(sigma=0.4, alpha=0.25, noise_low=0.02, noise_high=0.04)
FINEST_LEVEL = 2
"""Laplacian level from which on details are boosted: level 2 holds structures of about 4 to 8 pixels."""


def apply(image: Array) -> Array:
    """``[H, W, 3]`` display-referred sRGB in 0..1 to the same, with coarse local contrast raised strongly."""
    return filter_image(image, REMAP, FINEST_LEVEL)
