"""Quantizing networks that merge bursts: calibration on bursts, coverage before any work, and what it costs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from viewfinder import artifact, demo, photos
from viewfinder.bursts import Burst
from viewfinder.bursts.frames import FloatFrames
from viewfinder.errors import UsageError
from viewfinder.photos import Photo
from viewfinder.quantize.calibration import CoverageError
from viewfinder.runtime import pipelines
from viewfinder.task import BURST, NOISY, PHOTOGRAPHS
from viewfinder.train import burst_benchmark
from viewfinder.train.camera import noise
from viewfinder.verbs import calibrating
from viewfinder.verbs.calibrating import Asked
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.quantize import QuantizeRequest, quantize

LARGEST_DROP_DB = 0.2
"""Of 8-bit kpn-lite against float at every gain: what the product promises."""


def test_photographs_become_bursts(tmp_path):
    """A folder of photographs becomes bursts of every gain and motion; a missing exposure is named and stops all."""
    for number, level in enumerate((20, 110)):
        photos.write(tmp_path / "mine" / f"{number}.png", Photo(np.full((80, 80, 3), level, np.uint8)))
    asked = Asked(tmp_path / "mine", 8, 0.8)
    chosen = calibrating.choose(asked, BURST)
    assert chosen.described.missing == ("exposure=bright",)
    assert chosen.described.name == "bursts of the photographs mine"
    assert all(sample.read().frames.shape == (8, 40, 40, 1) for sample in chosen.samples)
    with pytest.raises(CoverageError, match="exposure=bright"):
        calibrating.choose(Asked(tmp_path / "mine", 8), BURST)


def test_photographs_stay_photographs():
    """Networks that take photographs are calibrated on photographs."""
    chosen = calibrating.choose(Asked(), PHOTOGRAPHS)
    assert all(sample.read().ndim == 3 for sample in chosen.samples)


def test_a_level_of_noise_that_is_left_out_is_named(tmp_path):
    """A few photographs get every level each; where too few samples are asked for, the missing level stops all."""
    for number, level in enumerate((20, 110, 230)):
        photos.write(tmp_path / "mine" / f"{number}.png", Photo(np.full((80, 80, 3), level, np.uint8)))
    chosen = calibrating.choose(Asked(tmp_path / "mine"), NOISY)
    assert (len(chosen.samples), chosen.described.coverage) == (9, 1.0)
    with pytest.raises(CoverageError, match="sigma=50"):
        calibrating.choose(Asked(tmp_path / "mine", 4), NOISY)


def test_denoisers_are_calibrated_on_noise():
    """A network that takes noise away meets every level at every exposure of the default set; others meet none."""
    clean, noisy = calibrating.choose(Asked(), PHOTOGRAPHS), calibrating.choose(Asked(), NOISY)
    assert noisy.described.name.endswith(", with noise")
    assert noisy.described.sha256 != clean.described.sha256
    assert {int(sample.name.split()[-1]) for sample in noisy.samples} == {15, 25, 50}
    met = {tuple(sample.name.split()[1::2]) for sample in noisy.samples}
    assert len(met) == 9, met
    assert [noisy.described.strata[f"sigma={sigma}"] for sigma in (15, 25, 50)] == [4, 4, 4]
    sample = next(sample for sample in noisy.samples if sample.name.startswith("coffee +0"))
    pixels = sample.read().astype(np.float32)
    found = np.median(np.abs(pixels[1:] - pixels[:-1])) / 0.6745 / 2**0.5
    assert found == pytest.approx(int(sample.name.split()[-1]), rel=0.25)


def test_a_task_and_its_artifact_say_what_calibrates_them():
    """The denoisers take noise, by name and in the manifest of an artifact; HDRNet takes photographs."""
    assert calibrating.kind_of("dncnn", None) == NOISY
    assert calibrating.kind_of("kpn-lite", None) == BURST
    assert calibrating.kind_of("hdrnet", None) == PHOTOGRAPHS
    made = SimpleNamespace(pipeline="tiles", parameters={"tile": [64, 64]})
    assert calibrating.kind_of("", [made]) == PHOTOGRAPHS
    denoiser = SimpleNamespace(pipeline="tiles", parameters={"tile": [64, 64], "samples": NOISY})
    assert calibrating.kind_of("", [denoiser]) == NOISY
    with pytest.raises(UsageError, match="noisy and photographs"):
        calibrating.kind_of("both", [made, denoiser])


def test_too_small_photographs_are_refused(tmp_path):
    """A photograph of which no burst can be made is named."""
    photos.write(tmp_path / "mine" / "tiny.png", Photo(np.full((40, 40, 3), 110, np.uint8)))
    with pytest.raises(UsageError, match=r"tiny\.png has 40x40"):
        calibrating.choose(Asked(tmp_path / "mine", 1, 0.1), BURST)


def test_coverage_is_checked_before_the_export(tmp_path):
    """A model whose calibration bursts leave out strata is not even exported."""
    photos.write(tmp_path / "mine" / "grey.png", Photo(np.full((80, 80, 3), 110, np.uint8)))
    request = QuantizeRequest("kpn-lite", output=tmp_path / "out", calibration_data=tmp_path / "mine")
    with pytest.raises(CoverageError, match="exposure=dark, exposure=bright"):
        quantize(request)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def float_network(tmp_path_factory) -> Path:
    """Export kpn-lite for small tiles."""
    folder = tmp_path_factory.mktemp("kpn-lite")
    options = ExportOptions("kpn-lite", ("onnx",), output=folder, width=160, strip_rows=160, write_golden=False)
    return export(options).artifacts[0].folder


@pytest.mark.slow
def test_eight_bits_lose_little_at_every_gain(float_network):
    """kpn-lite in w8a8, its kernels float, is as good as float to 0.2 dB at every gain, and its file is smaller."""
    made = quantize(QuantizeRequest(str(float_network), "w8a8", samples=8, use_cache=False)).artifact
    parent = artifact.load(float_network)
    assert made.size_bytes < 0.6 * parent.size_bytes
    assert made.recipe["calibration"]["coverage"] == 1
    assert made.graphs[0].notes["rules"]["w8a8"] > 20
    runners = [pipelines.open(one, "onnx", 1) for one in (parent, made)]
    for gain in noise.GAINS:
        found = []
        for path in demo.photos()[:2]:
            burst = burst_benchmark.burst_of(path, gain)
            frames, truth = burst.frames[:, :120, :120], burst.truth[:120, :120, 0]
            results = [runner.merge(FloatFrames(Burst(frames, burst.level)))[..., 0] for runner in runners]
            found.append([burst_benchmark.quality_db(result, truth) for result in results])
        whole, eight = np.mean(found, 0)
        assert eight > whole - LARGEST_DROP_DB
        assert eight != whole
