"""Hand-held bursts out of photographs (`viewfinder.train.camera`), in colour, at two gains; the truth is known."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import light, strata
from viewfinder.bursts import Burst
from viewfinder.errors import UsageError
from viewfinder.golden import Sample, shown
from viewfinder.train.camera import motion, noise
from viewfinder.train.camera.synthesis import synthesise

TRUTH = "the reference frame before noise was added"
GAINS = (1, 4)
MOTIONS = {strata.SMALL: motion.STEADY, strata.LARGE: motion.UNSTEADY}
SIDE = (192, 256)
"""Largest height and width of a frame."""
LEAST_SIDE = 32
_SEED, _CALIBRATION_SEED = 2, 3
CALIBRATION_RECIPES = {name: replace(recipe, scale=2) for name, recipe in MOTIONS.items()}
"""Reduced by 2 alone: calibration photographs may be small."""


def make(name: str, pixels: NDArray[Any], _weights: str) -> Iterator[Sample]:
    """Yield a burst of the photograph's middle for each gain; which gain has the large motion depends on the name.

    Args:
        name: of the photograph.
        pixels: ``[H, W, 3]`` uint8 or uint16; reduced by 4, which makes shifts in quarters of a pixel.

    Raises:
        UsageError: the photograph is too small to cut a burst from.
    """
    photo, seed = _middle(name, pixels), zlib.crc32(name.encode())
    for place, gain in enumerate(GAINS):
        moved = tuple(MOTIONS)[(len(name) + place) % len(MOTIONS)]
        made = synthesise(photo, noise.GAINS[gain], (_SEED, seed, gain), MOTIONS[moved])
        # float16 is how golden files keep frames; the network has to see the same numbers.
        burst = Burst(made.frames.astype(np.float16).astype(np.float32), made.level)
        burst = replace(burst, name=f"{name} gain {gain}")
        kinds = (strata.stratum(strata.GAIN, gain), strata.stratum(strata.MOTION, moved))
        yield Sample(burst.name, shown(burst), light.picture(made.truth), burst, kinds)


def calibrating(name: str, pixels: NDArray[Any], gain: int, moved: str) -> Burst:
    """Make a burst on which ranges can be measured: one plane, which of the three depends on the name.

    Args:
        name: of the photograph.
        pixels: ``[H, W, 3]`` uint8 or uint16; its middle is reduced by 2.
        gain: of `viewfinder.train.camera.noise.GAINS`.
        moved: of `MOTIONS`.

    Raises:
        UsageError: the photograph is too small to cut a burst from.
    """
    seed, recipe = zlib.crc32(name.encode()), CALIBRATION_RECIPES[moved]
    photo = _middle(name, pixels, recipe.scale)
    made = synthesise(photo, noise.GAINS[gain], (_CALIBRATION_SEED, seed, gain), recipe)
    plane = (seed + gain) % made.frames.shape[3]
    return Burst(made.frames[..., plane : plane + 1], made.level, name=f"{name} gain {gain} {moved}")


def _middle(name: str, pixels: NDArray[Any], scale: int = motion.PAPER.scale) -> NDArray[np.float32]:
    """Cut out the middle that becomes frames of at most `SIDE` when it is reduced by `scale`, in 0..1."""
    height, width = (min(most, side // scale) * scale for most, side in zip(SIDE, pixels.shape[:2], strict=True))
    if min(height, width) < LEAST_SIDE * scale:
        raise UsageError(
            f"{name} has {pixels.shape[1]}x{pixels.shape[0]} pixels, too few to make a burst of",
            f"give photographs of at least {LEAST_SIDE * scale} pixels a side",
        )
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    part = pixels[top : top + height, left : left + width]
    return part.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
