"""Numbers that say how they were obtained, and the report that collects them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Evidence(StrEnum):
    """How a number was obtained. An emulator's number is never `MEASURED`."""

    MEASURED = "measured"
    EMULATED = "emulated"
    REFERENCE = "reference"
    COMPILER_ESTIMATE = "compiler-estimate"
    NOT_RUN = "not-run"


class Verdict(StrEnum):
    """What a number means for shipping."""

    PASS = "pass"
    FAIL = "fail"
    INFO = "info"
    """No limit applies."""
    NOT_RUN = "not-run"
    """Never a pass."""


@dataclass(frozen=True)
class Measurement:
    """One metric of one artifact.

    Attributes:
        metric: stable name with its unit, e.g. ``psnr_vs_float_db``.
        value: None when it could not be obtained; then `reason` says why.
        unit: ``dB``, ``ms``, ``bytes``, ``1`` ...
        definition: peak, colour space, crop, decoder: what exactly was computed.
        per_sample: sample name to value; `value` is their mean unless the definition says otherwise.
        per_stratum: kind of sample to the mean over its samples, e.g. ``exposure=dark``; see `viewfinder.strata`.
        worst: name of the worst sample.
        limit_reason: why the limits are what they are, and who set them.
    """

    metric: str
    value: float | None
    unit: str
    evidence: Evidence
    definition: str = ""
    minimum: float | None = None
    maximum: float | None = None
    per_sample: Mapping[str, float] = field(default_factory=dict)
    worst: str = ""
    reason: str = ""
    limit_reason: str = ""
    per_stratum: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Compare the value with its limits; NaN fails."""
        if self.value is None or self.evidence is Evidence.NOT_RUN:
            return Verdict.NOT_RUN
        if self.minimum is None and self.maximum is None:
            return Verdict.INFO
        above = self.minimum is None or self.value >= self.minimum
        below = self.maximum is None or self.value <= self.maximum
        return Verdict.PASS if above and below else Verdict.FAIL

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement as JSON data, with its verdict."""
        return asdict(self) | {"verdict": self.verdict.value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        """Read a measurement that `to_dict` made; the verdict is computed again, not believed."""
        kept = {key: value for key, value in data.items() if key != "verdict"}
        return cls(**kept | {"evidence": Evidence(data["evidence"])})


@dataclass(frozen=True)
class Report:
    """Measurements of one artifact on one engine."""

    task: str
    artifact: str
    artifact_sha256: str
    format: str
    precision: str
    engine: str
    evidence: Evidence
    measurements: tuple[Measurement, ...]
    size_bytes: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Fail if any measurement failed, not-run if any could not be made, pass otherwise."""
        verdicts = {measurement.verdict for measurement in self.measurements}
        for verdict in (Verdict.FAIL, Verdict.NOT_RUN):
            if verdict in verdicts:
                return verdict
        return Verdict.PASS if Verdict.PASS in verdicts else Verdict.NOT_RUN

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, with its verdict."""
        data = {key: value for key, value in vars(self).items() if key != "measurements"}
        measurements = [measurement.to_dict() for measurement in self.measurements]
        return {**data, "notes": dict(self.notes), "verdict": self.verdict.value, "measurements": measurements}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """Read a report that `to_dict` made; verdicts are computed again, not believed."""
        kept = {key: value for key, value in data.items() if key != "verdict"}
        measurements = tuple(Measurement.from_dict(one) for one in data["measurements"])
        return cls(**kept | {"evidence": Evidence(data["evidence"]), "measurements": measurements})
