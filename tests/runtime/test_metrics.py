"""Picture metrics: against hand-computed values, independent implementations and published pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from viewfinder.errors import BadImageError
from viewfinder.runtime import metrics

PUBLISHED_PAIRS = (
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
)
"""CIELAB pairs inside sRGB with their CIEDE2000: Sharma, Wu, Dalal, Color Res. Appl. 30 (2005), table 1."""


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A photograph, ``[96, 128, 3]`` in 0..1."""
    from skimage import data

    return data.astronaut()[40:136, 160:288].astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def worse(photo: np.ndarray) -> np.ndarray:
    """The photograph, brighter and slightly blurred."""
    return np.clip(gaussian_filter(photo, (0.7, 0.7, 0)) + np.float32(0.02), 0, 1)


def test_psnr_of_a_constant_difference_is_known() -> None:
    """A difference of 0.1 everywhere is 20 dB, by the formula."""
    black = np.zeros((4, 5, 3), np.float32)
    assert metrics.psnr_db(black + np.float32(0.1), black) == pytest.approx(20.0, abs=1e-5)


def test_psnr_and_ssim_agree_with_written_out_formulas(photo: np.ndarray, worse: np.ndarray) -> None:
    """PSNR equals 20 log10(1/rmse); SSIM equals the paper's formula written with scipy's Gaussian."""
    rmse = math.sqrt(float(np.mean((photo.astype(np.float64) - worse) ** 2)))
    assert metrics.psnr_db(worse, photo) == pytest.approx(20 * math.log10(1 / rmse), abs=1e-6)
    assert metrics.ssim(worse, photo) == pytest.approx(_ssim_of_the_paper(worse, photo), abs=1e-6)


def _ssim_of_the_paper(a: np.ndarray, b: np.ndarray) -> float:
    """Mean structural similarity of the luma, equation 13 of Wang et al. 2004, less the border."""

    def blur(plane: np.ndarray) -> np.ndarray:
        """11 x 11 Gaussian window, sigma 1.5 (3.5 sigma is 5 pixels)."""
        return gaussian_filter(plane.astype(np.float64), 1.5, truncate=3.5)

    a, b = (one.astype(np.float64) @ (0.299, 0.587, 0.114) for one in (a, b))
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, both = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    upper = (2 * mean_a * mean_b + 0.01**2) * (2 * both + 0.03**2)
    return float((upper / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2)))[5:-5, 5:-5].mean())


def test_identical_pictures_get_the_documented_cap(photo: np.ndarray) -> None:
    """Equal pictures are 120 dB and 0 everywhere else, never dropped and never infinite."""
    values = metrics.measure(photo, photo.copy())
    assert values["psnr"] == pytest.approx(120.0)
    assert values["ssim"] == pytest.approx(1.0)
    assert [values[name] for name in ("max_abs", "delta_e_2000", "delta_e_2000_p99", "flip")] == pytest.approx(
        [0] * 4, abs=1e-6
    )
    assert "120 dB" in metrics.METRICS["psnr"].definition


@pytest.mark.parametrize(("one", "other", "expected"), PUBLISHED_PAIRS)
def test_delta_e_gives_the_published_values(one: tuple[float, ...], other: tuple[float, ...], expected: float) -> None:
    """Sharma's CIELAB pairs, brought to sRGB and back through the metric, differ as published."""
    from skimage.color import lab2rgb

    pictures = [lab2rgb(np.array(lab, np.float64)[None, None]) for lab in (one, other)]
    assert float(metrics.delta_e_2000_map(*pictures)[0, 0]) == pytest.approx(expected, abs=2e-3)


def test_p99_sees_a_small_patch_that_the_mean_hides(photo: np.ndarray) -> None:
    """A 2 % patch of wrong colour moves the 99th percentile far more than the mean."""
    patched = photo.copy()
    patched[:16, :16] = (1, 0, 1)
    values = metrics.measure(patched, photo)
    assert values["delta_e_2000_p99"] > 15 * values["delta_e_2000"] > 0


def test_flip_knows_black_and_white_and_where(photo: np.ndarray) -> None:
    """White against black is near 1 (0.93 in the paper's colour space), and the map finds the place of an error."""
    black = np.zeros((64, 64, 3), np.float32)
    assert metrics.flip_map(black + 1, black)[32, 32] > 0.9
    patched = photo.copy()
    patched[40:48, 80:88] = 1 - patched[40:48, 80:88]
    found = np.unravel_index(np.argmax(metrics.flip_map(patched, photo)), photo.shape[:2])
    assert 36 <= found[0] < 52
    assert 76 <= found[1] < 92


def test_flip_mean_is_the_evaluators_own(photo: np.ndarray, worse: np.ndarray) -> None:
    """The mean over the map equals what flip-evaluator itself prints, to its float32 summation."""
    from flip_evaluator import evaluate

    own = evaluate(photo, worse, "LDR", applyMagma=False, parameters={"ppd": metrics.FLIP_PPD})[1]
    assert metrics.measure(worse, photo)["flip"] == pytest.approx(own, rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (40, 1, 3), (5, 7, 3)])
def test_tiny_pictures_are_measured(shape: tuple[int, ...]) -> None:
    """Pictures smaller than the SSIM window are extended by their edge and get every number."""
    low = np.full(shape, 0.4, np.float32)
    values = metrics.measure(low + np.float32(0.1), low)
    flat = (2 * 0.4 * 0.5 + 1e-4) / (0.4**2 + 0.5**2 + 1e-4)
    assert values["ssim"] == pytest.approx(flat, abs=1e-4)
    assert values["psnr"] == pytest.approx(20, abs=1e-4)
    assert all(math.isfinite(value) for value in values.values())


def test_large_pictures_are_averaged_for_flip_and_sampled_for_delta_e(photo: np.ndarray) -> None:
    """Above the stated sizes the maps shrink by the whole step, odd sizes included, and the numbers stay near."""
    large = np.tile(photo, (11, 9, 1))[:1051, :1101]
    pair = metrics.Comparison(np.clip(large + np.float32(0.02), 0, 1), large)
    small = metrics.Comparison(np.clip(photo + np.float32(0.02), 0, 1), photo)
    assert pair.flip_step == 2
    assert pair.flip.shape == (526, 551)
    assert pair.delta_e.shape == (526, 551)
    assert float(pair.delta_e.mean()) == pytest.approx(float(small.delta_e.mean()), rel=0.05)
    assert float(pair.flip.mean()) == pytest.approx(float(small.flip.mean()), rel=0.2)
    np.testing.assert_allclose(metrics.averaged(large, 2)[3, 4], large[6:8, 8:10].mean((0, 1)), atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_values_that_are_not_finite_are_errors(photo: np.ndarray, bad: float, side: int) -> None:
    """One NaN or infinity on either side is refused with the count and the side; no number comes out."""
    pair = [photo.copy(), photo.copy()]
    pair[side][3, 4, 1] = bad
    with pytest.raises(BadImageError, match=("under test", "of reference")[side] + " has 1 values that are not finite"):
        metrics.measure(*pair)


def test_different_shapes_are_errors_with_both_shapes(photo: np.ndarray) -> None:
    """The message names both shapes."""
    with pytest.raises(BadImageError, match=r"\(96, 127, 3\).*\(96, 128, 3\)"):
        metrics.measure(photo[:, :-1], photo)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (0, 4, 3)])
def test_things_that_are_no_pictures_are_refused(shape: tuple[int, ...]) -> None:
    """Grey planes without channels, one channel and empty arrays are refused."""
    with pytest.raises(BadImageError, match="cannot be compared"):
        metrics.measure(np.zeros(shape), np.zeros(shape))


def test_every_metric_says_what_it_is() -> None:
    """Definitions name colour space and crop; names of measurements carry the unit last."""
    for metric in metrics.METRICS.values():
        assert "sRGB" in metric.definition
        assert "no crop" in metric.definition
        assert metric.unit
    assert metrics.METRICS["psnr"].called("float", "worst") == "psnr_vs_float_worst_db"
    assert metrics.METRICS["flip"].called("truth") == "flip_vs_truth"
