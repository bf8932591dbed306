"""Bursts through `run`: where results go, how noise is said, and what is refused before anything is computed."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from tests.photos import make

from viewfinder import light, photos
from viewfinder.bursts import BadBurstError, NoiseLevel
from viewfinder.bursts.contract import Contract
from viewfinder.errors import UsageError
from viewfinder.photos import Photo
from viewfinder.train.camera import noise
from viewfinder.verbs import run as verb
from viewfinder.verbs import run_bursts, running
from viewfinder.verbs.run import RunRequest

MODEL = "kpn-lite"
FRAMES = 3


class Mean:
    """A runner that averages the frames, and remembers their noise."""

    def __init__(self) -> None:
        self.noise: list[NoiseLevel] = []

    def merge(self, frames, on_progress):
        """Average every plane."""
        self.noise.append(Contract(FRAMES, aligned=False).check(frames))
        on_progress(1.0)
        return np.stack([frames.plane(number).mean(0) for number in range(frames.planes)], -1)


@pytest.fixture
def runner(monkeypatch):
    """Put a fake in the place of a loaded network."""
    mean = Mean()

    @contextmanager
    def ready(model, engine, options):
        yield running.Ready(mean, engine or "tflite", "measured", "abc")

    monkeypatch.setattr(running, "ready", ready)
    return mean


@pytest.fixture
def burst(tmp_path):
    """A folder of three equal frames."""
    for number in range(FRAMES):
        photos.write(tmp_path / "night" / f"{number}.png", Photo(make.photograph()))
    return tmp_path / "night"


def test_a_burst_becomes_a_picture_of_16_bits(burst, tmp_path, runner):
    """The mean of equal frames is the frame; the folder's name is the picture's."""
    result = verb.run(RunRequest(MODEL, (burst,), tmp_path / "out", gain=1))
    written = photos.read(tmp_path / "out" / "night.png").pixels
    assert written.dtype == np.uint16
    assert np.abs(written / 65535 - make.photograph() / 255).max() < 2e-4
    assert (result.done[0].width, result.done[0].height) == written.shape[1::-1]


def test_an_archive_holds_linear_light(burst, tmp_path, runner):
    """With .npz, the planes come as the network gave them."""
    verb.run(RunRequest(MODEL, (burst,), tmp_path / "night.npz", gain=1))
    with np.load(tmp_path / "night.npz") as stored:
        assert np.abs(stored["denoised"] - light.to_linear(make.photograph() / 255)).max() < 1e-6


def test_noise_is_said_in_one_of_three_ways(burst, tmp_path, runner):
    """A gain is the noise of the papers' sensor, two deviations are taken as they are, or it is measured and told."""
    verb.run(RunRequest(MODEL, (burst,), tmp_path / "a.png", gain=4))
    verb.run(RunRequest(MODEL, (burst,), tmp_path / "b.png", read_noise=0.01, shot_noise=0.02))
    result = verb.run(RunRequest(MODEL, (burst,), tmp_path / "c.png", estimate_noise=True))
    assert runner.noise[0].read_std == pytest.approx(noise.GAINS[4].read_std)
    assert runner.noise[1] == NoiseLevel(0.01, 0.02)
    assert "noise measured: --read-noise" in result.warnings[0]


def test_an_untrained_network_is_told(burst, tmp_path, runner):
    """`kpn-paper` comes without weights: its picture carries a warning, unless weights are named."""
    (told,) = verb.run(RunRequest("kpn-paper", (burst,), tmp_path / "a.png", gain=1)).warnings
    assert told.startswith("kpn-paper has no trained weights")
    assert not verb.run(
        RunRequest("kpn-paper", (burst,), tmp_path / "b.png", weights="own.safetensors", gain=1)
    ).warnings
    assert not verb.run(RunRequest(MODEL, (burst,), tmp_path / "c.png", gain=1)).warnings


def test_unknown_noise_is_refused_with_the_way_out(burst, tmp_path, runner):
    """Without a word about noise, nothing is made up and nothing is written."""
    with pytest.raises(BadBurstError, match="--read-noise and --shot-noise"):
        verb.run(RunRequest(MODEL, (burst,), tmp_path / "out.png"))
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    "said",
    [{"gain": 4, "read_noise": 0.1}, {"read_noise": 0.1}, {"shot_noise": 0.1}, {"gain": 0}, {"gain": float("nan")}],
)
def test_contradictions_are_refused(burst, tmp_path, said):
    """Half a noise level, two of them, or none that a sensor has."""
    with pytest.raises(UsageError):
        RunRequest(MODEL, (burst,), tmp_path / "out", **said)


def test_noise_is_nothing_to_a_network_of_photographs(burst, tmp_path, runner):
    """`hdrnet` would not use it, so it is not taken silently."""
    with pytest.raises(UsageError, match="takes photographs"):
        verb.run(RunRequest("hdrnet", (burst / "0.png",), tmp_path / "out.png", gain=4))


def test_targets_are_decided_first(burst, tmp_path, runner):
    """A missing burst, a file in the place of a folder, an existing result, two bursts of one name."""
    with pytest.raises(UsageError, match="does not exist"):
        verb.run(RunRequest(MODEL, (tmp_path / "none",), tmp_path / "out", gain=1))
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        verb.run(RunRequest(MODEL, (burst,), tmp_path / "taken", gain=1))
    verb.run(RunRequest(MODEL, (burst,), tmp_path / "out", gain=1))
    with pytest.raises(UsageError, match="exists already"):
        verb.run(RunRequest(MODEL, (burst,), tmp_path / "out", gain=1))
    assert not verb.run(RunRequest(MODEL, (burst,), tmp_path / "out", gain=1, skip_existing=True)).done
    with pytest.raises(UsageError, match="both become"):
        verb.run(RunRequest(MODEL, (burst, burst), tmp_path / "more", gain=1))


def test_what_takes_bursts_is_known_before_it_is_loaded(tmp_path):
    """By the task, or by an artifact's manifest; what cannot be read is somebody else's error."""
    (tmp_path / "manifest.json").write_text('{"pipeline": "burst"}')
    assert run_bursts.takes_bursts(MODEL)
    assert run_bursts.takes_bursts(str(tmp_path))
    (tmp_path / "manifest.json").write_text("[")
    assert not run_bursts.takes_bursts(str(tmp_path))
    assert not run_bursts.takes_bursts("hdrnet")
    assert not run_bursts.takes_bursts("nothing")
