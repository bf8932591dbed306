"""Flat greys with a sensor's noise: what happens to the noise, and to the grey below it?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from viewfinder.runtime.probes import CODES, Found, Picture, Quantity, Seen, _energy

TITLE = "Flat greys with noise"
LOOKS_FOR = "Noise that grows or freezes into blotches, and greys that turn lighter, darker or coloured."
PROFILE, BORDERS = False, False
GREYS = {"shadow": 0.06, "dark": 0.2, "mid": 0.45, "light": 0.7, "bright": 0.92}
SIGMA = 0.01
"""2.5 codes: a phone's picture at a moderate gain."""
SEED = 20_170_801
LEAST, MOST, MOST_MOVED = 0.8, 1.25, 2.0
QUANTITIES: Mapping[str, Quantity] = {
    "noise_kept": Quantity(
        "noise kept, least",
        "1",
        "root mean square of what varies faster than over 9 x 9 pixels, artifact over float, the patch with the least",
        "noise that a patch loses and its neighbour keeps looks blotchy; a fifth less is about noticeable",
    ),
    "noise_gained": Quantity(
        "noise gained, most",
        "1",
        "root mean square of what varies faster than over 9 x 9 pixels, artifact over float, the patch with the most",
        "a quarter more noise (2 dB) is visible side by side",
    ),
    "grey_moved": Quantity(
        "grey moved",
        "codes",
        "largest change of a patch's mean, of any channel, in 8-bit display codes",
        "2 codes on a plain surface are seen as another brightness or as a tint",
    ),
}


def chart(height: int, width: int) -> Picture:
    """Draw grey patches with the same Gaussian noise in every run."""
    levels = np.array(list(GREYS.values()))[np.arange(width) * len(GREYS) // width]
    noise = np.random.default_rng(SEED).normal(0, SIGMA, (height, width, 3))
    return np.asarray(np.clip(levels[None, :, None] + noise, 0, 1), np.float32)


def measure(seen: Seen) -> dict[str, Found]:
    """Compare noise and mean patch by patch."""
    height, width = seen.chart.shape[:2]
    ratios, moved = {}, {}
    for name, columns in _energy.patches(width, tuple(GREYS), seen.output.shape[0] // height):
        test, reference = seen.output[:, columns], seen.float_output[:, columns]
        ratios[name] = _energy.variation(test) / max(_energy.variation(reference), 1e-6)
        means = [one.mean((0, 1), dtype=np.float64) for one in (test, reference)]
        moved[name] = float(np.abs(means[0] - means[1]).max() * CODES)
    return {
        "noise_kept": Found(min(ratios.values()), minimum=LEAST, per_sample=ratios),
        "noise_gained": Found(max(ratios.values()), maximum=MOST, per_sample=ratios),
        "grey_moved": Found(max(moved.values()), maximum=MOST_MOVED, per_sample=moved),
    }
