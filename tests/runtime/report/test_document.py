"""``report.json``: complete, sorted, versioned, and read back without believing it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.runtime.report.made import document

from viewfinder.measurement import Evidence, Measurement, Report, Verdict
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import BadReportError, joined


def test_a_report_survives_writing_and_reading(tmp_path: Path) -> None:
    """What is read is what was written, keys sorted, with its version, and both files stand beside the pictures."""
    made = document(tmp_path)
    written, page = documents.write(made, tmp_path)
    text = written.read_text(encoding="utf-8")
    data = json.loads(text)
    assert documents.read(tmp_path).to_dict() == made.to_dict()
    assert list(data) == sorted(data)
    assert (data["schema_version"], data["kind"]) == (1, "viewfinder-report")
    assert page.is_file()


def test_every_number_carries_evidence_definition_and_hash(tmp_path: Path) -> None:
    """Each measurement has its label and, if it has a value, its definition; each artifact its hash."""
    data = document(tmp_path).to_dict()
    for artifact in data["artifacts"]:
        for one in artifact["measurements"]:
            assert one["evidence"] in {"measured", "not-run"}
            assert one["definition"] or one["reason"]
        assert artifact["artifact_sha256"] or artifact["evidence"] == "not-run"


def test_a_verdict_in_the_file_is_not_believed(tmp_path: Path) -> None:
    """Someone who writes pass over a fail changes nothing: verdicts follow from numbers and limits."""
    written, _ = documents.write(document(tmp_path), tmp_path)
    text = written.read_text(encoding="utf-8")
    assert '"verdict": "fail"' in text
    written.write_text(text.replace('"verdict": "fail"', '"verdict": "pass"'), encoding="utf-8")
    assert documents.read(written).verdict is Verdict.FAIL


def test_nan_never_gets_into_json(tmp_path: Path) -> None:
    """A number that no JSON reader takes is refused instead of written."""
    made = document(tmp_path)
    broken = Measurement("psnr_vs_float_db", float("nan"), "dB", Evidence.MEASURED)
    first = replace(made.sections[0], report=replace(made.sections[0].report, measurements=(broken,)))
    with pytest.raises(ValueError, match="JSON"):
        replace(made, sections=(first,)).to_json()


@pytest.mark.parametrize(("text", "cause"), [
    ("", "cannot be read as a report"),
    ("[]", "cannot be read as a report"),
    ('{"kind": "viewfinder-report", "schema_version": 99}', "version 99"),
    ('{"kind": "viewfinder-build", "schema_version": 1}', "viewfinder-build"),
    ('{"kind": "viewfinder-report", "schema_version": 1}', "cannot be read as a report"),
])  # fmt: skip
def test_damaged_reports_are_explained(tmp_path: Path, text: str, cause: str) -> None:
    """Empty, foreign, newer and incomplete files give the file's name, the cause and the way out."""
    file = tmp_path / "report.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadReportError, match=cause) as caught:
        documents.read(tmp_path)
    assert str(file) in caught.value.message
    assert "viewfinder build" in caught.value.hint


def test_a_missing_report_is_explained(tmp_path: Path) -> None:
    """A folder without report.json is an error with a way out."""
    with pytest.raises(BadReportError, match=r"there is no .*report\.json"):
        documents.read(tmp_path)


def test_verdicts_join_with_the_worst_first() -> None:
    """One fail outweighs a not-run, which outweighs a pass; nothing at all is not-run."""

    def report(value: float | None) -> Report:
        """Make a report of one number that has to reach 1."""
        evidence = Evidence.MEASURED if value is not None else Evidence.NOT_RUN
        one = Measurement("psnr_vs_float_db", value, "dB", evidence, minimum=1)
        return Report("t", "a", "", "onnx", "float", "e", evidence, (one,))

    good, bad, absent = report(2), report(0), report(None)
    assert joined([good, absent, bad]) is Verdict.FAIL
    assert joined([good, absent]) is Verdict.NOT_RUN
    assert joined([good, good]) is Verdict.PASS
    assert joined([]) is Verdict.NOT_RUN
