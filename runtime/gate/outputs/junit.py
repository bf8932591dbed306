"""``junit.xml``: one suite per case, one test per check; what is undecided is an error, never a skipped test."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from viewfinder.runtime.gate.outcome import UNDECIDED, Case, Check, Outcome, Ruling

NAME = "junit.xml"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (production 2, Char); names of photographs and messages come from outside."""


def render(outcome: Outcome) -> str:
    """Return the XML, as Jenkins, GitLab and others read it."""
    suites = ET.Element("testsuites", {"name": "viewfinder gate", **_counts(outcome.cases)})
    for case in outcome.cases:
        suite = ET.SubElement(suites, "testsuite", {"name": clean(case.name), **_counts((case,))})
        properties = ET.SubElement(suite, "properties")
        for key, value in _facts(case).items():
            ET.SubElement(properties, "property", name=key, value=clean(value))
        for check in case.checks:
            _add(suite, outcome, case, check)
    ET.indent(suites, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def clean(text: str) -> str:
    """Replace what XML cannot hold."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _counts(cases: tuple[Case, ...]) -> dict[str, str]:
    """Count tests, failures and errors."""
    rulings = [check.ruling for case in cases for check in case.checks]
    return {
        "tests": str(len(rulings)),
        "failures": str(rulings.count(Ruling.FAIL)),
        "errors": str(sum(ruling in UNDECIDED for ruling in rulings)),
        "skipped": str(rulings.count(Ruling.NOT_CHECKED)),
        "time": "0",
    }


def _facts(case: Case) -> dict[str, str]:
    """List what a reader of the suite wants to know."""
    report = case.section.report
    return {
        "artifact": report.artifact,
        "artifact_sha256": report.artifact_sha256,
        "engine": report.engine,
        "evidence": str(report.evidence),
        "changed_since_baseline": "; ".join(case.changed),
    }


def _add(suite: ET.Element, outcome: Outcome, case: Case, check: Check) -> None:
    """Add one check as a test."""
    test = ET.SubElement(
        suite, "testcase", name=clean(check.rule), classname=clean(f"viewfinder.{case.name.replace(' ', '.')}"),
        file=clean(outcome.policy), line=str(check.line), time="0",
    )  # fmt: skip
    text = clean("\n".join([check.told, *(one.told for one in case.explanations)]))
    if check.ruling is Ruling.FAIL:
        ET.SubElement(test, "failure", message=clean(check.told), type=check.ruling.value).text = text
    elif check.ruling in UNDECIDED:
        ET.SubElement(test, "error", message=clean(check.told), type=check.ruling.value).text = text
    elif check.ruling is Ruling.NOT_CHECKED:
        ET.SubElement(test, "skipped", message=clean(check.told))
    else:
        ET.SubElement(test, "system-out").text = clean(f"{check.ruling.value}: {check.told}")
