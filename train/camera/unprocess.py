"""From a display-referred photograph to the sensor's values and back (Brooks et al. 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder import raw
from viewfinder.train.camera import mosaic, tone
from viewfinder.train.camera.colours import CameraColours, apply_gains, apply_matrix, invert_gains

Array = NDArray[np.float32]


def to_sensor(image: Array, colours: CameraColours) -> Array:
    """Undo a camera's processing: display-referred ``[H, W, 3]`` in 0..1 to linear camera colours in 0..1.

    Inverse tone curve, gamma, colour matrix, gains, clip, in this order.
    """
    linear = tone.gamma_expand(tone.inverse_smoothstep(image))
    camera = invert_gains(apply_matrix(linear, colours.matrix), colours)
    result: Array = np.clip(camera, 0, 1)
    return result


def from_sensor(camera: Array, colours: CameraColours) -> Array:
    """Develop linear camera colours ``[H, W, 3]``: gains, matrix, gamma, tone curve; the inverse of `to_sensor`.

    It inverts exactly where nothing was clipped and no highlight was faded (mean of the linear camera colours at most
    0.9). Values above white are clipped before the matrix, as a camera does.
    """
    balanced = np.clip(apply_gains(camera, colours), 0, 1)
    linear = np.clip(apply_matrix(balanced, np.linalg.inv(colours.matrix)), 0, 1)
    return tone.smoothstep(tone.gamma_compress(linear))


def unprocess(image: Array, colours: CameraColours) -> Array:
    """Make the raw planes R, G1, G2, B ``[H/2, W/2, 4]`` of a photograph ``[H, W, 3]`` with even sides; no noise."""
    return mosaic.mosaic(to_sensor(image, colours))


def process(planes: Array, colours: CameraColours) -> Array:
    """Develop raw planes ``[h, w, 4]`` for loss and metric: white balance, demosaic, matrix, gamma; ``[2 h, 2 w, 3]``.

    Demosaicking is bilinear (`viewfinder.raw.demosaic`), as in the paper; no method for pictures.

    The paper's loss leaves out the brightness gain and the tone curve (Brooks et al. 2019); so does this.
    """
    gains = np.array([colours.red_gain, 1, 1, colours.blue_gain], np.float32)
    image = raw.demosaic(np.clip(planes * gains, 0, 1))
    return tone.gamma_compress(np.clip(apply_matrix(image, np.linalg.inv(colours.matrix)), 0, 1))
