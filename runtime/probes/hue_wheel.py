"""All hues in four bands of saturation and brightness: does a colour stay that colour?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from viewfinder.runtime.probes import Found, Picture, Quantity, Seen

TITLE = "Hue wheel"
LOOKS_FOR = "Colours that drift, skin first: channels that are rounded apart from each other change the hue."
PROFILE, BORDERS = False, False
BANDS = {"vivid": (1.0, 0.9), "soft": (0.5, 0.8), "dark": (0.8, 0.35), "pale": (0.25, 0.7)}
"""Name to saturation and value (HSV); skin lies in ``soft`` and ``pale``, at hues of 10 to 40 degrees."""
LEAST_CHROMA = 5.0
"""Below it a hue is not seen."""
MOST_SHIFT, MOST_TURN = 2.0, 1.5
QUANTITIES: Mapping[str, Quantity] = {
    "shift_p99": Quantity(
        "hue shift",
        "CIE94",
        "hue difference of CIELAB (D65), weighted as in CIE94: dH / (1 + 0.015 C of float), 99th percentile over the "
        f"pixels of the worst band whose chroma is at least {LEAST_CHROMA:g} in both outputs",
        "2 units are about twice what a viewer notices between two patches side by side",
    ),
    "turn": Quantity(
        "turn of all hues",
        "degrees",
        "mean signed change of the CIELAB hue angle of the worst band, weighted with chroma; magnitude",
        "1.5 degrees over a whole band are a cast, not noise",
    ),
}


def chart(height: int, width: int) -> Picture:
    """Draw hue from left to right, 0 to 360 degrees, in four bands."""
    hue = np.linspace(0, 6, width, endpoint=False)
    ramp = np.clip(np.abs((hue[:, None] + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    picture = np.empty((height, width, 3), np.float32)
    for place, (saturation, value) in enumerate(BANDS.values()):
        picture[_band(place, height)] = value * (1 - saturation + saturation * ramp)
    return picture


def _band(place: int, height: int) -> slice:
    """Return the rows of a band."""
    return slice(place * height // len(BANDS), (place + 1) * height // len(BANDS))


def measure(seen: Seen) -> dict[str, Found]:
    """Compare hues band by band."""
    shifts, turns = {}, {}
    for place, name in enumerate(BANDS):
        rows = _band(place, seen.output.shape[0])
        shifts[name], turns[name] = _compared(seen.output[rows], seen.float_output[rows])
    return {
        "shift_p99": Found(max(shifts.values()), maximum=MOST_SHIFT, per_sample=shifts),
        "turn": Found(max(turns.values()), maximum=MOST_TURN, per_sample=turns),
    }


def _compared(test: Picture, reference: Picture) -> tuple[float, float]:
    """Return hue shift and turn of one band; 0 where nothing has a colour."""
    (chroma, angle), (own, own_angle) = _polar(test), _polar(reference)
    turn = (angle - own_angle + np.pi) % (2 * np.pi) - np.pi
    seen = (chroma >= LEAST_CHROMA) & (own >= LEAST_CHROMA)
    if not seen.any():
        return 0.0, 0.0
    hue = 2 * np.sqrt(chroma * own) * np.abs(np.sin(turn / 2)) / (1 + 0.015 * own)
    weighted = float(np.average(turn[seen], weights=own[seen]))
    return float(np.percentile(hue[seen], 99)), abs(float(np.degrees(weighted)))


def _polar(picture: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return CIELAB chroma and hue angle in radians."""
    from skimage.color import rgb2lab

    lab = rgb2lab(picture.clip(0, 1).astype(np.float64))
    return np.hypot(lab[..., 1], lab[..., 2]), np.arctan2(lab[..., 2], lab[..., 1])
