"""Hand-held bursts out of one photograph: random shifts at the photograph's scale, then reduction by area.

The recipe of Mildenhall et al. 2018 (google/burst-denoising, ``make_batch_hqjitter``): a burst is cut
from one photograph at whole-pixel shifts and reduced by 4, which leaves shifts in quarters of a pixel. Translations
only: nothing turns, moves or is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewfinder.train.camera import tone

Array = NDArray[np.float32]
Shifts = NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """How a burst moves and how its light is scaled.

    Attributes:
        frames: in a burst; frame 0 is the reference and does not move.
        scale: of the reduction.
        small, large: largest shift in pixels of the reduced frames, of a steady and of an unsteady frame.
        unsteady: about how many frames are unsteady: their share is ``min(Poisson(unsteady) / frames, 1)``.
    """

    frames: int = 8
    scale: int = 4
    small: int = 2
    large: int = 16
    unsteady: float = 1.5

    @property
    def margin(self) -> int:
        """Pixels of the photograph that a burst needs around its reference frame."""
        return self.large * self.scale


PAPER = Recipe()
STEADY, UNSTEADY = Recipe(unsteady=0), Recipe(unsteady=80)
"""Motion classes on their own: no frame, and (all but surely) every frame, moves by up to ``large`` pixels."""


def draw_shifts(rng: np.random.Generator, recipe: Recipe = PAPER) -> Shifts:
    """Draw the frames' places against the reference: ``[frames, 2]`` rows, columns in pixels of the photograph.

    The share of unsteady frames is drawn once per burst; each frame is unsteady with this probability and moves by
    whole pixels, uniformly, up to ``large * scale``, the others up to ``small * scale``.
    """
    share = min(rng.poisson(recipe.unsteady) / recipe.frames, 1.0)
    shifts = np.zeros((recipe.frames, 2), np.int64)
    for number in range(1, recipe.frames):
        most = (recipe.large if rng.random() < share else recipe.small) * recipe.scale
        shifts[number] = rng.integers(-most, most + 1, 2)
    return shifts


def draw_white_level(rng: np.random.Generator) -> float:
    """Draw the share of the sensor's range that white has: ``10^U(-1, 0)`` (kpn_train.py)."""
    return float(10 ** rng.uniform(-1, 0))


def linear_grey(image: Array) -> Array:
    """Return the grey linear light ``[H, W]`` of a display-referred ``[H, W, 3]`` in 0..1: the mean of ``x^2.2``."""
    result: Array = tone.gamma_expand(image).mean(-1)
    return result


def reduce_by_area(image: Array, scale: int) -> Array:
    """Reduce ``[H, W, ...]`` by whole `scale`: the mean of ``scale x scale`` pixels; what is left over is cut off."""
    rows, columns = image.shape[0] // scale, image.shape[1] // scale
    lines = image[: rows * scale, : columns * scale].reshape(rows, scale, columns * scale, *image.shape[2:])
    lines = lines.sum(1, dtype=np.float32)
    result: Array = lines[:, ::scale].copy()
    for place in range(1, scale):  # adding slices is much faster than a mean over a short axis
        result += lines[:, place::scale]
    return result / np.float32(scale * scale)


def cut(photo: Array, shifts: Shifts, corner: tuple[int, int], size: tuple[int, int], scale: int = 4) -> Array:
    """Cut clean frames out of a photograph in linear light.

    Args:
        photo: ``[H, W]`` or ``[H, W, C]``.
        shifts: of `draw_shifts`, in pixels of the photograph.
        corner: top and left of the reference frame in the photograph; every shifted frame has to lie inside.
        size: height and width of a reduced frame.
        scale: of the reduction.

    Returns:
        ``[frames, height, width(, C)]``; content of frame i lies ``shifts[i] / scale`` pixels up and left of frame 0's.
    """
    height, width = size[0] * scale, size[1] * scale
    return np.stack(
        [
            reduce_by_area(photo[corner[0] + y : corner[0] + y + height, corner[1] + x : corner[1] + x + width], scale)
            for y, x in shifts.tolist()
        ]
    )
