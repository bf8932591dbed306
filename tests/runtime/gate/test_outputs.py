"""junit.xml, SARIF and the summary: what CI systems read, with names from outside kept harmless."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
from tests.runtime.gate.made import section

from viewfinder.errors import Exit
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.gate.outcome import Case, Check, Explanation, Outcome, Ruling
from viewfinder.runtime.gate.outputs import junit, sarif, summary

EVIL = 'a|b <script>alert(1)</script> & "x" ](javascript:1) \x00\x1b `code`'


def check(rule, ruling, told="told"):
    """Make a check."""
    return Check(rule, ruling, told, Measurement(rule, 1.0, "dB", Evidence.MEASURED), 7)


@pytest.fixture
def outcome():
    """A case that passes, one that fails for a reason, one undecided; with names that are no good."""
    drawn = {"photo-1": {"crop": {"float": "f 1.jpg", "artifact": "a.jpg", "difference": "d.jpg"}}}
    part = section({"psnr_vs_float_db": (30.0, 20.0, *[40.0] * 6)})
    part = type(part)(part.report, part.files, drawn)
    cause = Explanation("channels-swapped", "the channels are BGR", 20.0, 40.0)
    failing = (check("artifact.finite", Ruling.PASS), check("against_truth.drop_db", Ruling.FAIL, EVIL))
    rest = (check("probes.probe_x", Ruling.TOO_FEW), check("fallback.max_ops", Ruling.NOT_CHECKED))
    cases = (
        Case("hdrnet", "tflite@litert", "float", (check("artifact.finite", Ruling.PASS),), part, line=3),
        Case("hdrnet", "tflite@litert", "w8a8", failing, part, (cause,), ("other weights",), 4),
        Case("hdrnet", "onnx@onnxruntime", "w8a8", (*rest, check("against_truth.drop_db", Ruling.GAIN)), part),
    )
    return Outcome("a dir/gate.yaml", cases, "viewfinder gate")


def test_the_worst_case_decides_the_exit_code(outcome):
    """1 before 3 before 0; nothing at all is not verified."""
    passing, failing, undecided = outcome.cases

    def code(*cases):
        return Outcome("p", cases).exit_code

    assert code(passing) is Exit.PASS
    assert code(passing, undecided) is Exit.NOT_VERIFIED
    assert code(undecided, failing) is Exit.CHECK_FAILED
    assert code() is Exit.NOT_VERIFIED


def test_junit_has_a_test_per_check(outcome):
    """Failures, errors (undecided) and skipped are counted as they are listed, and point at the policy."""
    root = ET.fromstring(junit.render(outcome).encode())
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    for kind in ("failure", "error", "skipped"):
        suites = [int(suite.get({"failure": "failures", "error": "errors"}.get(kind, kind))) for suite in root]
        assert [len(suite.findall(f"testcase/{kind}")) for suite in root] == suites
    failure = root.find("testsuite/testcase/failure")
    assert "the channels are BGR" in failure.text
    assert "<script>" in failure.get("message")
    test = root.find("testsuite/testcase")
    assert (test.get("file"), test.get("line")) == ("a dir/gate.yaml", "7")


def test_sarif_lists_what_is_not_green(outcome):
    """Version, rules and results as the specification (SARIF 2.1.0) wants them."""
    log = json.loads(sarif.render(outcome, "1.2.3"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["version"] == "1.2.3"
    rules = run["tool"]["driver"]["rules"]
    assert [one["level"] for one in run["results"]] == ["error", "warning", "note"]
    for one in run["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        place = one["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "a%20dir/gate.yaml"
        assert place["region"]["startLine"] == 7
    prints = [one["partialFingerprints"]["caseAndRule/v1"] for one in run["results"]]
    assert len(set(prints)) == 3
    assert run["results"][0]["message"]["text"].endswith("the channels are BGR")
    assert run["invocations"][0]["exitCode"] == 1


def test_the_summary_links_pictures_and_keeps_names_harmless(outcome):
    """The worst photographs, relative to the page; nothing from outside becomes HTML or a link."""
    page = summary.render(outcome, {case.name: "hdrnet-1" for case in outcome.cases}, ["report.html"])
    assert "![float of photo-1](hdrnet-1/pictures/f%201.jpg)" in page
    assert "explained by**: the channels are BGR" in page
    assert "changed since the baseline: other weights" in page
    assert "[report.html](report.html)" in page
    assert "<script>" not in page
    assert "](javascript" not in page
    rows = [line for line in page.splitlines() if line.startswith("| hdrnet")]
    assert len(rows) == 3
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)
    assert "1 of 3 cases keep every limit" in page
