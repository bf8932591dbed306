"""The burst benchmark: the same bursts every time, classical methods in their order."""

from __future__ import annotations

import numpy as np
import pytest

from viewfinder import light
from viewfinder.bursts import NoiseLevel
from viewfinder.errors import UsageError
from viewfinder.train import burst_benchmark, evaluate_bursts
from viewfinder.train.baselines import burst_denoising, stabilising
from viewfinder.train.camera import noise

FAST = tuple(name for name in burst_denoising.METHODS if not name.startswith("bm3d"))


@pytest.fixture
def photographs(pictures, tmp_path):
    """Two photographs of a size that leaves bursts of 48x64 pixels, enlarged from the small ones."""
    from viewfinder import photos

    for number in (1, 2):
        large = photos.resize(pictures[number][:54, :72], (216, 288))
        photos.write(tmp_path / f"{number}.png", photos.Photo(np.rint(np.clip(large, 0, 1) * 255).astype(np.uint8)))
    return tmp_path


@pytest.mark.parametrize("gain", noise.GAINS)
def test_stabilised_noise_has_deviation_one(gain):
    """At any light: the transform's noise is one within 6 %, and the unbiased inverse gives the light back."""
    level, rng = noise.GAINS[gain], np.random.default_rng(gain)
    for signal in (0.15, 0.4, 0.9):
        light_level = np.full(40_000, signal, np.float32)
        stable = stabilising.stabilise(noise.add(light_level, level, rng), level)
        assert float(stable.std()) == pytest.approx(1, abs=0.06)
        mean = np.array([stable.mean(dtype=np.float64)], np.float32)
        assert float(stabilising.undo(mean, level)[0]) == pytest.approx(signal, rel=0.02)


def test_read_noise_alone_is_stabilised_too():
    """Without shot noise the transform is nearly a straight line, and nothing divides by zero."""
    level = NoiseLevel(0.02, 0.0)
    stable = stabilising.stabilise(noise.add(np.full(20_000, 0.3, np.float32), level, np.random.default_rng(0)), level)
    assert float(stable.std()) == pytest.approx(1, abs=0.05)
    assert float(stabilising.undo(stable.mean(keepdims=True), level)[0]) == pytest.approx(0.3, abs=0.01)


def test_bursts_are_the_same_every_time(photographs):
    """Seeds come from gain and name alone."""
    photo = photographs / "1.png"
    first, again = (burst_benchmark.burst_of(photo, 4) for _ in range(2))
    assert np.array_equal(first.frames, again.frames)
    assert first.frames.shape == (8, 54, 72, 1)
    assert not np.array_equal(first.shifts, burst_benchmark.burst_of(photo, 8).shifts)


def test_quality_is_psnr_after_the_curve_without_borders():
    """An error at the border does not count; one inside counts after sRGB's curve."""
    truth = np.full((40, 40), 0.2, np.float32)
    made = truth.copy()
    made[:8] = 1
    assert burst_benchmark.quality_db(made, truth) == 120
    made[8:-8] = 0.3
    step = float(light.to_display(np.float32(0.3)) - light.to_display(np.float32(0.2)))
    assert burst_benchmark.quality_db(made, truth) == pytest.approx(-20 * np.log10(step), abs=1e-3)


def test_alignment_and_merge_are_worth_what_they_cost(photographs):
    """On the photographs, at gains 2 and 8: aligned frames beat one frame and the blurred average by decibels."""
    methods = {
        name: burst_benchmark.baseline(name, {"merge": dict.fromkeys(("1", "2", "4", "8"), 64.0)})
        for name in FAST
        if name != "nlm"
    }
    table = burst_benchmark.measure(burst_benchmark.pictures(photographs), methods)
    for gain in ("2", "8"):
        row = {name: scores.mean_db for name, scores in table[gain].items()}
        assert row["aligned"] > max(row["reference"], row["average"]) + 2
        assert row["merge"] > row["reference"] + 4
    assert table["1"]["reference"].mean_db > table["8"]["reference"].mean_db + 8


def test_tuning_takes_the_best_of_the_grid(photographs, monkeypatch):
    """The strength with the highest mean is found, per gain; methods without a strength have none."""
    monkeypatch.setitem(burst_denoising.RUN, "nlm", lambda case, strength: case.frames[0] + abs(strength - 0.7))
    found = burst_benchmark.tune(burst_benchmark.pictures(photographs), ("reference", "nlm"))
    assert found == {"nlm": dict.fromkeys(("1", "2", "4", "8"), 0.7)}


def test_truths_are_picked_out_of_a_folder_of_results(photographs):
    """Where pictures are called ..._truth, the others are somebody's results."""
    (photographs / "1.png").rename(photographs / "scene_truth.png")
    assert [path.name for path in burst_benchmark.pictures(photographs)] == ["scene_truth.png"]


def test_a_record_is_measured_written_and_read(photographs, tmp_path, monkeypatch, capsys):
    """The command tunes, measures, prints and records; the second time it takes the record."""
    monkeypatch.setattr(burst_denoising, "has_bm3d", lambda: False)
    monkeypatch.setattr(burst_benchmark, "TUNING_FIRST", 0)
    monkeypatch.setattr(burst_benchmark, "GRIDS", {"merge": (32.0,), "nlm": (0.7,)})
    words = ["--set", f"mine={photographs}"]
    record = tmp_path / "record.json"
    assert evaluate_bursts.main([*words, "--tune", str(photographs), "-o", str(record)]) == 0
    printed = capsys.readouterr().out
    assert "| HDR+-style Wiener merge of aligned frames |" in printed
    assert "mine, 2 photographs" in printed
    assert evaluate_bursts.main([*words, "--baselines", str(record)]) == 0
    assert capsys.readouterr().out == printed
    assert evaluate_bursts.main(["--set", f"other={photographs}", "--baselines", str(record)]) == 2
    assert "has no set 'other'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 9}', "[]"])
def test_what_is_no_record_is_refused(tmp_path, text):
    """A damaged table is named, with the command that makes one."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match=r"x\.json is no table of burst denoisers"):
        evaluate_bursts.read(tmp_path / "x.json")


def test_a_network_of_another_kind_is_refused():
    """An enhancer cannot be measured on bursts."""
    with pytest.raises(UsageError, match="hdrnet is no burst denoiser"):
        evaluate_bursts.network("hdrnet")
