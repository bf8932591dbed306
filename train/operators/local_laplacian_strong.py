"""Strong local contrast ("clarity"): the fast local Laplacian filter on structures of about 8 to 64 pixels.

Finer and coarser structures keep their own contrast, so neither texture and noise nor the overall light is boosted;
what lies between is boosted hard. The band is measured in pixels on pictures up to 800 pixels (the sizes of the
training data) and grows with larger ones, as if they were filtered on a copy of 400 to 800 pixels. It does not shrink
on smaller ones: a copy of 256 pixels shows the operator other structures than the picture does, which is where
methods that run it on such a copy (bilateral-guided upsampling) fail. All strengths are this project's choice.
"""

from __future__ import annotations

import math

from viewfinder.train.operators.laplacian import Band, Remap, filter_image
from viewfinder.train.operators.pyramid import Array

REMAP = Remap(sigma=0.4, alpha=0.2, noise_low=0.02, noise_high=0.04)
BAND = Band(3, 6)
"""On pictures up to `LARGEST_SIDE`; higher by one level for every doubling."""

LARGEST_SIDE = 800
"""Long side, in pixels, up to which `BAND` holds as it is."""


def band(height: int, width: int) -> Band:
    """Choose the levels for a picture of this size."""
    shift = max(0, math.ceil(math.log2(max(height, width) / LARGEST_SIDE)))
    return Band(BAND.finest + shift, BAND.end + shift)


def apply(image: Array) -> Array:
    """``[H, W, 3]`` display-referred sRGB in 0..1 to the same, with local contrast of middle size raised strongly."""
    return filter_image(image, REMAP, band(image.shape[0], image.shape[1]))
