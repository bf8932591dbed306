"""The verb `probe`: a banded model that PSNR passes fails, float passes, and what cannot run is no pass."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.probes import lifting

from viewfinder import artifact, demo, photos
from viewfinder.cli import main
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.measurement import Evidence, Measurement, Verdict
from viewfinder.runtime import pipelines
from viewfinder.runtime.engines import onnxruntime
from viewfinder.runtime.metrics import psnr_db
from viewfinder.runtime.report import document as documents
from viewfinder.task import Limit
from viewfinder.verbs.probe import ProbeRequest, ProbeResult, probe

LEVELS, STEP = "probe_shadow_ramp_levels", "probe_shadow_ramp_largest_step"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Float, one that errs by a fortieth of a code, and the banded one, made from float."""
    folder = tmp_path_factory.mktemp("build")
    parent = lifting.write(folder / "onnx-float")
    lifting.write(folder / "onnx-w8a8", scale=lifting.COARSE, parent=parent.sha256)
    lifting.write(folder / "onnx-fp16", bad_border=1e-4)
    return folder


def named(result: ProbeResult) -> dict[str, Measurement]:
    """Return the first artifact's measurements by name."""
    return {one.metric: one for one in result.document.sections[0].report.measurements}


def test_a_banded_model_that_psnr_passes_fails(build: Path) -> None:
    """At 44.9 dB against float, over the photographs of the package, it keeps 16 of 117 levels: exit 1, said so."""
    runs = [pipelines.open(artifact.load(build / name), "onnx") for name in ("onnx-w8a8", "onnx-float")]
    pictures = [photos.read(path).pixels[::4, ::4] for path in demo.photos()]
    psnr = np.mean([psnr_db(*(run.enhance(picture) for run in runs)) for picture in pictures])
    assert psnr == pytest.approx(44.9, abs=0.3)

    result = probe(ProbeRequest(str(build / "onnx-w8a8"), probes=("shadow-ramp", "hue-wheel")))
    levels, step = (named(result)[name] for name in (LEVELS, STEP))
    assert (levels.value, levels.verdict) == (16, Verdict.FAIL)
    assert "float keeps 117" in levels.limit_reason
    assert step.value == 15
    assert step.verdict is Verdict.FAIL
    assert result.exit_code is Exit.CHECK_FAILED
    assert named(result)["probe_hue_wheel_shift_p99"].verdict is Verdict.PASS


def test_a_fine_model_passes_every_probe(build: Path) -> None:
    """An error of a fortieth of a code hurts no chart: exit 0, compared with the float beside it."""
    result = probe(ProbeRequest(str(build / "onnx-fp16")))
    assert result.exit_code is Exit.PASS
    report = result.document.sections[0].report
    assert report.evidence is Evidence.MEASURED
    assert report.notes["compared_with"]["artifact"] == "onnx-float"
    assert all(one.verdict is Verdict.PASS and one.definition and one.limit_reason for one in report.measurements)


def test_a_seam_at_the_tiles_is_found(tmp_path: Path) -> None:
    """A first row of each tile that is two codes brighter is a seam; the rest of the model is float's own."""
    lifting.write(tmp_path / "onnx-float")
    lifting.write(tmp_path / "onnx-w8", bad_border=2 / 255)
    result = probe(ProbeRequest(str(tmp_path / "onnx-w8"), probes=("border-gradient",)))
    seam = named(result)["probe_border_gradient_seam"]
    assert seam.verdict is Verdict.FAIL
    assert seam.value == pytest.approx(3, abs=0.3)  # two up, and half of the way down again behind it
    assert seam.worst.startswith("row")


def test_the_report_shows_charts_and_curves(build: Path, tmp_path: Path) -> None:
    """report.html has the pictures and the curve of each ramp; report.json reads back with the same verdict."""
    probe(ProbeRequest(str(build / "onnx-w8a8"), probes=("shadow-ramp", "noisy-grey"), output=tmp_path / "out"))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<polyline") == 2
    assert page.count("data:image/") == 8
    assert "16 levels" in page
    assert "PyTorch" not in page
    section = documents.read(tmp_path / "out").sections[0]
    assert section.report.verdict is Verdict.FAIL
    assert [one["name"] for one in section.probes] == ["shadow-ramp", "noisy-grey"]


def test_an_artifact_without_float_is_refused(build: Path, tmp_path: Path) -> None:
    """Alone in its folder there is nothing to compare with; --against names it; another task's is refused."""
    alone = lifting.write(tmp_path / "alone" / "onnx-float")
    with pytest.raises(UsageError, match="no other float artifact") as raised:
        probe(ProbeRequest(str(alone.folder)))
    assert "--against" in raised.value.hint
    against = build / "onnx-fp16"
    assert probe(ProbeRequest(str(alone.folder), against, probes=("hue-wheel",))).exit_code is Exit.PASS
    text = (alone.folder / "manifest.json").read_text().replace('"task": "lift"', '"task": "other"')
    (alone.folder / "manifest.json").write_text(text)
    with pytest.raises(BadArtifactError, match="is other"):
        probe(ProbeRequest(str(alone.folder), against))


def test_not_run_is_never_a_pass(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that cannot run here gives exit 3, with the reason at every number."""
    monkeypatch.setattr(onnxruntime, "probe", lambda: "not installed today")
    result = probe(ProbeRequest(str(build / "onnx-w8a8"), probes=("shadow-ramp",)))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert {one.reason for one in named(result).values()} == {"not installed today"}


def test_nan_fails(tmp_path: Path) -> None:
    """An artifact that gives NaN on a chart fails, and its other numbers say why they are missing."""
    lifting.write(tmp_path / "onnx-float")
    lifting.write(tmp_path / "onnx-fp16", bad_border=float("nan"))
    numbers = named(probe(ProbeRequest(str(tmp_path / "onnx-fp16"), probes=("shadow-ramp",))))
    assert numbers["probe_values_not_finite"].verdict is Verdict.FAIL
    assert "NaN" in numbers[LEVELS].reason


def test_limits_may_be_set(build: Path) -> None:
    """A user's bound replaces the built-in one; one on a name that no probe has is refused."""
    few = (Limit(LEVELS, minimum=10), Limit(STEP, maximum=20))
    subject = str(build / "onnx-w8a8")
    assert probe(ProbeRequest(subject, probes=("shadow-ramp",), limits=few)).exit_code is Exit.PASS
    with pytest.raises(UsageError, match="'levels'"):
        probe(ProbeRequest(subject, probes=("shadow-ramp",), limits=(Limit("levels", minimum=10),)))


def test_the_command(build: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`viewfinder probe` ends with 1 and names number, limit and reason; --json is one envelope."""
    arguments = ["probe", str(build / "onnx-w8a8"), "--probe", "shadow-ramp"]
    assert main(arguments) == 1
    assert f"{LEVELS}: 16 levels, >= 106: float keeps 117" in capfd.readouterr().out
    assert main([*arguments, "--json"]) == 1
    envelope = json.loads(capfd.readouterr().out)
    assert envelope["status"] == "failed"
    assert envelope["result"]["artifacts"][0]["probes"][0]["name"] == "shadow-ramp"


@pytest.mark.slow
def test_hdrnet_in_float_and_half_precision_passes(tmp_path: Path) -> None:
    """The shipped network keeps every chart in fp16 against float, and in float against float in other strips."""
    from viewfinder.verbs.export import ExportOptions, export

    for folder, precision, rows in (("a", "float", None), ("a", "fp16", None), ("b", "float", 8)):
        options = ExportOptions(
            "hdrnet", ("onnx",), precision, tmp_path / folder, strip_rows=rows, write_golden=False, use_cache=False
        )
        export(options)
    against = tmp_path / "b" / "onnx-float"
    for name in ("onnx-float", "onnx-fp16"):
        assert probe(ProbeRequest(str(tmp_path / "a" / name), against)).exit_code is Exit.PASS
