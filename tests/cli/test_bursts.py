"""Bursts on the command line: what does not fit the contract, stopping, and progress; with a network of two sums."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest
from tests.photos import make
from tests.verbs import burst_build

from viewfinder import photos
from viewfinder.cli import main
from viewfinder.photos import Photo
from viewfinder.verbs import run as run_verb

NOISE = ("--read-noise", "0.01", "--shot-noise", "0.05")
PICTURE = make.photograph(96, 128)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """Write an artifact that averages three frames; its manifest holds the contract."""
    return burst_build.write(tmp_path_factory.mktemp("artifact") / "onnx-float").folder


@pytest.fixture
def night(tmp_path):
    """A folder of three frames that the artifact takes."""
    for number in range(burst_build.FRAMES):
        photos.write(tmp_path / "night" / f"{number}.png", Photo(PICTURE))
    return tmp_path / "night"


def more(night):
    """A fourth frame."""
    photos.write(night / "3.png", Photo(PICTURE))


def fewer(night):
    """Two frames."""
    (night / "2.png").unlink()


def cropped(night):
    """Another size."""
    photos.write(night / "1.png", Photo(PICTURE[:-2]))


def deeper(night):
    """Another depth."""
    photos.write(night / "1.png", Photo(PICTURE.astype(np.uint16) * 257))


def white(night):
    """A reference frame without anything in it."""
    photos.write(night / "0.png", Photo(np.full_like(PICTURE, 255)))


def broken(night):
    """A frame that ends in the middle."""
    (night / "1.png").write_bytes((night / "1.png").read_bytes()[:300])


def kept(_night):
    """Nothing."""


@pytest.mark.parametrize(
    ("spoil", "said", "told"),
    [
        (more, NOISE, ("bad-burst", "night has 4 frames, and the network takes 3", "leave 1 of its frames out")),
        (fewer, NOISE, ("bad-burst", "night has 2 frames, and the network takes 3", "add 1 more of the same scene")),
        (cropped, NOISE, ("bad-burst", "frame 2 (1.png) is 128x94", "one camera at one setting")),
        (deeper, NOISE, ("bad-burst", "frame 2 (1.png) is 128x96, 16 bits", "one camera at one setting")),
        (white, NOISE, ("saturated-burst", "100% of the reference frame is at white", "shorter exposure first")),
        (broken, NOISE, ("bad-image", "1.png", "")),
        (kept, (), ("unknown-noise", "does not say how noisy", "--read-noise and --shot-noise")),
        (kept, NOISE[:2], ("usage", "--shot-noise is missing", "say both")),
        (kept, ("--gain", "-1"), ("usage", "gain of -1", "positive")),
    ],
)
def test_what_breaks_the_contract_is_told_and_nothing_is_written(artifact, night, capfd, spoil, said, told):
    """Wrong count, mixed sizes, no metadata, a white reference: exit 2, the cause with its file, the way out."""
    spoil(night)
    code, message, hint = told
    ended = main(["run", str(artifact), str(night), "-o", str(night.parent / "out"), *said, "--json"])
    error = json.loads(capfd.readouterr().out)["error"]
    assert (ended, error["code"]) == (2, code)
    assert message in error["message"]
    assert hint in error["hint"]
    assert not list((night.parent / "out").rglob("*"))


def test_a_burst_that_fits_is_merged_and_tells_its_progress(artifact, night, capfd):
    """Exit 0, the picture, and on standard error how far it is."""
    assert main(["run", str(artifact), str(night), "-o", str(night.parent / "out"), *NOISE]) == 0
    written = photos.read(night.parent / "out" / "night.png").pixels
    assert np.abs(written / 65535 - PICTURE / 255).max() < 2e-4
    assert "[1/1] night" in capfd.readouterr().err


def test_verify_tells_every_gain_and_motion_alone(tmp_path, capfd):
    """A mean would hide a gain that suffers: PSNR of PyTorch and of the artifact stand below each kind."""
    own = burst_build.write(tmp_path / "onnx-float")
    burst_build.write_golden(tmp_path, own, 2)
    assert main(["verify", str(own.folder)]) == 0
    lines = capfd.readouterr().out.splitlines()
    (start,) = (number for number, line in enumerate(lines) if line.startswith("PSNR against truth "))
    head, reference, artifact_line = (re.split(r" {2,}", line) for line in lines[start : start + 3])
    assert head[1:] == ["gain 1", "gain 4", "motion small"]
    assert [reference[0], artifact_line[0]] == ["PyTorch", "onnx-float"]
    assert len(reference) == len(artifact_line) == len(head)
    assert artifact_line[1].endswith("dB, 0.000 dB lost")


def test_an_archive_without_a_white_balance_is_told(artifact, tmp_path, capfd):
    """Bayer planes without gains become a green picture, and a warning says which arrays are missing."""
    np.savez(tmp_path / "raw.npz", frames=np.full((3, 32, 48, 4), 0.2, np.float32), read_std=0.01, shot_std=0.05)
    assert main(["run", str(artifact), str(tmp_path / "raw.npz"), "-o", str(tmp_path / "out"), "--json"]) == 0
    (warning,) = json.loads(capfd.readouterr().out)["warnings"]
    assert "`white_balance`" in warning


def _while_merging(patch):
    """Stop when half of the picture is done."""
    tell = run_verb._tell

    def stopping(progress, step, share):
        """Go on until the middle."""
        tell(progress, step, share)
        if share >= 0.5:
            signal.raise_signal(signal.SIGINT)

    patch.setattr(run_verb, "_tell", stopping)


def _while_writing(patch):
    """Stop when a part of the file is written."""

    def stopping(stream, **_arrays):
        """Write a part."""
        stream.write(b"PK")
        stream.flush()
        signal.raise_signal(signal.SIGINT)

    patch.setattr(np, "savez", stopping)


@pytest.mark.parametrize("stop", [_while_merging, _while_writing])
def test_ctrl_c_leaves_nothing_half_written(artifact, night, capfd, monkeypatch, stop):
    """Exit 130, and the folder is as it was: neither a result nor a part of one."""
    before = sorted(night.parent.rglob("*"))
    stop(monkeypatch)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        assert main(["run", str(artifact), str(night), "-o", str(night.parent / "night.npz"), *NOISE]) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    assert "0 of 1 bursts" in capfd.readouterr().err
    assert sorted(night.parent.rglob("*")) == before
