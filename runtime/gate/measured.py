"""What was measured of one artifact, in the form that is compared with another time, another build, another machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from viewfinder.measurement import Measurement, Report
from viewfinder.runtime.report.document import Document, Section

KEPT = (
    "psnr_vs_float_db",
    "psnr_vs_truth_db",
    "psnr_of_float_vs_truth_db",
    "delta_e_2000_p99_vs_float",
)
"""Numbers by photograph that a baseline keeps; the others can be made again from the pictures."""
VS_FLOAT, VS_TRUTH = KEPT[:2]
INSTRUCTIONS, PROBE = "instructions", "probe_"
"""What the names of a device's instruction counts and of probes begin with."""
SIZE, FALLBACK = "size_bytes", "fallback_ops"
ENGINE_PACKAGES = {
    "litert": "ai-edge-litert",
    "onnxruntime": "onnxruntime",
    "executorch": "executorch",
    "coreml": "viewfinder",
    "tensorflow": "viewfinder",
    "tflite-runtime": "viewfinder",
}
"""Engine to the package whose version is the engine's; Core ML's evaluator and the toolchains' locks are our own."""
DECIMALS = 3


@dataclass(frozen=True)
class Numbers:
    """One metric on every photograph."""

    unit: str
    definition: str
    photographs: Mapping[str, float]


@dataclass(frozen=True)
class Made:
    """What an artifact was made from.

    Attributes:
        files: file name to sha256.
        tools: package to version.
        recipe, parameters: short hashes of what the manifest says.
    """

    artifact_sha256: str = ""
    weights_sha256: str = ""
    recipe: str = ""
    parameters: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """The numbers of one artifact on one engine, with everything that they depend on.

    Attributes:
        model, weights, format, engine, precision: what a policy calls them.
        photographs: name to a hash of its pixels.
        numbers: metric to its values by photograph.
        totals: one number of the whole artifact by name: size_bytes, fallback_ops, instructions...
    """

    model: str
    weights: str
    format: str
    engine: str
    precision: str
    made: Made
    engine_version: str = ""
    evidence: str = ""
    photographs: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    totals: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What it is called in a baseline: ``hdrnet local-laplacian tflite@litert w8a8``."""
        return " ".join((self.model, self.weights or "-", f"{self.format}@{self.engine}", self.precision))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data, the values rounded."""
        data = asdict(self)
        for numbers in data["numbers"].values():
            numbers["photographs"] = {name: round(one, DECIMALS) for name, one in numbers["photographs"].items()}
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measured:
        """Read what `to_dict` made."""
        numbers = {name: Numbers(**one) for name, one in data["numbers"].items()}
        return cls(**dict(data) | {"made": Made(**data["made"]), "numbers": numbers})


def of_section(section: Section) -> Measured:
    """Take the comparable numbers out of one artifact's part of a report."""
    report, notes = section.report, section.report.notes
    numbers = {
        one.metric: Numbers(one.unit, _definition(one), dict(one.per_sample))
        for one in report.measurements
        if one.metric in KEPT and one.value is not None and one.per_sample
    }
    made = Made(
        report.artifact_sha256,
        str(notes.get("weights_sha256", "")),
        str(notes.get("recipe_sha256", "")),
        str(notes.get("parameters_sha256", "")),
        {str(one["file"]): str(one["sha256"]) for one in section.files},
        _tools(notes),
    )
    return Measured(
        model=report.task,
        weights=str(notes.get("weights", "")),
        format=report.format,
        engine=report.engine,
        precision=report.precision,
        made=made,
        engine_version=engine_version(report),
        evidence=str(report.evidence),
        photographs=dict(notes.get("pixels_sha256", {})),
        numbers=numbers,
        totals=totals_of(report),
    )


def _tools(notes: Mapping[str, Any]) -> dict[str, str]:
    """Join the converters' versions with our own: another exporter explains other bytes."""
    own = {name: version for name, version in dict(notes.get("measured_with", {})).items() if name == "viewfinder"}
    return {str(name): str(version) for name, version in {**dict(notes.get("made_with", {})), **own}.items()}


def of_document(document: Document) -> dict[str, Measured]:
    """Take the comparable numbers out of a report, by key; parts without any are left out."""
    found = [of_section(section) for section in document.sections]
    return {one.key: one for one in found if one.numbers or one.totals}


def engine_version(report: Report) -> str:
    """Return the version of the engine that a report names, "" if the report does not know it."""
    versions = report.notes.get("measured_with", {})
    return str(versions.get(ENGINE_PACKAGES.get(report.engine, ""), "")) if isinstance(versions, Mapping) else ""


def totals_of(report: Report) -> dict[str, float]:
    """Collect the numbers of the whole artifact: size, operators on the CPU, instruction counts."""
    found: dict[str, float] = {}
    if report.size_bytes:
        found[SIZE] = float(report.size_bytes)
    if isinstance(count := report.notes.get(FALLBACK), int):
        found[FALLBACK] = float(count)
    for one in report.measurements:
        if one.metric.startswith(INSTRUCTIONS) and one.value is not None:
            found[one.metric] = one.value
    return found


def _definition(one: Measurement) -> str:
    """Return what was computed, less the number of photographs, which are compared by name."""
    return re.sub(r"; (mean|worst) of \d+ photographs?$", "", one.definition)
