"""A noisy burst and its clean truth from one photograph, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts import NoiseLevel
from viewfinder.train.camera import motion, noise, tone

Array = NDArray[np.float32]


@dataclass(frozen=True)
class SyntheticBurst:
    """Frames with their truth.

    Attributes:
        frames: ``[N, H, W, C]`` linear light with noise, frame 0 is the reference.
        truth: ``[H, W, C]``, frame 0 without noise.
        level: of the noise.
        shifts: ``[N, 2]`` rows, columns in pixels of the frames: frame i at y shows the reference's y + shift.
    """

    frames: Array
    truth: Array
    level: NoiseLevel
    shifts: NDArray[np.float64]


def synthesise(
    photo: Array,
    level: NoiseLevel,
    seed: tuple[int, ...],
    recipe: motion.Recipe = motion.PAPER,
    *,
    grey: bool = False,
) -> SyntheticBurst:
    """Make a burst of a whole photograph.

    The photograph is continued by its mirror image where a shifted frame looks past its border, so that the frames keep
    its whole view: photographs of 481x321 would be left with 88x48 pixels otherwise.

    Args:
        photo: display-referred ``[H, W, 3]`` in 0..1.
        level: of the noise.
        seed: of shifts and noise.
        recipe: of the motion.
        grey: take the mean of the linear channels; C is 1 then, else 3.

    Returns:
        Frames of ``H // scale`` by ``W // scale``.
    """
    rng = np.random.default_rng(seed)
    linear = motion.linear_grey(photo)[..., None] if grey else tone.gamma_expand(photo)
    around = recipe.margin
    wide = np.pad(linear, ((around, around), (around, around), (0, 0)), "symmetric")
    shifts = motion.draw_shifts(rng, recipe)
    size = (photo.shape[0] // recipe.scale, photo.shape[1] // recipe.scale)
    clean = motion.cut(wide, shifts, (around, around), size, recipe.scale)
    return SyntheticBurst(noise.add(clean, level, rng), clean[0], level, shifts / recipe.scale)
