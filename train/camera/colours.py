"""A camera's colours: matrix, white balance and brightness, drawn as Brooks et al. 2019 draw them, and inverted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]

CAMERAS: Matrix = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.613, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.838, -0.263, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.097, 0.1581, 0.5181]],
    ]
)
"""XYZ to camera colours of the four cameras of the Darmstadt noise data set (Brooks et al. 2019)."""

RGB_TO_XYZ: Matrix = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
"""Linear sRGB (white D65) to XYZ, IEC 61966-2-1."""

HIGHLIGHTS = 0.9
"""Mean of the channels above which gains fade out, so that saturated pixels stay white."""


@dataclass(frozen=True)
class CameraColours:
    """What stands between a sensor's linear values and linear sRGB.

    Attributes:
        matrix: 3x3, linear sRGB to camera colours, every row with sum 1: white stays white.
        digital_gain: brightness of the developed picture over the sensor's.
        red_gain, blue_gain: white balance; green has 1.
    """

    matrix: Matrix
    digital_gain: float
    red_gain: float
    blue_gain: float

    @property
    def gains(self) -> Array:
        """Gains of red, green, blue with the brightness in them, ``[3]``."""
        return np.array([self.red_gain, 1.0, self.blue_gain], np.float32) * np.float32(self.digital_gain)


def camera_matrix(weights: NDArray[np.float64]) -> Matrix:
    """Mix the four cameras by positive `weights` ``[4]``; returns 3x3 linear sRGB to camera, rows with sum 1."""
    mixed = np.tensordot(weights / weights.sum(), CAMERAS, axes=1) @ RGB_TO_XYZ
    result: Matrix = mixed / mixed.sum(1, keepdims=True)
    return result


def draw(rng: np.random.Generator) -> CameraColours:
    """Draw a camera: weights U(0, 1), digital gain 1/N(0.8, 0.1), red U(1.9, 2.4), blue U(1.5, 1.9).

    The normal distribution is cut at half its mean: a gain has to be positive.
    """
    brightness = max(float(rng.normal(0.8, 0.1)), 0.4)
    return CameraColours(
        camera_matrix(rng.uniform(1e-8, 1, 4)),
        1 / brightness,
        float(rng.uniform(1.9, 2.4)),
        float(rng.uniform(1.5, 1.9)),
    )


def apply_matrix(image: Array, matrix: NDArray[np.floating]) -> Array:
    """Multiply every pixel of ``[..., 3]`` by a 3x3 matrix."""
    result: Array = image @ matrix.T.astype(np.float32)
    return result


def invert_gains(image: Array, colours: CameraColours) -> Array:
    """Divide ``[..., 3]`` by the gains, except near white.

    With ``g = 1/gain`` and ``m = (max(mean - 0.9, 0) / 0.1)^2`` the factor is ``max(m + (1 - m) g, g)``:
    a pixel that is white in the photograph was saturated on the sensor, whatever the gains.
    """
    shares = 1 / colours.gains
    mean = image.mean(-1, keepdims=True)
    fade = (np.maximum(mean - np.float32(HIGHLIGHTS), 0) / np.float32(1 - HIGHLIGHTS)) ** 2
    result: Array = image * np.maximum(fade + (1 - fade) * shares, shares)
    return result


def apply_gains(image: Array, colours: CameraColours) -> Array:
    """Multiply ``[..., 3]`` by the gains: the inverse of `invert_gains` where the mean was at most `HIGHLIGHTS`."""
    result: Array = image * colours.gains
    return result
