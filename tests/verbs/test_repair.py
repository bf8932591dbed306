"""The verb `repair`: a recipe that meets the budget, made of real artifacts; and exit 1 where there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from tests.runtime.bisect import nets

from viewfinder import golden
from viewfinder.cli import main, repairing
from viewfinder.errors import Exit, UsageError
from viewfinder.golden import GoldenPhoto
from viewfinder.runtime import pipelines
from viewfinder.verbs.quantize import QuantizeRequest, quantize
from viewfinder.verbs.repair import RepairRequest, repair

TRUTH_NOISE = 0.02


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float artifact in ONNX, golden pictures with a truth 34 dB away from float, and calibration pictures."""
    folder = tmp_path_factory.mktemp("work")
    made = nets.write(folder / "export" / "onnx-float", nets.onnx_float())
    truth = nets.write_golden(folder / "export")
    runner = pipelines.open(made, "onnx")
    random = np.random.default_rng(3)
    photos = []
    for photo in truth.photos:
        expected = runner.enhance(photo.pixels)
        noisy = expected + random.normal(0, TRUTH_NOISE, expected.shape)
        photos.append(GoldenPhoto(photo.name, photo.pixels, expected, np.clip(noisy, 0, 1).astype(np.float32)))
    golden.write(folder / "export" / golden.FILE, replace(truth, photos=tuple(photos)))
    (folder / "calibration").mkdir()
    for name, median in (("night", 0.1), ("day", 0.4), ("snow", 0.8)):
        shown = data.coffee()[100:172, 200:272] / 255
        pixels = (np.clip(shown * median / np.median(shown), 0, 1) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "calibration" / f"{name}.png")
    return folder


def request(work: Path, output: Path, budget: float, **changes: object) -> RepairRequest:
    """Ask for a repair of the float artifact."""
    subject, pictures = work / "export" / "onnx-float", work / "calibration"
    return RepairRequest(subject, budget, calibration_data=pictures, output=output, **changes)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_recipe_that_meets_the_budget_is_written(work: Path, tmp_path: Path) -> None:
    """The shipped artifact itself keeps budget and probes, and its recipe makes the same bytes again."""
    result = repair(request(work, tmp_path / "out", 2.0))
    assert result.exit_code is Exit.PASS
    numbers = {one.metric: one for one in result.document.sections[0].report.measurements}
    assert numbers["repair_drop_vs_truth_worst_db"].value <= 2.0  # type: ignore[operator]
    assert numbers["repair_drop_vs_truth_worst_db"].maximum == 2.0
    assert sum(name.startswith("probe_") for name in numbers) == 17
    again = quantize(
        QuantizeRequest(
            str(work / "export" / "onnx-float"), recipe=result.recipe, calibration_data=work / "calibration",
            output=tmp_path / "again",
        )
    )  # fmt: skip
    assert again.artifact.sha256 == result.made.sha256


def test_a_tight_budget_mixes_and_says_why(work: Path, tmp_path: Path) -> None:
    """Eight bits throughout lose 0.4 dB; layers stay float, others do not, and each rule has its measured reason."""
    result = repair(request(work, tmp_path / "out", 0.1))
    assert result.exit_code is Exit.PASS
    points = result.outcome.points
    assert points[0].quality.drop_db > 0.3
    assert result.outcome.chosen is not None
    assert result.outcome.chosen.quality.drop_db <= 0.1
    kinds = list(result.outcome.chosen.kinds.values())
    assert 0 < kinds.count("float") < len(kinds)
    rules = json.loads(result.recipe.read_text())["rules"]
    assert any("alone lose" in rule["reason"] for rule in rules)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<circle") == 2 * len(points)
    assert f"{len(points)} artifacts built and measured" in page


@pytest.mark.slow
def test_a_budget_that_nothing_meets_is_exit_1(work: Path, tmp_path: Path) -> None:
    """The nearest artifact is written and reported, and the page says what it misses."""
    result = repair(request(work, tmp_path / "out", 2.0, max_size=100, photos=1))
    assert result.exit_code is Exit.CHECK_FAILED
    assert result.outcome.chosen is None
    assert "bytes, 100 allowed" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_searched_is_refused(work: Path, tmp_path: Path) -> None:
    """Golden pictures without a truth, a budget of nothing, and formats without layers are usage errors."""
    bare = nets.write(tmp_path / "export" / "onnx-float", nets.onnx_float())
    nets.write_golden(tmp_path / "export")
    with pytest.raises(UsageError, match="no truth"):
        repair(RepairRequest(bare.folder, 0.2))
    with pytest.raises(UsageError, match="budget of 0"):
        RepairRequest(bare.folder, 0)


@pytest.mark.parametrize(("text", "expected"), [("600kB", 600_000), ("0.6MB", 600_000), ("600000", 600_000)])
def test_sizes_are_read(text: str, expected: int) -> None:
    """With and without a unit."""
    assert repairing.in_bytes(text) == expected


@pytest.mark.slow
def test_the_command(work: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`viewfinder repair` names recipe, artifact and report; what is no number is a usage error."""
    subject, pictures = str(work / "export" / "onnx-float"), str(work / "calibration")
    arguments = ["repair", subject, "--calibration-data", pictures, "-o", str(tmp_path / "out"), "--photographs", "1"]
    assert main([*arguments, "--budget", "2dB"]) == 0
    text = capfd.readouterr().out
    assert "met: " in text
    assert str(tmp_path / "out" / "recipe.json") in text
    assert main([*arguments, "--budget", "little"]) == 2
    assert main([*arguments, "--budget", "0.2dB", "--max-size", "small"]) == 2
