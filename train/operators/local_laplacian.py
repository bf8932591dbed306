"""Local contrast by the fast local Laplacian filter: the benchmark operator of the HDRNet paper.

The paper does not print the strengths that it used; sigma 0.3 and alpha 0.4 are this project's.
"""

from __future__ import annotations

from viewfinder.train.operators.laplacian import Remap, filter_image
from viewfinder.train.operators.pyramid import Array

REMAP = Remap(sigma=0.3, alpha=0.4)


def apply(image: Array) -> Array:
    """``[H, W, 3]`` display-referred sRGB in 0..1 to the same, with local contrast raised."""
    return filter_image(image, REMAP)
