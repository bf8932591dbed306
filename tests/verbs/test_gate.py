"""The verbs gate, baseline accept and compare: what they take, refuse, write, and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.verbs import made

from viewfinder.cli import main
from viewfinder.cli.gating import told
from viewfinder.errors import BadArtifactError, Exit, UsageError
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.runtime.gate.outcome import Ruling
from viewfinder.runtime.gate.policyfile import BadPolicyError
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Document, Section
from viewfinder.runtime.verify import Setup
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.baseline import AcceptRequest, accept
from viewfinder.verbs.compare import CompareRequest, compare
from viewfinder.verbs.gate import GateRequest, gate

POLICY = """version: 1
baseline: baseline.json
confidence: 0.5
limits:
  against_float: {worst_psnr_db: 60}
  against_baseline: {drop_vs_truth_db: 0.1}
gates:
  - model: brighten
    targets: [onnx]
    precisions: [float, fp16]
    artifacts: build/export
"""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> made.Engine:
    """Put the fake engine in the place of every engine."""
    fake = made.Engine()
    monkeypatch.setattr(verifying, "setup_for", lambda _made, _engine, n: Setup("onnxruntime", fake, fake.open, n))
    return fake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A policy, and a build of two exact artifacts with their golden pictures."""
    folder = tmp_path / "build" / "export"
    made.write_artifact(folder / "onnx-float")
    made.write_artifact(folder / "onnx-fp16")
    made.write_golden(folder / "golden.npz")
    (tmp_path / "gate.yaml").write_text(POLICY)
    return tmp_path


def rulings(result):
    """Map cases and rules to rulings."""
    return {(case.precision, check.rule): check.ruling.value for case in result.outcome.cases for check in case.checks}


def test_accept_then_gate_is_green(project: Path, engine: made.Engine) -> None:
    """Without a baseline nothing passes; with one everything does, and accepting again changes no byte."""
    request = GateRequest(project / "gate.yaml")
    first = gate(request)
    assert first.exit_code is Exit.NOT_VERIFIED
    assert "baseline accept" in told(first)
    accepted = accept(AcceptRequest(project / "gate.yaml", "the first"))
    assert (len(accepted.changed), accepted.exit_code) == (2, Exit.PASS)
    assert gate(request).exit_code is Exit.PASS
    before = (project / "baseline.json").read_bytes()
    again = accept(AcceptRequest(project / "gate.yaml", "the second"))
    assert (again.changed, again.unchanged) == ((), 2)
    assert (project / "baseline.json").read_bytes() == before


def test_a_worse_artifact_is_red_and_named(project: Path, engine: made.Engine) -> None:
    """The case, the rule, the line and the number stand in the text."""
    accept(AcceptRequest(project / "gate.yaml", "the first"))
    made.write_artifact(project / "build" / "export" / "onnx-fp16", error=-0.01)
    result = gate(GateRequest(project / "gate.yaml"))
    assert result.exit_code is Exit.CHECK_FAILED
    assert rulings(result)["float", "against_float.worst_psnr_db"] == "pass"
    assert rulings(result)["fp16", "against_float.worst_psnr_db"] == "fail"
    assert "gate.yaml:5: fail: brighten onnx@onnxruntime fp16: against_float.worst_psnr_db" in told(result)
    assert "40 dB" in told(result)


def test_a_missing_artifact_and_a_missing_engine_are_not_run(project: Path, engine: made.Engine) -> None:
    """Exit 3, with the reason; the other cases are still decided."""
    accept(AcceptRequest(project / "gate.yaml", "the first"))
    (project / "gate.yaml").write_text(POLICY.replace("fp16", "w8"))
    result = gate(GateRequest(project / "gate.yaml"))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert rulings(result)["w8", "artifact.missing"] == "not-run"
    assert rulings(result)["float", "against_float.worst_psnr_db"] == "pass"
    engine.reason = "no such library"
    result = gate(GateRequest(project / "gate.yaml", use_cache=False))
    assert rulings(result)["float", "artifact.finite"] == "not-run"
    assert "no such library" in told(result)


def test_an_artifact_that_is_another_one_fails(project: Path, engine: made.Engine) -> None:
    """Another task or other weights than the policy names."""
    (project / "gate.yaml").write_text(POLICY.replace("model: brighten", "model: darken\n    weights: mine"))
    result = gate(GateRequest(project / "gate.yaml"))
    assert result.exit_code is Exit.CHECK_FAILED
    assert rulings(result)["float", "artifact.identity"] == "fail"
    assert "has the task 'brighten', the policy wants 'darken'" in told(result)


def test_damaged_golden_pictures_are_no_verdict(project: Path, engine: made.Engine) -> None:
    """What is compared with has to be whole: exit 2, not 1."""
    (project / "build" / "export" / "golden.npz").write_bytes(b"x")
    with pytest.raises(BadArtifactError, match="golden"):
        gate(GateRequest(project / "gate.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[onnx]", "[onyx]", "gate.yaml:9: 'onyx' is no target"),
        ("[onnx]", "[onnx@tensorflow]", "gate.yaml:9: 'onnx@tensorflow' is no target"),
        ("[onnx]", "[onnx@none]", "gate.yaml:9: there is no engine 'none'"),
        ("[float, fp16]", "[float, float]", "stands twice"),
        (
            "model: brighten\n    targets: [onnx]\n    precisions: [float, fp16]\n    artifacts: build/export\n",
            "model: hdrnet\n    targets: [onnx]\n    precisions: [float, fp61]\n",
            "gate.yaml:10: there is no precision 'fp61'",
        ),
        ("    artifacts: build/export\n", "", "gate.yaml:8: no model is called 'brighten'"),
    ],
)
def test_cases_that_cannot_be_are_told_with_their_line(project: Path, old: str, new: str, words: str) -> None:
    """Before anything is measured."""
    (project / "gate.yaml").write_text(POLICY.replace(old, new))
    with pytest.raises(BadPolicyError) as error:
        gate(GateRequest(project / "gate.yaml"))
    assert words in error.value.message


def test_probes_and_instruction_counts_come_from_reports(project: Path, engine: made.Engine, tmp_path: Path) -> None:
    """Of the artifact with the same hash; a count is kept in the baseline and may grow no further."""
    folder = project / "build" / "export" / "onnx-float"
    digest = made.write_artifact(folder).sha256

    def write(count: float, levels: float) -> Path:
        """Write a report of a device and of the probes."""
        found = (
            Measurement("model_instructions", count, "instructions", Evidence.EMULATED),
            Measurement("probe_ramp_levels", levels, "1", Evidence.MEASURED, minimum=100),
        )
        one = Report("brighten", "onnx-float", digest, "onnx", "float", "x", Evidence.MEASURED, found)
        (tmp_path / "device").mkdir(exist_ok=True)
        text = Document("c", "t", {"name": "b"}, {}, (Section(one),)).to_json()
        (tmp_path / "device" / documents.JSON_NAME).write_text(text)
        return tmp_path / "device"

    limits = "  probes: required\n  instructions: {max_growth_percent: 1}\ngates:"
    (project / "gate.yaml").write_text(POLICY.replace("gates:", limits).replace(", fp16]", "]"))
    reports = (write(1000.0, 117.0),)
    accept(AcceptRequest(project / "gate.yaml", "the first", reports=reports))
    assert gate(GateRequest(project / "gate.yaml", reports=reports)).exit_code is Exit.PASS
    result = gate(GateRequest(project / "gate.yaml", reports=(write(1011.0, 16.0),)))
    failed = {check.rule for check in result.outcome.cases[0].checks if check.ruling is Ruling.FAIL}
    assert failed == {"instructions.max_growth_percent.instructions_model", "probes.probe_ramp_levels"}


def test_every_output_is_written(project: Path, engine: made.Engine, capfd: pytest.CaptureFixture[str]) -> None:
    """By the command: the page with pictures, the reports for machines; compare reads them, and the baseline."""
    policy, output = str(project / "gate.yaml"), project / "out"
    assert main(["baseline", "accept", "--policy", policy, "--reason", "good"]) == 0
    made.write_artifact(project / "build" / "export" / "onnx-fp16", error=-0.004)
    capfd.readouterr()
    assert main(["gate", "-p", policy, "-o", str(output), "--json"]) == 1
    envelope = json.loads(capfd.readouterr().out)
    assert (envelope["command"], envelope["status"]) == ("gate", "failed")
    names = {path.name for path in output.iterdir()}
    assert names == {"pictures", "report.html", "report.json", "gate.json", "junit.xml", "gate.sarif", "summary.md"}
    saved = json.loads((output / "gate.json").read_text())
    assert saved["ruling"] == "fail"
    assert ET.parse(output / "junit.xml").getroot().get("failures") == "3"
    linked = [
        line.split("](")[1].split(")")[0] for line in (output / "summary.md").read_text().splitlines() if "![" in line
    ]
    assert linked
    assert all((output / target).is_file() for target in linked)
    page = (output / "report.html").read_text()
    assert "against_float" in page or "the limit is at least 60 dB" in page
    assert documents.read(output).verdict.value == "fail"
    assert main(["compare", str(project / "baseline.json"), str(output), "--confidence", "0.5"]) == 1
    text = capfd.readouterr().out
    assert "brighten - onnx@onnxruntime float: same" in text
    assert "brighten - onnx@onnxruntime fp16: worse" in text
    assert "changed: the file model.json differs" in text


def test_an_earlier_page_does_not_outlive_its_verdict(project: Path, engine: made.Engine) -> None:
    """The report of a green gate is replaced by that of a red one, even if nothing could be measured any more."""
    policy = project / "gate.yaml"
    policy.write_text(POLICY.replace("  against_baseline: {drop_vs_truth_db: 0.1}\n", ""))
    assert gate(GateRequest(policy, output=project / "out")).exit_code is Exit.PASS
    for name in ("onnx-float", "onnx-fp16"):
        (project / "build" / "export" / name / "model.json").write_text("damaged")
    assert gate(GateRequest(policy, output=project / "out")).exit_code is Exit.CHECK_FAILED
    assert "does not match its manifest" in (project / "out" / "report.html").read_text()
    assert documents.read(project / "out").verdict.value == "fail"
    (project / "build" / "export" / "golden.npz").unlink()
    assert gate(GateRequest(policy, output=project / "out")).exit_code is Exit.CHECK_FAILED
    assert not (project / "out" / "report.html").exists()
    assert "report.html" not in (project / "out" / "summary.md").read_text()


def test_two_models_have_a_report_each(project: Path, engine: made.Engine) -> None:
    """Each in a folder of its own, linked from the summary."""
    other = project / "other" / "export"
    made.write_artifact(other / "onnx-float", task="darken")
    made.write_golden(other / "golden.npz", task="darken")
    more = "  - {model: darken, targets: [onnx], precisions: [float], artifacts: other/export}\n"
    text = POLICY.replace("  against_baseline: {drop_vs_truth_db: 0.1}\n", "") + more
    (project / "gate.yaml").write_text(text)
    result = gate(GateRequest(project / "gate.yaml", output=project / "out"))
    assert result.exit_code is Exit.PASS
    pages = sorted(path.relative_to(project / "out").as_posix() for path in (project / "out").rglob("report.html"))
    assert pages == ["brighten-1/report.html", "darken-2/report.html"]
    assert all(page in (project / "out" / "summary.md").read_text() for page in pages)


def test_compare_ends_as_its_answer(project: Path, engine: made.Engine, tmp_path: Path) -> None:
    """Same is 0, worse is 1, incomparable is 3; what holds no numbers is refused."""
    export = project / "build" / "export"

    def report(name: str, **changes: float) -> Path:
        """Verify into a folder."""
        made.write_artifact(export / "onnx-float", **changes)
        subject = str(export / "onnx-float")
        verifying.verify(verifying.VerifyRequest(subject, output=tmp_path / name))
        return tmp_path / name

    good, bad = report("good"), report("bad", error=-0.01)
    assert compare(CompareRequest(good, good)).exit_code is Exit.PASS
    assert compare(CompareRequest(good, bad, confidence=0.5)).exit_code is Exit.CHECK_FAILED
    assert compare(CompareRequest(bad, good, confidence=0.5)).word.value == "better"
    little = report("little", error=-0.0002)
    mean = compare(CompareRequest(good, little)).answers[0].judgement.interval.mean
    few = compare(CompareRequest(good, little, margin_db=mean))
    assert few.exit_code is Exit.NOT_VERIFIED
    assert "Student's t" in few.answers[0].why
    (export / "onnx-float").rename(export / "onnx-half")
    with pytest.raises(UsageError, match=r"report\.json"):
        compare(CompareRequest(export, good))
    for wrong in ({"margin_db": 0.0}, {"confidence": 1.0}):
        with pytest.raises(UsageError):
            CompareRequest(good, good, **wrong)


def test_only_one_side_is_incomparable(project: Path, engine: made.Engine, tmp_path: Path) -> None:
    """An artifact that the other side lacks is told."""
    folder = str(project / "build" / "export")
    verifying.verify(verifying.VerifyRequest(folder, output=tmp_path / "both"))
    verifying.verify(verifying.VerifyRequest(f"{folder}/onnx-float", output=tmp_path / "one"))
    result = compare(CompareRequest(tmp_path / "both", tmp_path / "one"))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert {one.word.value for one in result.answers} == {"same", "incomparable"}


def test_nothing_is_accepted_without_a_reason_or_a_place(project: Path, engine: made.Engine) -> None:
    """Told before anything is measured; what cannot be measured keeps its old entry."""
    with pytest.raises(UsageError, match="for a reason"):
        accept(AcceptRequest(project / "gate.yaml", " "))
    assert engine.opened == 0
    accept(AcceptRequest(project / "gate.yaml", "the first"))
    before = (project / "baseline.json").read_bytes()
    engine.reason = "gone"
    result = accept(AcceptRequest(project / "gate.yaml", "the second", use_cache=False))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert len(result.left_out) == 2
    assert "gone" in result.left_out[0]
    assert (project / "baseline.json").read_bytes() == before
    text = POLICY.replace("baseline: baseline.json\n", "").replace("  against_baseline: {drop_vs_truth_db: 0.1}\n", "")
    (project / "gate.yaml").write_text(text)
    with pytest.raises(UsageError, match="names no baseline"):
        accept(AcceptRequest(project / "gate.yaml", "the third"))


def test_the_schema_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """`gate --print-schema` needs no policy."""
    assert main(["gate", "--print-schema"]) == 0
    assert "against_truth" in json.loads(capfd.readouterr().out)["$defs"]["Limits"]["properties"]
