"""The verb `verify`: what it takes, what it refuses, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.verbs import made

from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.runtime.verify import Setup
from viewfinder.task import Limit
from viewfinder.verbs import verify as verb
from viewfinder.verbs.verify import VerifyRequest, verify


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> made.Engine:
    """Put the fake engine in the place of every engine."""
    fake = made.Engine()
    monkeypatch.setattr(verb, "setup_for", lambda _made, _engine, threads: Setup("fake", fake, fake.open, threads))
    return fake


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder with an exact artifact, one that errs by 0.004, and golden pictures beside them."""
    folder = tmp_path / "build" / "export"
    made.write_artifact(folder / "onnx-float")
    made.write_artifact(folder / "onnx-fp16", error=0.004)
    made.write_golden(folder / "golden.npz")
    return folder.parent


def test_an_exact_artifact_passes(build: Path, engine: made.Engine) -> None:
    """Exit 0, and every number is in the result."""
    result = verify(VerifyRequest(str(build / "export" / "onnx-float")))
    assert result.exit_code is Exit.PASS
    numbers = {one["metric"]: one["value"] for one in result.to_dict()["artifacts"][0]["measurements"]}
    assert numbers["psnr_vs_float_worst_db"] == pytest.approx(120)
    assert engine.opened == 1


@pytest.mark.parametrize("name", ["onnx-float/manifest.json", "onnx-float"])
def test_an_artifact_may_be_named_by_folder_or_manifest(build: Path, engine: made.Engine, name: str) -> None:
    """Both lead to the same artifact and its golden pictures."""
    result = verify(VerifyRequest(str(build / "export" / name)))
    assert [one.report.artifact for one in result.document.sections] == ["onnx-float"]


def test_a_build_is_verified_whole_and_its_worst_decides(build: Path, engine: made.Engine) -> None:
    """Every artifact below the folder is verified; one that fails makes exit 1."""
    result = verify(VerifyRequest(str(build)))
    verdicts = {one.report.artifact: one.report.verdict.value for one in result.document.sections}
    assert verdicts == {"onnx-float": "pass", "onnx-fp16": "fail"}
    assert result.exit_code is Exit.CHECK_FAILED


def test_limits_of_the_user_replace_the_built_in(build: Path, engine: made.Engine) -> None:
    """`--min-psnr` and other limits decide in place of the table."""
    subject = str(build / "export" / "onnx-float")
    assert verify(VerifyRequest(subject, min_psnr=130)).exit_code is Exit.CHECK_FAILED
    strict = VerifyRequest(subject, limits=(Limit("psnr_vs_truth_db", minimum=60),))
    assert verify(strict).exit_code is Exit.CHECK_FAILED
    with pytest.raises(UsageError, match="no metric 'psnrr'"):  # before anything is measured
        VerifyRequest(subject, limits=(Limit("psnrr", minimum=60),))


def test_an_engine_that_cannot_run_is_exit_3(build: Path, engine: made.Engine) -> None:
    """Nothing measured is never a pass, and is measured when the engine is there again."""
    engine.reason = "not installed"
    request = VerifyRequest(str(build / "export" / "onnx-float"))
    assert verify(request).exit_code is Exit.NOT_VERIFIED
    engine.reason = None
    assert verify(request).exit_code is Exit.PASS


def test_the_same_verification_is_reused_and_says_so(build: Path, engine: made.Engine, tmp_path: Path) -> None:
    """The second time nothing runs; number, time and command of the first stand there, with new limits applied."""
    subject = str(build / "export" / "onnx-float")
    first = verify(VerifyRequest(subject, output=tmp_path / "one", command="viewfinder verify first"))
    again = verify(VerifyRequest(subject, output=tmp_path / "two", command="viewfinder verify again", min_psnr=130))
    assert engine.opened == 1
    notes = again.document.sections[0].report.notes
    assert notes["reused"] is True
    assert notes["measured_by"] == "viewfinder verify first"
    assert notes["measured_at"] == first.document.sections[0].report.notes["measured_at"]
    assert "reused" not in first.document.sections[0].report.notes
    assert again.exit_code is Exit.CHECK_FAILED
    pictures = [
        {path.name: path.read_bytes() for path in (tmp_path / one / "pictures").iterdir()} for one in ("one", "two")
    ]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) > 10


def test_no_cache_measures_again(build: Path, engine: made.Engine) -> None:
    """Without the cache every call runs the artifact and leaves nothing behind."""
    request = VerifyRequest(str(build / "export" / "onnx-float"), use_cache=False)
    assert [verify(request).exit_code for _ in range(2)] == [Exit.PASS, Exit.PASS]
    assert engine.opened == 2


def test_a_changed_artifact_or_golden_file_is_measured_again(build: Path, engine: made.Engine) -> None:
    """The stored numbers belong to the hashes of both."""
    folder = build / "export" / "onnx-float"
    verify(VerifyRequest(str(folder)))
    made.write_artifact(folder, error=0.2)
    assert verify(VerifyRequest(str(folder))).exit_code is Exit.CHECK_FAILED
    assert engine.opened == 2


def test_a_report_is_written_where_asked(build: Path, engine: made.Engine, tmp_path: Path) -> None:
    """report.json, report.html and pictures/ appear; other files in the folder stay."""
    output = tmp_path / "out"
    output.mkdir()
    (output / "mine.txt").write_text("keep")
    verify(VerifyRequest(str(build), output=output, command="viewfinder verify build -o out"))
    assert {path.name for path in output.iterdir()} == {"mine.txt", "pictures", "report.html", "report.json"}
    data = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert data["command"] == "viewfinder verify build -o out"
    assert [one["artifact"] for one in data["artifacts"]] == ["onnx-float", "onnx-fp16"]


def test_damage_is_refused_before_anything_runs(build: Path, engine: made.Engine) -> None:
    """A flipped byte in a graph or in the golden file, and golden pictures of other weights, are errors."""
    folder = build / "export" / "onnx-float"
    file = folder / "model.json"
    whole = file.read_bytes()
    file.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(BadArtifactError, match="does not match its manifest"):
        verify(VerifyRequest(str(folder)))
    file.write_bytes(whole)
    stored = (build / "export" / "golden.npz").read_bytes()
    (build / "export" / "golden.npz").write_bytes(stored[:-9] + bytes([stored[-9] ^ 1]) + stored[-8:])
    with pytest.raises(BadArtifactError, match=r"golden\.npz"):
        verify(VerifyRequest(str(folder)))
    made.write_golden(build / "export" / "golden.npz", weights_sha256="cd" * 32)
    with pytest.raises(BadArtifactError, match="weights"):
        verify(VerifyRequest(str(folder)))
    assert engine.opened == 0


def test_a_missing_golden_file_says_how_to_get_one(build: Path, engine: made.Engine, tmp_path: Path) -> None:
    """Without golden pictures beside it the error names the way out; `golden` takes a file from elsewhere."""
    elsewhere = tmp_path / "golden.npz"
    (build / "export" / "golden.npz").rename(elsewhere)
    (build / "export" / "golden.json").rename(elsewhere.with_suffix(".json"))
    subject = str(build / "export" / "onnx-float")
    with pytest.raises(BadArtifactError, match=r"golden\.npz(.|\n)*--golden"):
        verify(VerifyRequest(subject))
    assert verify(VerifyRequest(subject, golden=elsewhere)).exit_code is Exit.PASS


def test_an_empty_folder_and_an_engine_of_another_format_are_refused(build: Path, tmp_path: Path) -> None:
    """Nothing to verify is an error that says what there is."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no artifact in"):
        verify(VerifyRequest(str(tmp_path / "empty")))
    with pytest.raises(UsageError, match="no artifact for the engine tflite; it has onnx"):
        verify(VerifyRequest(str(build), engine="tflite"))
    with pytest.raises(UsageError, match="0 threads"):
        VerifyRequest(str(build), threads=0)


def test_an_unreadable_manifest_is_named(build: Path) -> None:
    """A folder whose manifest is damaged is a bad artifact, not an empty folder."""
    manifest = build / "export" / "onnx-float" / "manifest.json"
    manifest.write_text("{")
    with pytest.raises(BadArtifactError, match="manifest"):
        verify(VerifyRequest(str(manifest.parent)))
