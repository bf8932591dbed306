"""Raw files: DNGs that the tests write are read back; the real Bayer crops look like photographs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.raw.dng import BLACK, CAMERA, WHITE, write

from viewfinder import light, raw
from viewfinder.errors import BadImageError

DATA = Path(os.environ.get("VIEWFINDER_DATA", Path(__file__).parents[3] / "shared" / "data")) / "raw_bayer"
SIZE = (48, 64)


@pytest.fixture
def codes():
    """A random mosaic between black and white."""
    return np.random.default_rng(0).integers(700, WHITE, SIZE, np.uint16)


@pytest.mark.parametrize("pattern", raw.PATTERNS)
def test_a_dng_is_read_as_it_was_written(tmp_path, codes, pattern):
    """Codes, black, white, gains, matrix and noise come back, for every Bayer pattern, as an RGGB mosaic."""
    path = write(tmp_path / "one.dng", [codes], pattern, noise=(4e-4, 1e-6) * 3)
    (frame,) = raw.read_all(path)
    row, column = raw.PATTERNS[pattern]
    height, width = ((size - drop) // 2 * 2 for size, drop in zip(SIZE, (row, column), strict=True))
    assert np.array_equal(frame.codes, codes[row : row + height, column : column + width])
    assert frame.black == BLACK
    assert frame.white == WHITE
    assert frame.white_balance == pytest.approx((2, 1, 4 / 3), rel=1e-3)
    assert np.array(frame.matrix) == pytest.approx(np.array(raw.camera_to_srgb(CAMERA)), abs=2e-3)
    assert (frame.noise.shot_std, frame.noise.read_std) == pytest.approx((0.02, 0.001))
    assert frame.orientation == 1


def test_a_file_may_hold_several_frames(tmp_path, codes):
    """A multi-frame DNG gives its frames in order."""
    frames = [codes, codes[::-1].copy(), codes[:, ::-1].copy()]
    found = raw.read_all(write(tmp_path / "burst.dng", frames))
    assert len(found) == 3
    for frame, written in zip(found, frames, strict=True):
        assert np.array_equal(frame.codes, written)


def test_a_file_without_noise_profile_has_no_noise(tmp_path, codes):
    """Noise is not made up; how the picture has to be turned is kept."""
    (frame,) = raw.read_all(write(tmp_path / "one.dng", [codes], orientation=6))
    assert frame.noise is None
    assert frame.orientation == 6


@pytest.mark.parametrize("noise", [(1e-4,), (float("nan"), 1e-6), (-1e-4, 1e-6), (4.0, 9.0), (0.0, 0.0)])
def test_a_noise_profile_of_nonsense_is_as_none(tmp_path, codes, noise):
    """Odd counts, negative, huge and infinite numbers do not become a noise level."""
    (frame,) = raw.read_all(write(tmp_path / "one.dng", [codes], noise=noise))
    assert frame.noise is None


def test_planes_are_shares_of_white():
    """Each plane loses its own black; white is 1, black 0, and what lies below stays negative."""
    codes = np.array([[BLACK[0], WHITE], [0, BLACK[3]]], np.uint16)
    found = raw.planes(raw.from_codes(codes, BLACK, WHITE))[0, 0]
    assert found == pytest.approx([0, 1, -608 / (WHITE - 608), 0])


def test_planes_and_mosaics_are_the_same_frame(codes):
    """RGGB planes [h, w, 4], as phones' dumps have them, make the frame that their mosaic makes."""
    frame = raw.from_codes(codes, 0, WHITE)
    packed = np.stack([codes[0::2, 0::2], codes[0::2, 1::2], codes[1::2, 0::2], codes[1::2, 1::2]], -1)
    assert np.array_equal(raw.from_codes(packed, 0, WHITE).codes, frame.codes)


def test_white_is_white_after_development():
    """A grey scene as this camera sees it is grey in sRGB; saturated pixels are white and not pink."""
    gains = (2.0, 1.0, 1.5)
    grey = np.tile(np.array([0.2 / 2.0, 0.2, 0.2, 0.2 / 1.5], np.float32), (4, 5, 1))
    matrix = raw.camera_to_srgb(CAMERA)
    assert raw.develop(grey, gains, matrix) == pytest.approx(np.full((8, 10, 3), 0.2), abs=1e-5)
    assert raw.develop(np.ones((4, 5, 4), np.float32), gains, matrix) == pytest.approx(np.ones((8, 10, 3)), abs=1e-5)


def test_colours_come_back_through_the_matrix():
    """A linear sRGB colour that is brought to this camera is developed into itself."""
    colour = np.array([0.30, 0.22, 0.12])
    to_camera = np.linalg.inv(np.array(raw.camera_to_srgb(CAMERA)))
    red, green, blue = to_camera @ colour / (1.8, 1.0, 1.4)
    planes = np.tile(np.array([red, green, green, blue], np.float32), (4, 4, 1))
    found = raw.develop(planes, (1.8, 1.0, 1.4), raw.camera_to_srgb(CAMERA))
    assert found == pytest.approx(np.tile(colour, (8, 8, 1)), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": np.zeros((4, 4), np.float32)}, "raw codes are float32"),
        ({"codes": np.zeros((4, 4, 3), np.uint16)}, "have the shape"),
        ({"codes": np.zeros((1, 1), np.uint16)}, "no whole 2x2 block"),
        ({"black": 70, "white": 70}, "black is"),
        ({"black": -1}, "black is"),
        ({"white": float("nan")}, "black is"),
        ({"pattern": "XTRANS"}, "no Bayer pattern"),
        ({"white_balance": (0.0, 1.0, 1.0)}, "the white balance is"),
    ],
)
def test_what_no_sensor_gives_is_refused(changes, message):
    """Types, shapes and levels are checked, each with a sentence."""
    given = {"codes": np.zeros((4, 4), np.uint16), "black": 0, "white": 1023} | changes
    with pytest.raises(BadImageError, match=message):
        raw.from_codes(given.pop("codes"), given.pop("black"), given.pop("white"), **given)


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.eye(4), np.full((3, 3), np.nan)])
def test_a_matrix_of_no_camera_is_refused(matrix):
    """A matrix that cannot be inverted is named."""
    with pytest.raises(BadImageError, match="colour matrix"):
        raw.camera_to_srgb(matrix)


@pytest.mark.parametrize("content", [b"", b"no raw file at all", b"II*\x00\x08\x00\x00\x00\xff\xff"])
def test_files_that_are_no_raw_files_are_named(tmp_path, content):
    """Empty, foreign and damaged files are sentences, not tracebacks."""
    path = tmp_path / "one.dng"
    path.write_bytes(content)
    with pytest.raises(BadImageError, match=r"one\.dng"):
        raw.read_all(path)


def test_a_cut_file_and_a_missing_one_are_named(tmp_path, codes):
    """Half a DNG is an error; so is a path without file."""
    path = write(tmp_path / "one.dng", [codes])
    path.write_bytes(path.read_bytes()[:1500])
    for wrong in (path, tmp_path / "none.dng"):
        with pytest.raises(BadImageError, match=r"one\.dng|none\.dng does not exist"):
            raw.read_all(wrong)


def test_a_developed_tiff_is_no_raw_file(tmp_path):
    """A TIFF with three colours per pixel says that it is none."""
    tifffile.imwrite(tmp_path / "one.dng", np.zeros((20, 20, 3), np.uint16), photometric="rgb")
    with pytest.raises(BadImageError, match=r"one\.dng"):
        raw.read_all(tmp_path / "one.dng")


REAL = {
    "openISP_test_1920x1080_rggb.raw": (((1080, 1920), np.uint16), 0, 1023, (1860 / 1024, 1.0, 1280 / 1024), None),
    "nikon_DSC_1339_768x512_rggb.raw": (((512, 768), np.uint16), 600, 15_520, (1.949, 1.0, 1.344), CAMERA),
    "ntire24_x90_3_4.npy": (None, 0, 4095, (1.0, 1.0, 1.0), None),
}


@pytest.mark.parametrize("name", REAL)
def test_real_sensors_develop_into_photographs(name):
    """The three real Bayer crops: inside the sensor's range, G1 and G2 agree, neighbours are alike."""
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not here: set VIEWFINDER_DATA to the folder that holds raw_bayer")
    layout, black, white, gains, matrix = REAL[name]
    codes = np.fromfile(DATA / name, layout[1]).reshape(layout[0]) if layout else np.load(DATA / name)
    frame = raw.from_codes(
        codes, black, white, white_balance=gains, matrix=None if matrix is None else raw.camera_to_srgb(matrix)
    )
    planes = raw.planes(frame)
    assert -0.05 < planes.min() < planes.max() < 1.06
    assert np.corrcoef(planes[..., 1].ravel(), planes[..., 2].ravel())[0, 1] > 0.97
    picture = light.to_display(raw.develop(planes, frame.white_balance, frame.matrix))
    assert picture.shape == (*frame.codes.shape, 3)
    assert np.corrcoef(picture[1:, :, 1].ravel(), picture[:-1, :, 1].ravel())[0, 1] > 0.95
    assert 0.02 < picture.mean() < 0.9
