"""The verb `bisect`: a planted bad operator is named, in ONNX and in TFLite; a sound artifact parts nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.runtime.bisect import nets

from viewfinder.cli import main
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.measurement import Verdict
from viewfinder.runtime.report import document as documents
from viewfinder.verbs.bisect import BisectRequest, bisect

BAD = ("first", "third")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Float, a sound w8a8, and one bad artifact for each tensor of `BAD`, in both formats, with golden pictures."""
    work, folder = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("export")
    nets.write(folder / "onnx-float", nets.onnx_float())
    nets.write(folder / "tflite-float", nets.tflite_float(), "NHWC")
    for name in ("", *BAD):
        precision = f"bad_{name}" if name else "w8a8"
        nets.write(folder / f"onnx-{precision}", nets.onnx_quantized(work, name))
        nets.write(folder / f"tflite-{precision}", nets.tflite_quantized(work, name), "NHWC")
    nets.write_golden(folder)
    return folder


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_planted_bad_operator_is_named(build: Path, kind: str, bad: str) -> None:
    """The first tensor below the limit is the one whose scale was spoiled, and its operator is named: exit 1."""
    result = bisect(BisectRequest(build / f"{kind}-float", build / f"{kind}-bad_{bad}"))
    (found,) = result.partings
    assert result.exit_code is Exit.CHECK_FAILED
    assert found.first is found.greatest
    assert found.first is not None
    assert found.first.own.output == bad
    operators = {"onnx": f"conv_{bad}", "tflite": f"CONV_2D #{nets.NAMES.index(bad)}"}
    assert found.first.other.name == operators[kind]
    assert operators[kind] in found.sentence


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_sound_artifact_parts_nowhere(build: Path, kind: str) -> None:
    """Every tensor of the sound w8a8 keeps 25 dB and more, is matched, and is below float's own 120: exit 0."""
    result = bisect(BisectRequest(build / f"{kind}-float", build / f"{kind}-w8a8"))
    (found,) = result.partings
    assert result.exit_code is Exit.PASS
    assert found.first is None
    ratios = {one.own.output: one.sums.sqnr_db for one in found.compared}
    assert set(ratios) == set(nets.NAMES)
    assert all(25 < ratio < 60 for ratio in ratios.values())
    assert all(set(one.photos) == {"astronaut", "coffee"} for one in found.compared)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_an_artifact_beside_itself_is_equal(build: Path, kind: str) -> None:
    """Every tensor of one graph against itself is at the cap."""
    (found,) = bisect(BisectRequest(build / f"{kind}-float", build / f"{kind}-float")).partings
    assert {one.sums.sqnr_db for one in found.compared} == {120.0}


def test_precisions_choose_among_a_folder_of_artifacts(build: Path) -> None:
    """`--from float --to w8a8` compares every format that has both; one that nothing has is refused with a list."""
    result = bisect(BisectRequest(build, to_precision="w8a8"))
    assert [one.report.artifact for one in result.document.sections] == ["onnx-w8a8", "tflite-w8a8"]
    one = bisect(BisectRequest(build, to_precision="w8a8", artifact_format="tflite"))
    assert [section.report.artifact for section in one.document.sections] == ["tflite-w8a8"]
    with pytest.raises(UsageError, match="no pair of float and w4") as raised:
        bisect(BisectRequest(build, to_precision="w4"))
    assert "onnx-bad_first" in raised.value.hint
    with pytest.raises(UsageError, match="nothing to compare with"):
        bisect(BisectRequest(build))


def test_what_cannot_be_compared_is_refused(build: Path, tmp_path: Path) -> None:
    """Two formats, or graphs with other inputs, have no tensors to set side by side."""
    with pytest.raises(UsageError, match="other names and layouts"):
        bisect(BisectRequest(build / "onnx-float", build / "tflite-w8a8"))
    other = nets.write(tmp_path / "onnx-float", nets.onnx_float(), "NHWC")
    with pytest.raises(BadArtifactError, match="other names or inputs"):
        bisect(BisectRequest(build / "onnx-float", other.folder))
    broken = nets.write(tmp_path / "tflite-w8", b"no model", "NHWC")
    with pytest.raises(BadArtifactError, match="cannot be loaded"):
        bisect(BisectRequest(build / "tflite-float", broken.folder))


def test_the_report_shows_the_parting(build: Path, tmp_path: Path) -> None:
    """The page marks the operator and has crops of the tensor; report.json reads back with the same verdict."""
    bisect(BisectRequest(build / "onnx-float", build / "onnx-bad_third", output=tmp_path / "out"))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('<tr class="parts">') == 1
    assert "onnx-bad_third parts at Conv conv_third in model" in page
    assert page.count("data:image/") >= 6
    section = documents.read(tmp_path / "out").sections[0]
    assert section.report.verdict is Verdict.FAIL
    assert section.parting["first"]["tensor"] == "third"
    assert section.parting["unmatched"] == ["first_sum", "second_sum", "third_sum"]


def test_the_command(build: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`viewfinder bisect` names the operator, ends with 1, and takes a limit; --json is one envelope."""
    arguments = ["bisect", str(build / "tflite-float"), str(build / "tflite-bad_first")]
    assert main(arguments) == 1
    assert "they part first at CONV_2D #0 in model" in capfd.readouterr().out
    assert main([*arguments, "--json", "--min-sqnr", "1"]) == 0
    envelope = json.loads(capfd.readouterr().out)
    ratios = [row["sqnr_db"] for row in envelope["result"]["artifacts"][0]["parting"]["tensors"]]
    assert len(ratios) == 4
    assert max(ratios) < 20
