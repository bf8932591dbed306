"""How near two pictures are: each number with its definition, its unit and which way is better.

Pictures are ``[H, W, 3]`` floats, display-referred sRGB in 0..1, channels last; the first is under test, the second is
the reference. Nothing is cropped or resized unless the definition says so. NaN and different shapes are errors, never
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import BadImageError

Picture = NDArray[np.floating]
Map = NDArray[np.float32]

PSNR_FLOOR = 1e-12
"""Mean squared error below which pictures count as identical: 120 dB, about the rounding of float32 near 1."""
SSIM_SIGMA = 1.5
SSIM_WINDOW = 11
"""Gaussian window of Wang et al., IEEE TIP 2004: 11 x 11, sigma 1.5."""
DELTA_E_PIXELS = 500_000
"""CIEDE2000 is taken on a regular lattice of at most so many pixels: 0.6 s per megapixel would rule a build."""
FLIP_PIXELS = 1_000_000
"""Pictures above this are averaged down for FLIP, as a viewer fits them on a screen; it takes 2 s per megapixel."""
LUMA = (0.299, 0.587, 0.114)
"""Rec. 601 weights of R', G', B'."""
FLIP_PPD = 67.0
"""Pixels per degree: a 0.7 m wide 3840-pixel monitor seen from 0.7 m, the default of Andersson et al., HPG 2020."""


@dataclass(frozen=True)
class Metric:
    """A distance between two pictures.

    Attributes:
        name: stable stem of the measurements' names; the unit follows it (``psnr`` gives ``psnr_vs_float_db``).
        suffix: unit as it ends a measurement's name, or "".
        definition: what exactly is computed.
        aggregate: picture of both to one number.
    """

    name: str
    unit: str
    higher_is_better: bool
    definition: str
    aggregate: Callable[[Comparison], float]
    suffix: str = ""

    def called(self, reference: str, part: str = "") -> str:
        """Return the measurement's name, e.g. ``psnr_vs_float_worst_db`` for reference ``float`` and part ``worst``."""
        return "_".join(word for word in (self.name, "vs", reference, part, self.suffix) if word)


class Comparison:
    """Two pictures and the maps between them, each computed once and only if asked for."""

    def __init__(self, test: Picture, reference: Picture) -> None:
        """Check both pictures.

        Raises:
            BadImageError: the shapes differ, are not ``[H, W, 3]``, or a value is NaN or infinite.
        """
        if test.shape != reference.shape:
            raise BadImageError(
                f"the picture under test is {test.shape}, the reference is {reference.shape}",
                "compare pictures of the same height, width and channels",
            )
        if test.ndim != 3 or test.shape[2] != 3 or not test.size:
            raise BadImageError(f"pictures of the shape {test.shape} cannot be compared", "give [height, width, 3]")
        for name, picture in (("under test", test), ("of reference", reference)):
            if not np.isfinite(picture).all():
                count = int(np.count_nonzero(~np.isfinite(picture)))
                raise BadImageError(
                    f"the picture {name} has {count} values that are not finite (NaN or infinite)",
                    "the network or its engine computes wrongly here; look at the artifact, not at the metric",
                )
        self.test, self.reference = (np.ascontiguousarray(one, np.float32) for one in (test, reference))
        self._maps: dict[str, Map] = {}

    def _once(self, name: str, make: Callable[[Picture, Picture], Map]) -> Map:
        """Compute a map the first time, then return the same."""
        if name not in self._maps:
            self._maps[name] = make(self.test, self.reference)
        return self._maps[name]

    @property
    def difference(self) -> Map:
        """Signed difference, test minus reference, ``[H, W, 3]``."""
        return self._once("difference", lambda test, reference: (test - reference).astype(np.float32))

    @property
    def delta_e(self) -> Map:
        """CIEDE2000 of every n-th row and column, n the smallest that leaves at most `DELTA_E_PIXELS`."""
        step = _step(self.test, DELTA_E_PIXELS)
        return self._once(
            "delta_e", lambda test, reference: delta_e_2000_map(test[::step, ::step], reference[::step, ::step])
        )

    @property
    def flip_step(self) -> int:
        """Return how many rows and columns of the picture one of the FLIP map stands for."""
        return _step(self.test, FLIP_PIXELS)

    @property
    def flip(self) -> Map:
        """FLIP error in 0..1 per block of `flip_step` x `flip_step` pixels, ``[ceil(H/n), ceil(W/n)]``."""
        step = self.flip_step
        return self._once("flip", lambda test, reference: flip_map(averaged(test, step), averaged(reference, step)))


def _step(picture: Picture, pixels: int) -> int:
    """Return the smallest whole step that leaves at most `pixels`."""
    return max(1, math.ceil(math.sqrt(picture.shape[0] * picture.shape[1] / pixels)))


def averaged(picture: Picture, step: int) -> Picture:
    """Average ``[H, W, C]`` over blocks of ``step x step``; the last blocks are completed by repeating the edge."""
    if step == 1:
        return picture
    pads = [(0, -size % step) for size in picture.shape[:2]]
    whole = np.pad(picture, [*pads, (0, 0)], mode="edge")
    height, width = (size // step for size in whole.shape[:2])
    blocks = whole.reshape(height, step, width, step, whole.shape[2])
    return np.asarray(blocks.mean((1, 3), dtype=np.float32))


def psnr_db(test: Picture, reference: Picture) -> float:
    """Peak signal-to-noise ratio in dB: ``-10 log10(max(mean((a-b)^2), 1e-12))``, peak 1, over pixels and channels."""
    error = np.mean(np.square(test.astype(np.float64) - reference.astype(np.float64)))
    return float(-10.0 * math.log10(max(float(error), PSNR_FLOOR)))


def max_abs(test: Picture, reference: Picture) -> float:
    """Largest absolute difference of any value."""
    return float(np.max(np.abs(test.astype(np.float64) - reference.astype(np.float64))))


def ssim(test: Picture, reference: Picture) -> float:
    """Structural similarity of the luma (Wang et al. 2004), mean over pixels; small pictures get a repeated edge."""
    from skimage.metrics import structural_similarity

    short = [max(0, SSIM_WINDOW - size) for size in test.shape[:2]]
    pads = [(need // 2, need - need // 2) for need in short]
    weights = np.array(LUMA, np.float32)
    pair = [np.pad(one.astype(np.float32) @ weights, pads, mode="edge") for one in (test, reference)]
    value = structural_similarity(
        *pair, data_range=1.0, gaussian_weights=True, sigma=SSIM_SIGMA, use_sample_covariance=False
    )
    return float(value)


def delta_e_2000_map(test: Picture, reference: Picture) -> Map:
    """CIEDE2000 colour difference per pixel, ``[H, W]``: sRGB to CIELAB under D65 (2 degrees), kL = kC = kH = 1."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    # Lab in float64: the formula's hue angles are unstable for float32 near grey.
    labs = [rgb2lab(np.clip(one, 0, 1).astype(np.float64)) for one in (reference, test)]
    return np.asarray(deltaE_ciede2000(*labs), np.float32)


def flip_map(test: Picture, reference: Picture) -> Map:
    """FLIP error per pixel (Andersson et al., HPG 2020), ``[H, W]`` in 0..1, at `FLIP_PPD` pixels per degree."""
    from flip_evaluator import evaluate

    # The evaluator answers numbers for NaN and for values outside 0..1: Comparison refuses NaN, this clips the rest.
    pair = [np.ascontiguousarray(np.clip(one, 0, 1), np.float32) for one in (reference, test)]
    answer = evaluate(
        *pair, "LDR", inputsRGB=True, applyMagma=False, computeMeanError=False, parameters={"ppd": FLIP_PPD}
    )
    return np.asarray(answer[0][..., 0], np.float32)


def _mean(values: Map) -> float:
    """Mean in float64."""
    return float(np.mean(values, dtype=np.float64))


_IN_SRGB = (
    "display-referred sRGB, values 0..1 before rounding to 8 bit, whole picture, no crop, photographs as decoded once "
    "into golden.npz"
)
_LATTICE = "every n-th row and column, n the smallest that leaves at most 0.5 megapixels"

METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(
                "psnr",
                "dB",
                True,
                f"PSNR, peak 1.0, mean squared error over all pixels and R, G, B in float64; {_IN_SRGB}; "
                "capped at 120 dB (a mean squared error below 1e-12 counts as identical)",
                lambda pair: psnr_db(pair.test, pair.reference),
                "db",
            ),
            Metric(
                "ssim",
                "1",
                True,
                "SSIM (Wang 2004), Gaussian window 11x11, sigma 1.5, K1 0.01, K2 0.03, data range 1.0, of the "
                f"Rec. 601 luma; {_IN_SRGB}, less the 5-pixel border that the window does not cover; a side shorter "
                "than 11 pixels is extended to 11 by repeating its edge",
                lambda pair: ssim(pair.test, pair.reference),
            ),
            Metric(
                "max_abs",
                "1",
                False,
                f"largest absolute difference of any pixel and channel; {_IN_SRGB}",
                lambda pair: max_abs(pair.test, pair.reference),
            ),
            Metric(
                "delta_e_2000",
                "dE00",
                False,
                "CIEDE2000, mean over pixels; sRGB decoded to CIELAB under D65, kL = kC = kH = 1; "
                f"{_LATTICE}; {_IN_SRGB}",
                lambda pair: _mean(pair.delta_e),
            ),
            Metric(
                "delta_e_2000_p99",
                "dE00",
                False,
                "CIEDE2000, 99th percentile over pixels; sRGB decoded to CIELAB under D65, kL = kC = kH = 1; "
                f"{_LATTICE}; {_IN_SRGB}",
                lambda pair: float(np.percentile(pair.delta_e, 99)),
            ),
            Metric(
                "flip",
                "1",
                False,
                f"LDR-FLIP (Andersson 2020, flip-evaluator), mean over pixels, 0 equal to 1 worst, {FLIP_PPD:g} pixels "
                "per degree; pictures above 1 megapixel are first averaged over n x n pixels, n the smallest that "
                f"brings them to it; {_IN_SRGB}",
                lambda pair: _mean(pair.flip),
            ),
        )
    }
)


def measure(test: Picture, reference: Picture) -> dict[str, float]:
    """Compute every metric of `METRICS` between two pictures ``[H, W, 3]`` in 0..1, by name."""
    pair = Comparison(test, reference)
    return {name: metric.aggregate(pair) for name, metric in METRICS.items()}
