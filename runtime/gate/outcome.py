"""What a gate found: checks of cases, each with its reason in words, and what explains it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from viewfinder.errors import Exit
from viewfinder.measurement import Measurement
from viewfinder.runtime.gate.bootstrap import Interval
from viewfinder.runtime.report.document import Section


class Ruling(StrEnum):
    """How a check ends."""

    PASS = "pass"
    FAIL = "fail"
    GAIN = "gain"
    """Better than expected and reported; no failure."""
    TOO_FEW = "too-few"
    """The photographs cannot decide it."""
    INCOMPARABLE = "incomparable"
    NOT_RUN = "not-run"
    NOT_CHECKED = "not-checked"
    """The limit is on something that this artifact does not have."""


UNDECIDED = (Ruling.TOO_FEW, Ruling.INCOMPARABLE, Ruling.NOT_RUN)
"""Never a pass: the command ends with 3."""
SHOWN_FIRST = (Ruling.FAIL, *UNDECIDED, Ruling.GAIN, Ruling.NOT_CHECKED, Ruling.PASS)


@dataclass(frozen=True)
class Explanation:
    """A cause that was tried, or read from the manifests, and that explains a failure.

    Attributes:
        cause: stable word: channels-swapped, shifted, resized, range, files-changed, weights-changed, calibration.
        told: the cause in words, with the number that shows it.
        before, after: PSNR in dB of the photograph as it came, and with the cause undone; None if nothing was run.
    """

    cause: str
    told: str
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True)
class Check:
    """One limit on one case.

    Attributes:
        rule: stable name, such as ``against_truth.drop_db``.
        told: the outcome in one sentence, with the numbers.
        measurement: the number with its limits; for the report.
        line: of the policy, where the limit stands.
    """

    rule: str
    ruling: Ruling
    told: str
    measurement: Measurement
    line: int
    interval: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON data."""
        return {
            "rule": self.rule,
            "ruling": self.ruling.value,
            "told": self.told,
            "line": self.line,
            "measurement": self.measurement.to_dict(),
            "interval": asdict(self.interval) if self.interval else None,
        }


@dataclass(frozen=True)
class Case:
    """One model, target and precision.

    Attributes:
        target: ``tflite@litert``.
        section: its part of the report, with pictures.
        changed: what is not as in the baseline.
        line: of the policy.
    """

    model: str
    target: str
    precision: str
    checks: tuple[Check, ...]
    section: Section
    explanations: tuple[Explanation, ...] = ()
    changed: tuple[str, ...] = ()
    line: int = 1

    @property
    def name(self) -> str:
        """What it is called in outputs."""
        return f"{self.model} {self.target} {self.precision}"

    @property
    def ruling(self) -> Ruling:
        """Fail if any check failed, else undecided if any is, else pass."""
        return joined(check.ruling for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Say why it is not green: the failed and undecided checks, then what explains them."""
        wrong = [check for check in self.checks if check.ruling in {Ruling.FAIL, *UNDECIDED}]
        ordered = sorted(wrong, key=lambda check: SHOWN_FIRST.index(check.ruling))
        return [*(f"{check.rule}: {check.told}" for check in ordered), *(one.told for one in self.explanations)]

    def to_dict(self) -> dict[str, Any]:
        """Return the case as JSON data."""
        return {
            "model": self.model,
            "target": self.target,
            "precision": self.precision,
            "ruling": self.ruling.value,
            "artifact": self.section.report.artifact,
            "artifact_sha256": self.section.report.artifact_sha256,
            "line": self.line,
            "checks": [check.to_dict() for check in self.checks],
            "explanations": [asdict(one) for one in self.explanations],
            "changed": list(self.changed),
        }


def joined(rulings: Iterable[Ruling]) -> Ruling:
    """Join several rulings: the worst counts; a gain or nothing to check is no failure, but nothing at all no pass."""
    found = set(rulings)
    if Ruling.FAIL in found:
        return Ruling.FAIL
    undecided = next((one for one in UNDECIDED if one in found), None)
    if undecided is not None:
        return undecided
    return Ruling.PASS if found & {Ruling.PASS, Ruling.GAIN} else Ruling.NOT_RUN


@dataclass(frozen=True)
class Outcome:
    """Everything that a gate found.

    Attributes:
        policy: the policy's path as outputs name it.
        notes: sentences that belong to no case.
    """

    policy: str
    cases: tuple[Case, ...]
    command: str = ""
    created: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ruling(self) -> Ruling:
        """Join the rulings of all cases."""
        return joined(case.ruling for case in self.cases)

    @property
    def exit_code(self) -> Exit:
        """Return 0 if every limit holds, 1 if one does not, 3 if something could not be decided."""
        ruling = self.ruling
        return {Ruling.PASS: Exit.PASS, Ruling.FAIL: Exit.CHECK_FAILED}.get(ruling, Exit.NOT_VERIFIED)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON data."""
        return {
            "policy": self.policy,
            "ruling": self.ruling.value,
            "command": self.command,
            "created": self.created,
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "cases": [case.to_dict() for case in self.cases],
        }
