"""Bursts in files: folders, archives, raw files; and frames that do not belong together, refused in words."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tests.raw import dng

from viewfinder import demo, light, photos
from viewfinder.bursts import BadBurstError, NoiseLevel, archive, noise_estimate, reading
from viewfinder.bursts.frames import CodedFrames
from viewfinder.bursts.raw_frames import RawFrames
from viewfinder.bursts.reading import Known
from viewfinder.errors import BadImageError
from viewfinder.photos import Photo
from viewfinder.train.camera import motion, noise
from viewfinder.train.camera.synthesis import synthesise

LEVEL = NoiseLevel(0.01, 0.05)


@pytest.fixture(scope="module")
def picture():
    """A reduced photograph, 8 bits."""
    return np.ascontiguousarray(photos.read(demo.photos()[0]).pixels[::16, ::16])


@pytest.fixture
def folder(tmp_path, picture):
    """Three frames as PNG, named against the order in which they are written."""
    for place, name in enumerate(("c.png", "b.png", "a.png")):
        photos.write(tmp_path / "shot" / name, Photo(np.roll(picture, place, 0)))
    return tmp_path / "shot"


def test_a_folder_is_read_in_the_order_of_its_names(folder, picture):
    """The first name is the reference; codes become linear light; hidden files and folders are no frames."""
    (folder / ".hidden.png").write_bytes(b"no picture")
    (folder / "deeper").mkdir()
    frames = reading.read(folder)
    assert (frames.count, frames.size, frames.planes, frames.name) == (3, picture.shape[:2], 3, "shot")
    assert frames.noise is None
    expected = light.to_linear(np.roll(picture, 2, 0)[..., 1].astype(np.float32) / 255)
    assert np.abs(frames.plane(1)[0] - expected).max() < 1e-6


def test_the_callers_noise_comes_first(folder):
    """What is said wins; nothing is made up."""
    assert reading.read(folder, Known(LEVEL)).noise == LEVEL


def test_archives_hold_floats_or_codes(tmp_path):
    """Floats are linear light; codes with levels are scaled by them, without levels they are sRGB."""
    values = np.linspace(0, 0.8, 3 * 32 * 32, dtype=np.float32).reshape(3, 32, 32)
    np.savez(tmp_path / "floats.npz", frames=values, read_std=0.01, shot_std=0.05)
    floats = reading.read(tmp_path / "floats.npz")
    assert floats.noise == LEVEL
    assert np.array_equal(floats.plane(0), values)
    codes = np.rint(values * 60000 + 2000).astype(np.uint16)
    np.savez(tmp_path / "codes.npz", frames=codes, black=2000, white=62000)
    assert np.abs(reading.read(tmp_path / "codes.npz").plane(0) - values).max() < 1e-5
    np.savez(tmp_path / "shown.npz", frames=codes)
    assert np.abs(reading.read(tmp_path / "shown.npz").plane(0) - light.to_linear(codes / 65535)).max() < 1e-5


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"other": np.zeros(3)}, "no array `frames`; it has other"),
        ({"frames": np.zeros((3, 32))}, "shape"),
        ({"frames": np.zeros((1, 32, 32), np.float32)}, "1 frame"),
        ({"frames": np.full((3, 32, 32), np.nan, np.float32)}, "not finite"),
        ({"frames": np.ones((3, 32, 32), np.float32)}, "reference frame is at white"),
        ({"frames": np.full((3, 32, 32), 255, np.uint8)}, "reference frame is at white"),
        ({"frames": np.zeros((3, 8, 8), np.uint8)}, "at least 16 pixels"),
        ({"frames": np.zeros((3, 32, 32), np.int64)}, "int64"),
        ({"frames": np.zeros((3, 32, 32), np.uint8), "black": 300}, "black has to lie below white"),
        ({"frames": np.zeros((3, 32, 32), np.uint8), "white": np.zeros(3)}, "white is no number"),
        ({"frames": np.zeros((3, 32, 32), np.float32), "read_std": -1.0, "shot_std": 0.1}, "read_std"),
        ({"frames": np.zeros((3, 32, 32), np.float32), "shot_std": 0.1}, "one of read_std and shot_std"),
        ({"frames": np.zeros((3, 32, 32), np.uint8), "black": "none"}, "black is .* where 1 numbers belong"),
        ({"frames": np.zeros((3, 32, 32, 4), np.uint8), "black": (1, 2, 3)}, "black is .* where 4 numbers belong"),
        ({"frames": np.zeros((3, 32, 32), np.float32), "black": 2.0}, "white level"),
        ({"frames": np.zeros((3, 32, 32), np.uint8), "pattern": "RGBW"}, "no Bayer pattern"),
        ({"frames": np.zeros((3, 32, 32, 4), np.uint8), "pattern": "RGGB"}, "has a pattern"),
        ({"frames": np.zeros((3, 32, 32), np.uint8), "white_balance": np.ones(3)}, "belongs to Bayer planes"),
        ({"frames": np.zeros((3, 32, 32, 4), np.uint8), "white_balance": np.ones(4)}, "white_balance is .* where 3"),
        ({"frames": np.zeros((3, 32, 32, 4), np.float32), "white_balance": np.zeros(3)}, "three positive gains"),
        ({"frames": np.zeros((3, 32, 32, 4), np.uint8), "white_balance": (0.0, 1, 1)}, "three positive gains"),
        ({"frames": np.zeros((3, 32, 32, 4), np.uint8), "xyz_to_camera": np.zeros((3, 3))}, "fits no camera"),
        ({"frames": np.zeros((3, 32, 32, 4), np.uint8), "camera_to_srgb": np.full((3, 3), np.nan)}, "not finite"),
        (
            {"frames": np.zeros((3, 32, 32, 4), np.uint8), "camera_to_srgb": np.eye(3), "xyz_to_camera": np.eye(3)},
            "both xyz_to_camera and camera_to_srgb",
        ),
        ({"frames": np.zeros((3, 32, 32, 4), np.uint8), "orientation": 2}, "orientation is 2"),
    ],
)
def test_bad_archives_are_told(tmp_path, arrays, told):
    """Every mistake in an archive has its own sentence."""
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(BadBurstError, match=told):
        reading.read(tmp_path / "bad.npz")


@pytest.mark.parametrize("pattern", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_a_bayer_archive_says_its_colours(tmp_path, pattern):
    """Mosaics with pattern, levels, gains and matrix are developed as the same frames in a raw file are."""
    from viewfinder import raw

    rng, gains, black = np.random.default_rng(0), (2.0, 1.0, 1.5), (64.0, 65.0, 66.0, 67.0)
    mosaics = rng.integers(100, 900, (3, 41, 51), np.uint16)
    known = {"black": black, "white": 1023, "read_std": LEVEL.read_std, "shot_std": LEVEL.shot_std}
    colours = {"white_balance": gains, "xyz_to_camera": dng.CAMERA, "orientation": 6}
    np.savez(tmp_path / "codes.npz", frames=mosaics, pattern=pattern, **known, **colours)
    frames = reading.read(tmp_path / "codes.npz")
    matrix = raw.camera_to_srgb(dng.CAMERA)
    raws = RawFrames(
        tuple(
            raw.from_codes(
                one, black, 1023, pattern=pattern, white_balance=gains, matrix=matrix, noise=LEVEL, orientation=6
            )
            for one in mosaics
        )
    )
    assert (frames.count, frames.size, frames.planes, frames.noise) == (3, raws.size, 4, LEVEL)
    merged = np.stack([frames.plane(number)[0] for number in range(4)], -1)
    assert np.abs(merged - np.stack([raws.plane(number)[0] for number in range(4)], -1)).max() < 1e-6
    assert np.abs(reading.developed(frames, merged) - reading.developed(raws, merged)).max() < 1e-6
    assert not reading.lacking(frames)
    floats = np.stack([np.stack([raws.plane(number)[place] for number in range(4)], -1) for place in range(3)])
    np.savez(tmp_path / "light.npz", frames=floats, **colours)
    light_frames = reading.read(tmp_path / "light.npz")
    assert np.array_equal(reading.developed(light_frames, merged), reading.developed(frames, merged))
    np.savez(tmp_path / "plain.npz", frames=floats)
    assert "no white balance" in reading.lacking(reading.read(tmp_path / "plain.npz"))


def test_light_may_have_levels_of_its_own(tmp_path):
    """Floats with black and white are scaled by them, as codes are."""
    values = np.linspace(0, 0.8, 3 * 32 * 32, dtype=np.float32).reshape(3, 32, 32)
    np.savez(tmp_path / "scaled.npz", frames=values * 900 + 64, black=64, white=964)
    assert np.abs(reading.read(tmp_path / "scaled.npz").plane(0) - values).max() < 1e-6


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_light_is_read_one_frame_at_a_time(tmp_path, save):
    """Of 8 frames of 12 megapixels in RGB, 1.2 GB would be in memory; a plane is a third of that."""
    values = np.random.default_rng(0).random((8, 160, 200, 3), dtype=np.float32)
    save(tmp_path / "light.npz", frames=values)
    tracemalloc.start()
    plane = reading.read(tmp_path / "light.npz").plane(0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(plane, values[..., 0])
    assert most < 0.9 * values.nbytes


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_light_of_every_kind_is_light(tmp_path, kind, order):
    """Half, single and double precision, by rows or by columns, give the same planes as float32."""
    values = np.random.default_rng(0).random((3, 20, 24, 3)).astype(kind, order)
    np.savez(tmp_path / "light.npz", frames=values)
    frames = reading.read(tmp_path / "light.npz")
    assert (frames.count, frames.size, frames.planes) == (3, (20, 24), 3)
    assert np.array_equal(frames.plane(2), values[..., 2].astype(np.float32))


def test_an_archive_that_changes_while_it_is_used_is_told(tmp_path):
    """Its frames are read again for each plane: what is no archive any more ends in words."""
    np.savez(tmp_path / "light.npz", frames=np.zeros((3, 20, 24, 3), np.float32))
    frames = reading.read(tmp_path / "light.npz")
    (tmp_path / "light.npz").write_bytes(b"PK")
    with pytest.raises(BadBurstError, match="cannot be read"):
        frames.plane(0)


def test_the_archives_keys_are_documented():
    """What an archive may hold stands in docs/bursts.md, key by key."""
    told = (Path(__file__).parents[2] / "docs" / "bursts.md").read_text(encoding="utf-8")
    assert not [key for keys in archive.KEYS for key in keys.split(", ") if f"`{key}`" not in told]


def test_a_broken_archive_runs_nothing(tmp_path):
    """Neither a file that is no archive nor pickled objects are opened."""
    (tmp_path / "no.npz").write_bytes(b"PK\x03\x04 no archive")
    np.savez(tmp_path / "code.npz", frames=np.array([{"a": 1}], object))
    for name in ("no.npz", "code.npz"):
        with pytest.raises(BadBurstError, match="cannot be read"):
            reading.read(tmp_path / name)


def test_mixed_frames_are_refused(folder, picture, tmp_path):
    """Another size, another depth, raw files beside pictures, an empty folder, one picture, nothing."""
    photos.write(folder / "d.png", Photo(picture[:-2]))
    with pytest.raises(BadBurstError, match=r"frame 4 \(d.png\) is .*but the first one is"):
        reading.read(folder)
    photos.write(folder / "d.png", Photo(picture.astype(np.uint16) * 257))
    with pytest.raises(BadBurstError, match="16 bits"):
        reading.read(folder)
    (folder / "d.dng").write_bytes(b"raw")
    with pytest.raises(BadBurstError, match="both raw files"):
        reading.read(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadBurstError, match="no frames"):
        reading.read(tmp_path / "empty")
    with pytest.raises(BadBurstError, match="one picture"):
        reading.read(folder / "a.png")
    with pytest.raises(BadBurstError, match="does not exist"):
        reading.read(tmp_path / "nowhere")


def test_a_damaged_frame_is_named(folder):
    """The file that cannot be read stands in the message."""
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:200])
    with pytest.raises(BadImageError, match=r"b\.png"):
        reading.read(folder)


@pytest.mark.parametrize("gain", [1, 4])
def test_noise_is_measured(gain):
    """On a photograph with texture, both deviations are found within a third of the true ones."""
    photo = photos.read(demo.photos()[1]).display()
    made = synthesise(photo[:1024, :1024], noise.GAINS[gain], (gain,), motion.Recipe(frames=2))
    codes = tuple(np.rint(frame.clip(-0.4) * 40000 + 20000).astype(np.uint16) for frame in made.frames)
    frames = CodedFrames(codes, None, "linear", (20000.0,), 60000.0)
    found = noise_estimate.estimate(frames)
    assert found.read_std == pytest.approx(made.level.read_std, rel=0.33)
    assert found.shot_std == pytest.approx(made.level.shot_std, rel=0.33)


def test_noise_of_black_frames_is_not_made_up():
    """Frames without a pixel between black and white say so."""
    frames = CodedFrames(tuple(np.zeros((32, 32, 1), np.uint8) for _ in range(2)), name="dark")
    with pytest.raises(BadBurstError, match="neither black nor white"):
        noise_estimate.estimate(frames)


def test_raw_frames_are_developed_upright(monkeypatch, tmp_path):
    """Bayer planes come back as a picture of twice the size, white balanced, and turned as the camera was held."""
    from viewfinder import raw

    mosaic = np.full((40, 48), 20000, np.uint16)
    mosaic[:10] = 30000  # brighter at the sensor's upper edge
    one = raw.from_codes(mosaic, 0, 40000, white_balance=(2.0, 1.0, 1.5), noise=LEVEL, orientation=6)
    monkeypatch.setattr(raw, "read_all", lambda _path: [one, one])
    (tmp_path / "shot.dng").write_bytes(b"raw")
    frames = reading.read(tmp_path / "shot.dng")
    assert (frames.count, frames.size, frames.planes, frames.noise) == (2, (20, 24), 4, LEVEL)
    merged = np.stack([frames.plane(number)[0] for number in range(4)], -1)
    shown = reading.developed(frames, merged)
    assert shown.shape == (48, 40, 3)
    assert shown[24, 35, 1] > shown[24, 5, 1] * 1.3  # turned clockwise: the upper edge lies right
