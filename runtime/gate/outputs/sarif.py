"""``gate.sarif``: SARIF 2.1.0, a result per check that did not pass, each at its line of the policy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from viewfinder.runtime.gate.outcome import UNDECIDED, Case, Check, Outcome, Ruling

NAME = "gate.sarif"
VERSION = "2.1.0"
LEVELS = {Ruling.FAIL: "error", **dict.fromkeys(UNDECIDED, "warning"), Ruling.GAIN: "note"}
"""Rulings that are told; what could not be decided is a warning here, and exit 3 of the command."""


def render(outcome: Outcome, version: str) -> str:
    """Return the log; `version` is the tool's."""
    told = [(case, check) for case in outcome.cases for check in case.checks if check.ruling in LEVELS]
    names = sorted({_rule(check) for _, check in told})
    run = {
        "tool": {"driver": {"name": "viewfinder", "version": version, "rules": [_described(name) for name in names]}},
        "results": [_result(outcome, case, check, names) for case, check in told],
        "columnKind": "utf16CodeUnits",
        "invocations": [
            {"commandLine": outcome.command or "viewfinder gate", "executionSuccessful": True}
            | {"exitCode": int(outcome.exit_code)}
        ],
    }
    return json.dumps({"version": VERSION, "runs": [run]}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _rule(check: Check) -> str:
    """Return the rule's stable name: without the name of what a probe or a metric measured."""
    return ".".join(check.rule.split(".")[:2])


def _described(name: str) -> dict[str, Any]:
    """Describe a rule."""
    return {
        "id": name,
        "name": "".join(part.title() for part in name.replace("_", ".").split(".")),
        "shortDescription": {"text": f"The policy's limit {name}"},
        "help": {"text": "docs/gate.md explains every limit, and what to do when one does not hold."},
    }


def _result(outcome: Outcome, case: Case, check: Check, names: list[str]) -> dict[str, Any]:
    """Make one result."""
    rule = _rule(check)
    lines = [f"{case.name}: {check.told}", *_explained(case, check)]
    print_of = hashlib.sha256(f"{case.name} {check.rule}".encode()).hexdigest()
    return {
        "ruleId": rule,
        "ruleIndex": names.index(rule),
        "level": LEVELS[check.ruling],
        "message": {"text": "\n".join(lines)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(outcome.policy)},
                    "region": {"startLine": check.line},
                },
                "logicalLocations": [{"fullyQualifiedName": f"{case.name} {check.rule}"}],
            }
        ],
        "partialFingerprints": {"caseAndRule/v1": print_of},
        "properties": {"ruling": check.ruling.value, "measurement": check.measurement.to_dict()},
    }


def _explained(case: Case, check: Check) -> Iterable[str]:
    """List what explains a failure."""
    return [one.told for one in case.explanations] if check.ruling is Ruling.FAIL else []
