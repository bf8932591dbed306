"""Frames of one scene, moved by known amounts, for tests of alignment and merge."""

from __future__ import annotations

import numpy as np

from viewfinder import demo, photos
from viewfinder.bursts import warp
from viewfinder.train.camera import motion, tone

CENTRE = (620, 1030)
"""Rows and columns of the photograph that frames show around."""


def light():
    """Return grey linear light of a demo photograph with fine detail, ``[H, W]``."""
    mountains = next(path for path in demo.photos() if path.stem == "mountains")
    return motion.linear_grey(photos.read(mountains).display())


def frame(picture, size, shift=(0.0, 0.0), turn=0.0, zoom=0.0):
    """Show a picture at half its size so that place p of the result shows its ``p + shift``, turned and zoomed."""
    rows, columns = np.meshgrid(*(np.arange(side) - (side - 1) / 2 for side in size), indexing="ij")
    y = rows * (1 + zoom) + columns * turn + shift[0]
    x = columns * (1 + zoom) - rows * turn + shift[1]
    halved = motion.reduce_by_area(picture, 2)
    return warp.deformed(halved, y + CENTRE[0] / 2, x + CENTRE[1] / 2, np.zeros(size, np.float32))


def psnr(made, truth, border=8):
    """PSNR in dB after sRGB's curve, without borders."""
    error = (tone.srgb_curve(made) - tone.srgb_curve(truth))[border:-border, border:-border]
    return -10 * np.log10(float(np.mean(error.astype(np.float64) ** 2)))
