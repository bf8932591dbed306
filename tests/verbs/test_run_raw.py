"""`run` on raw bursts with the shipped network: one DNG, a folder of DNGs and an .npz are the same burst."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.raw import dng

from viewfinder import artifact, light, photos, raw
from viewfinder.bursts import BadBurstError, reading
from viewfinder.bursts.raw_frames import RawFrames
from viewfinder.train.camera import motion, noise, unprocess
from viewfinder.train.camera.colours import CameraColours
from viewfinder.verbs import run as verb
from viewfinder.verbs.run import RunRequest

GAIN, FRAMES, SIZE = 2, 8, (208, 304)
"""The planes, 104 x 152, are no multiple of anything, and end inside a tile."""
LEVEL = noise.GAINS[GAIN]
PROFILE = (LEVEL.shot_std**2, LEVEL.read_std**2)
"""DNG's NoiseProfile: variance per signal, constant variance."""
GAINS = (2.0, 1.0, 4 / 3)
"""White balance that `tests.raw.dng` writes."""
HEADROOM = 0.7
"""Share of the sensor's range that the scene fills: noise at white is not cut off."""


def _sensor() -> np.ndarray:
    """Frames of a moving camera as an RGGB sensor sees them, without noise: planes ``[N, h, w, 4]``."""
    from viewfinder import demo

    matrix = np.linalg.inv(np.array(raw.camera_to_srgb(dng.CAMERA)))
    colours = CameraColours(matrix, 1 / HEADROOM, GAINS[0], GAINS[2])
    photo = next(path for path in demo.photos() if path.stem == "mountains")
    camera = unprocess.to_sensor(photos.read(photo).display()[100:1100, :1500], colours)
    shifts = motion.draw_shifts(np.random.default_rng(5), motion.STEADY)
    clean = motion.cut(camera, shifts, (16, 16), SIZE)
    return np.stack([unprocess.mosaic.mosaic(frame) for frame in clean])


def _mosaics(planes: np.ndarray) -> list[np.ndarray]:
    """Count what the sensor counts: codes with black and white levels, each colour's black its own."""
    codes = np.rint(planes * (dng.WHITE - np.array(dng.BLACK)) + dng.BLACK).clip(0, 65535).astype(np.uint16)
    return [raw.from_codes(frame, dng.BLACK, dng.WHITE).codes for frame in codes]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Write one noisy burst as one DNG, as a folder of DNGs and as an .npz; return the folder and the clean planes."""
    folder, clean = tmp_path_factory.mktemp("raw"), _sensor()
    mosaics = _mosaics(noise.add(clean, LEVEL, np.random.default_rng(6)))
    dng.write(folder / "one.dng", mosaics, noise=PROFILE * 3)
    (folder / "many").mkdir()
    for number, mosaic in enumerate(mosaics):
        dng.write(folder / "many" / f"{number}.dng", [mosaic], noise=PROFILE * 3)
    packed = np.stack([raw.planes(raw.from_codes(mosaic, dng.BLACK, dng.WHITE)) for mosaic in mosaics])
    known = {"read_std": LEVEL.read_std, "shot_std": LEVEL.shot_std}
    np.savez(folder / "burst.npz", frames=packed, white_balance=GAINS, xyz_to_camera=dng.CAMERA, **known)
    return folder, clean[0]


@pytest.fixture(scope="module")
def kpn_lite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the shipped network, for tiles that leave seams to be seen: 64 pixels of each are kept.

    tests/verbs/test_quantize_bursts.py exports the same.
    """
    from viewfinder import models
    from viewfinder.export import exporter
    from viewfinder.export.request import ExportRequest

    folder = tmp_path_factory.mktemp("export") / "onnx-float"
    return exporter.export(
        models.load("kpn-lite"), ExportRequest("onnx", "float", width=160, strip_rows=160), folder
    ).folder


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR of pictures in 0..1 without a border of 8 pixels."""
    inside = slice(8, -8)
    return float(-10 * np.log10(np.mean((one[inside, inside] - other[inside, inside]) ** 2)))


def _shown(planes: np.ndarray) -> np.ndarray:
    """Develop planes as `run` does."""
    return light.to_display(raw.develop(planes, GAINS, raw.camera_to_srgb(dng.CAMERA)))


@pytest.mark.slow
def test_a_raw_burst_becomes_a_clean_photograph(scene, kpn_lite, tmp_path):
    """All three ways give the same planes and colours, without seams; the picture beats reference frame and average."""
    from viewfinder import models
    from viewfinder.export.reference import Reference

    folder, clean = scene
    merged = {}
    for name in ("one.dng", "many", "burst.npz"):
        verb.run(RunRequest(str(kpn_lite), (folder / name,), tmp_path / f"{name}.npz"))
        with np.load(tmp_path / f"{name}.npz") as stored:
            merged[name] = stored["denoised"]
    assert np.array_equal(merged["one.dng"], merged["many"])
    assert np.abs(merged["one.dng"] - merged["burst.npz"]).max() < 1e-5
    whole = Reference(models.load("kpn-lite")).merge(reading.read(folder / "one.dng"))
    assert np.abs(merged["one.dng"] - whole).max() < 1e-5
    verb.run(RunRequest(str(kpn_lite), (folder / "one.dng",), tmp_path / "night.png"))
    verb.run(RunRequest(str(kpn_lite), (folder / "burst.npz",), tmp_path / "packed.png"))
    picture = photos.read(tmp_path / "night.png").pixels
    packed = photos.read(tmp_path / "packed.png").pixels
    assert np.abs(picture.astype(np.int32) - packed).max() <= 64  # the DNG keeps gains and matrix as fractions
    assert picture.shape == (*SIZE, 3)
    assert picture.dtype == np.uint16
    truth = _shown(clean)
    frames = reading.read(folder / "one.dng")
    noisy = np.stack([frames.plane(number) for number in range(4)], -1)
    found, reference, average = (psnr(one, truth) for one in (picture / 65535, _shown(noisy[0]), _shown(noisy.mean(0))))
    print(f"raw burst: {found:.2f} dB, reference frame {reference:.2f} dB, plain average {average:.2f} dB")
    assert found > reference + 4
    assert found > average + 2


def test_raw_frames_stay_codes_until_a_plane_is_asked_for(scene):
    """Of 8 frames of 12 megapixels, floats of every plane alone would be 1.5 GB."""
    frames = reading.read(scene[0] / "many")
    assert isinstance(frames, RawFrames)
    assert {frame.codes.dtype for frame in frames.frames} == {np.dtype(np.uint16)}
    assert (frames.count, frames.size, frames.planes) == (FRAMES, (SIZE[0] // 2, SIZE[1] // 2), 4)
    assert frames.noise.read_std == pytest.approx(LEVEL.read_std)
    whole = np.stack([raw.planes(frame) for frame in frames.frames])
    for number in range(4):
        assert np.array_equal(frames.plane(number), whole[..., number])


def _rewritten(tmp_path: Path, scene: Path, **changes: object) -> Path:
    """Copy two frames of the burst into a folder, the second one as `changes` say."""
    (tmp_path / "set").mkdir()
    for number in range(2):
        (frame,) = raw.read_all(scene / "many" / f"{number}.dng")
        own = changes if number else {}
        dng.write(tmp_path / "set" / f"{number}.dng", [own.get("codes", frame.codes)], noise=own.get("noise", PROFILE))
    return tmp_path / "set"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"codes": np.full((64, 64), 700, np.uint16)}, r"frame 2 \(1.dng\) is 64x64, but the first one is 304x208"),
        ({"noise": (4 * PROFILE[0], PROFILE[1])}, r"frame 2 \(1.dng\) was taken at another gain: its shot noise"),
        ({"noise": (PROFILE[0], 4 * PROFILE[1])}, r"frame 2 \(1.dng\) was taken at another gain: its read noise"),
    ],
)
def test_frames_of_two_settings_are_refused(scene, tmp_path, changes, told):
    """Another size, another gain: their noise is not the reference's, whatever its file says."""
    with pytest.raises(BadBurstError, match=told):
        reading.read(_rewritten(tmp_path, scene[0], **changes))


def test_one_raw_file_is_no_burst_and_a_white_one_is_refused(scene, tmp_path):
    """One frame, and a reference without anything but white."""
    with pytest.raises(BadBurstError, match="0 has 1 frame"):
        reading.read(scene[0] / "many" / "0.dng")
    white = np.full((64, 64), dng.WHITE, np.uint16)
    with pytest.raises(BadBurstError, match="100% of the reference frame is at white"):
        reading.read(dng.write(tmp_path / "white.dng", [white, white]))


@pytest.mark.slow
def test_a_raw_burst_that_says_no_noise_is_refused_by_the_artifact(scene, kpn_lite, tmp_path):
    """Without NoiseProfile nothing is guessed; what the user says is taken; seven frames are too few."""
    frames = [frame.codes for frame in raw.read_all(scene[0] / "one.dng")]
    silent = dng.write(tmp_path / "silent.dng", frames)
    with pytest.raises(BadBurstError, match="does not say how noisy"):
        verb.run(RunRequest(str(kpn_lite), (silent,), tmp_path / "out.png"))
    with pytest.raises(BadBurstError, match="7 frames, and the network takes 8"):
        verb.run(
            RunRequest(str(kpn_lite), (dng.write(tmp_path / "few.dng", frames[:7]),), tmp_path / "out.png", gain=2)
        )
    assert not (tmp_path / "out.png").exists()
    assert artifact.load(kpn_lite).parameters["contract"]["frames"] == FRAMES
