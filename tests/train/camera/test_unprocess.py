from __future__ import annotations

import numpy as np
import pytest

from viewfinder import raw
from viewfinder.train.camera import colours, mosaic, unprocess
from viewfinder.train.camera.colours import CameraColours


@pytest.fixture(params=range(4))
def camera(request) -> CameraColours:
    """A drawn camera."""
    return colours.draw(np.random.default_rng(request.param))


def test_developing_what_was_unprocessed_gives_the_photograph(camera, pictures):
    """from_sensor(to_sensor(x)) = x wherever nothing was clipped and no highlight faded."""
    for picture in pictures:
        sensor = unprocess.to_sensor(picture, camera)
        faithful = (sensor > 1e-6).all(-1) & ((sensor * camera.gains).mean(-1) < colours.HIGHLIGHTS)
        faithful &= (sensor * camera.gains < 1).all(-1)
        assert faithful.mean() > 0.6
        again = unprocess.from_sensor(sensor, camera)
        assert np.abs(again - picture)[faithful].max() < 2e-3


def test_the_sensor_sees_white_as_white(camera):
    """A white pixel was saturated on the sensor, although the gains alone would have made it grey there."""
    white = np.ones((2, 2, 3), np.float32)
    assert unprocess.to_sensor(white, camera) == pytest.approx(white, abs=1e-5)


def test_grey_needs_the_white_balance(camera):
    """A grey of the photograph is greenish on the sensor by exactly the gains of red and blue."""
    grey = np.full((2, 2, 3), 0.4, np.float32)
    red, green, blue = unprocess.to_sensor(grey, camera)[0, 0]
    assert green / red == pytest.approx(camera.red_gain, rel=1e-4)
    assert green / blue == pytest.approx(camera.blue_gain, rel=1e-4)


def test_cameras_are_drawn_from_the_papers_ranges():
    """Gains inside their ranges, rows of the matrix with sum 1, and the same camera for the same seed."""
    drawn = [colours.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert all(1.9 <= one.red_gain <= 2.4 and 1.5 <= one.blue_gain <= 1.9 for one in drawn)
    assert np.mean([1 / one.digital_gain for one in drawn]) == pytest.approx(0.8, abs=0.03)
    assert np.std([1 / one.digital_gain for one in drawn]) == pytest.approx(0.1, abs=0.02)
    assert np.allclose([one.matrix.sum(1) for one in drawn], 1)
    assert colours.draw(np.random.default_rng(3)).gains.tolist() == drawn[3].gains.tolist()


def test_packing_is_undone():
    """unpack(pack(x)) = x, and the planes are R, G1, G2, B of the pattern."""
    bayer = np.arange(48, dtype=np.float32).reshape(6, 8)
    planes = mosaic.pack(bayer)
    assert planes.shape == (3, 4, 4)
    assert planes[0, 0].tolist() == [0, 1, 8, 9]
    assert np.array_equal(mosaic.unpack(planes), bayer)


def test_a_mosaic_of_a_picture_holds_its_own_values(pictures):
    """Every plane shows the picture's colour at that place, and packing the mosaic of a grey picture is the same."""
    picture = pictures[1][:60, :80]
    planes = mosaic.mosaic(picture)
    assert np.array_equal(planes[..., 1], picture[0::2, 1::2, 1])
    assert np.array_equal(planes[..., 3], picture[1::2, 1::2, 2])
    grey = picture[..., :1].repeat(3, -1)
    assert np.array_equal(mosaic.mosaic(grey), mosaic.pack(grey[..., 0]))


def test_demosaicking_keeps_what_was_measured_and_interpolates_ramps():
    """Measured samples stay; a linear ramp comes back exactly away from the border."""
    rows, columns = np.mgrid[0:12, 0:16].astype(np.float32)
    ramp = np.stack([rows + 2 * columns, 3 * rows - columns, 5 - rows], -1)
    again = raw.demosaic(mosaic.mosaic(ramp))
    assert np.array_equal(mosaic.mosaic(again), mosaic.mosaic(ramp))
    assert np.abs(again - ramp)[2:-2, 2:-2].max() < 1e-5


def test_raw_planes_of_a_photograph_develop_into_it(camera, pictures):
    """unprocess, then process: the photograph before tone curve and brightness, but for the interpolation's blur."""
    picture = pictures[1][:60, :80]
    planes = unprocess.unprocess(picture, camera)
    assert planes.shape == (30, 40, 4)
    assert planes.min() >= 0
    assert planes.max() <= 1
    found = unprocess.process(planes, camera)
    inverse = unprocess.tone.inverse_smoothstep(picture)
    wanted = inverse * (1 / camera.digital_gain) ** (1 / 2.2)
    difference = np.abs(found - wanted)[2:-2, 2:-2]
    assert np.median(difference) < 0.02
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.95
