"""Pictures of the report: factors, scales and places are right, and the files are what the captions say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from viewfinder.runtime.metrics import Comparison
from viewfinder.runtime.report import panels


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A photograph, uint8 ``[300, 451, 3]``."""
    return np.asarray(data.coffee()[:300, :451])


@pytest.mark.parametrize(("largest", "factor"), [
    (0.0, 256), (1e-6, 256), (0.5 / 256, 256), (0.004, 64), (0.0079, 32), (0.1, 4), (0.3, 1), (1.0, 1),
])  # fmt: skip
def test_amplification_fills_the_range_without_clipping(largest: float, factor: int) -> None:
    """The factor is the largest power of two, up to 256, that keeps the difference within half the range."""
    difference = np.zeros((4, 4, 3), np.float32)
    difference[1, 2, 0] = -largest
    assert panels.amplification(difference) == factor
    if largest <= 0.5:
        assert panels.amplified(difference, factor)[1, 2, 0] == pytest.approx(0.5 - factor * largest, abs=1e-6)


def test_the_worst_box_holds_the_error_and_stays_inside() -> None:
    """The window with the greatest mean error is found, at the border too, in whole pictures and in averaged maps."""
    error = np.zeros((300, 451), np.float32)
    error[290:, 440:] = 1
    assert panels.worst_box(error, 1, (300, 451, 3)) == panels.Box(451 - 128, 300 - 128, 128, 128)
    small = np.zeros((150, 226), np.float32)
    small[20:30, 100:120] = 1
    box = panels.worst_box(small, 2, (300, 451, 3))
    assert box.x <= 200
    assert box.x + box.width >= 240
    assert box.y <= 40
    assert box.y + box.height >= 60


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (50, 20)])
def test_the_worst_box_of_a_small_picture_is_the_picture(shape: tuple[int, int]) -> None:
    """A side shorter than the crop is taken whole."""
    box = panels.worst_box(np.ones(shape, np.float32), 1, (*shape, 3))
    assert (box.width, box.height) == (min(128, shape[1]), min(128, shape[0]))


def test_the_flip_scale_holds_the_maximum() -> None:
    """The scale is the first of the ladder that is not exceeded."""
    assert panels.flip_scale(np.full((2, 2), 0.001, np.float32)) == 0.01
    assert panels.flip_scale(np.full((2, 2), 0.03, np.float32)) == 0.05
    assert panels.flip_scale(np.full((2, 2), 0.9, np.float32)) == 1.0


def test_drawn_files_show_what_the_captions_say(photo: np.ndarray, tmp_path: Path) -> None:
    """A wrong patch: the difference is grey elsewhere, the map bright there, the crops pixel for pixel."""
    expected = photo.astype(np.float32) / np.float32(255)
    output = expected.copy()
    output[200:240, 60:120] = np.clip(output[200:240, 60:120] + np.float32(0.2), 0, 1)
    drawn = panels.draw(Comparison(output, expected), photo, tmp_path, "cup", side=200)
    difference = np.asarray(Image.open(tmp_path / drawn["difference"]), np.float32)
    assert difference.shape == (133, 200, 3)
    assert np.abs(difference[:60] - 127.5).max() < 6
    assert drawn["difference_factor"] == 2
    assert difference[92:104, 30:50].mean() > 190
    flip = np.asarray(Image.open(tmp_path / drawn["flip"]).convert("L"), np.float32)
    assert flip[92:104, 30:50].mean() > 8 * flip[:60].mean()
    place = drawn["crop"]
    crop = np.asarray(Image.open(tmp_path / place["float"]), np.float32)
    wanted = photo[place["y"] : place["y"] + 128, place["x"] : place["x"] + 128].astype(np.float32)
    assert crop.shape == (128, 128, 3)
    assert np.abs(crop - wanted).mean() < 3
    assert place["y"] <= 220 <= place["y"] + 128
    assert place["x"] <= 90 <= place["x"] + 128


def test_errors_against_the_truth_share_one_scale(photo: np.ndarray, tmp_path: Path) -> None:
    """Twice the error is brighter on the same scale, whatever is largest in the picture; the mean stands beside it."""
    truth = photo.astype(np.float32) / np.float32(255)
    drawn = [
        panels.draw_error(Comparison(np.clip(truth + step, 0, 1), truth), tmp_path / f"{step}.png")
        for step in (np.float32(0.02), np.float32(0.2))
    ]
    levels = [np.asarray(Image.open(tmp_path / one["file"])).mean() for one in drawn]
    assert levels[1] > 3 * levels[0]
    assert drawn[0]["mean"] / panels.ERROR_SCALE * (panels.COLOURS - 1) == pytest.approx(levels[0], abs=0.5)


def test_one_pixel_and_larger_outputs_are_drawn(photo: np.ndarray, tmp_path: Path) -> None:
    """A 1x1 picture, and the output of a network that doubles the size, get every file."""
    for name, pixels, scale in (("dot", photo[:1, :1], 1), ("twice", photo[:40, :60], 2)):
        large = np.repeat(np.repeat(pixels, scale, 0), scale, 1).astype(np.float32) / np.float32(255)
        drawn = panels.draw(Comparison(large * np.float32(0.9), large), pixels, tmp_path, name, side=64)
        source = np.asarray(Image.open(tmp_path / drawn["crop"]["input"]))
        assert source.shape == large.shape
        assert (tmp_path / drawn["flip"]).is_file()


def test_sixteen_bit_input_is_scaled(photo: np.ndarray, tmp_path: Path) -> None:
    """The crop of a 16-bit input looks like that of the 8-bit one."""
    expected = photo.astype(np.float32) / np.float32(255)
    pair = Comparison(expected, expected)
    files = [
        panels.draw(pair, pixels, tmp_path, name, side=64)["crop"]["input"]
        for name, pixels in (("eight", photo), ("sixteen", photo.astype(np.uint16) * 257))
    ]
    eight, sixteen = (np.asarray(Image.open(tmp_path / file), np.float32) for file in files)
    assert np.abs(eight - sixteen).max() <= 1


@pytest.mark.parametrize(("name", "slug"), [
    ("IMG 0001", "img-0001"), ("../../x", "x"), ("ÄÖ", "photograph"), ("a.b", "a-b"),
])  # fmt: skip
def test_file_names_are_harmless(name: str, slug: str) -> None:
    """Whatever a photograph is called, its pictures stay in their folder."""
    assert panels.slug(name) == slug
