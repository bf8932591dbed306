"""What ``gate.yaml`` may say: per model, target and precision, the limits that an artifact has to keep.

The JSON schema of these classes is published as ``docs/gate.schema.json``; the descriptions in it are the ones here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

VERSION = 1
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

Decibels = Annotated[float, Field(ge=0, le=200, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Stratum = Annotated[
    str,
    Field(pattern=r"^(exposure=(dark|mid|bright)|motion=(small|large)|(gain|sigma)=[0-9.]{1,12})$"),
]


class Sheet(BaseModel):
    """A mapping of the policy: unknown keys are errors, and a number is not read out of a text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FloatLimits(Sheet):
    """How near the artifact has to stay to PyTorch's float output."""

    psnr_db: Decibels | None = Field(
        default=None, description="Least PSNR against the float output, mean of the photographs."
    )
    worst_psnr_db: Decibels | None = Field(default=None, description="The same for the worst photograph.")


class TruthLimits(Sheet):
    """What the artifact may lose against the truth, compared with the float network on the same photographs."""

    drop_db: Decibels | None = Field(
        default=None,
        description="Most PSNR that the artifact may lose on average; decided by a paired bootstrap interval over the "
        "photographs, and too few of them for this margin is exit 3.",
    )
    worst_drop_db: Decibels | None = Field(default=None, description="Most PSNR that any single photograph may lose.")


class BaselineLimits(Sheet):
    """How far the artifact may move from the committed baseline."""

    drop_vs_truth_db: Decibels | None = Field(
        default=None, description="Most PSNR against the truth that may be lost on average (paired bootstrap interval)."
    )
    drop_vs_float_db: Decibels | None = Field(
        default=None,
        description="The same for PSNR against the float output; what is above 60 dB counts as 60 dB, because an error "
        "below the rounding to 8 bits is none.",
    )
    worst_drop_db: Decibels | None = Field(
        default=None, description="Most PSNR that any single photograph may lose, against the truth where there is one."
    )
    gains: Literal["report", "fail", "ignore"] = Field(
        default="report", description="What to do about a gain beyond the margin that nothing recorded explains."
    )
    bytes: Literal["fail", "report", "ignore"] = Field(
        default="fail",
        description="What to do about files that differ although weights, recipe, sizes and tools are the same.",
    )


class StratumLimits(Sheet):
    """Limits for the photographs of one kind alone: what a mean over all of them can hide."""

    drop_db: Decibels | None = Field(
        default=None,
        description="Most PSNR against the truth that these photographs may lose on average (bootstrap interval).",
    )
    worst_drop_db: Decibels | None = Field(default=None, description="Most PSNR that any of them may lose.")
    psnr_db: Decibels | None = Field(default=None, description="Least PSNR against the float output, their mean.")
    worst_psnr_db: Decibels | None = Field(default=None, description="The same for the worst of them.")


class Range(Sheet):
    """Bounds of one measurement, in its own unit."""

    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)


class SizeLimits(Sheet):
    """How large the artifact's files may be together."""

    max_bytes: int | None = Field(default=None, ge=1)
    max_growth_percent: Percent | None = Field(default=None, description="Over the baseline.")


class InstructionLimits(Sheet):
    """How many instructions a device run may take; checked where a result of a device is at hand."""

    max_count: int | None = Field(default=None, ge=1)
    max_growth_percent: Percent | None = Field(default=None, description="Over the baseline.")


class FallbackLimits(Sheet):
    """How many operators may be left to the CPU by the delegate."""

    max_ops: int = Field(ge=0)


class CalibrationLimits(Sheet):
    """What a quantized artifact's calibration set has to cover."""

    min_coverage: float = Field(default=1.0, gt=0, le=1, description="Least share of the strata that have samples.")


class Limits(Sheet):
    """Everything that can be limited; what is left out is not checked."""

    against_float: FloatLimits | None = None
    against_truth: TruthLimits | None = None
    against_baseline: BaselineLimits | None = None
    strata: dict[Stratum, StratumLimits] | None = Field(
        default=None,
        description="Limits by kind of photograph or burst; a kind without photographs is not checked: exit 3.",
    )
    metrics: dict[Name, Range] | None = Field(
        default=None, description="Bounds on any measurement by its name in report.json, probes included."
    )
    probes: Literal["required", "ignore"] | None = Field(
        default=None, description="required: every probe of the artifact has to keep its own limits."
    )
    size: SizeLimits | None = None
    instructions: InstructionLimits | None = None
    fallback: FallbackLimits | None = None
    calibration: CalibrationLimits | None = None


class Gate(Sheet):
    """One model: every target in every precision is one case."""

    model: Name = Field(description="A shipped model, or path/to/file.py:TASK relative to the policy.")
    weights: Name | None = Field(default=None, description="Of the model; left out, its first ones.")
    targets: list[Name] = Field(min_length=1, description="Formats; tflite@tensorflow takes another engine.")
    precisions: list[Name] = Field(min_length=1, description="float, fp16, w8, w8a8, ...")
    artifacts: Name | None = Field(
        default=None, description="Folder with FORMAT-PRECISION/ and golden.npz; left out, they are built."
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="On top of the policy's own.",
    )


class Policy(Sheet):
    """A whole ``gate.yaml``."""

    schema_address: str | None = Field(default=None, alias="$schema", description="For editors; not read.")
    version: Literal[1]
    baseline: Name | None = Field(default=None, description="The committed baseline, relative to the policy.")
    photographs: list[Name] = Field(
        default_factory=list, description="Photographs for what is built; left out, those of the package."
    )
    calibration_data: Name | None = Field(
        default=None, description="Folder of photographs for what is quantized; left out, those of the package."
    )
    confidence: float = Field(default=0.95, ge=0.5, lt=1, description="Of the bootstrap intervals, two-sided.")
    seed: int = Field(default=20_261_122, ge=0, description="Of the bootstrap's resampling.")
    engine_versions: Literal["same", "any"] = Field(
        default="same", description="same: numbers of another engine version than the baseline's are incomparable."
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="Of every case, unless its gate says otherwise.",
    )
    gates: list[Gate] = Field(min_length=1)

    def limits_for(self, gate: Gate) -> Limits:
        """Return the limits of a gate's cases: its own over those of the whole policy, key by key."""
        shared, own = (one.model_dump(exclude_unset=True) for one in (self.limits, gate.limits))
        return Limits.model_validate(_over(shared, own))


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another, mapping by mapping."""
    joined = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(joined.get(key), Mapping)
        joined[key] = _over(joined[key], value) if both else value
    return joined


def is_empty(limits: Limits) -> bool:
    """Tell whether nothing at all is limited."""
    return not any(_numbers(limits.model_dump(exclude_unset=True)))


def _numbers(data: Any) -> Iterator[Any]:
    """Yield everything that is set."""
    if isinstance(data, Mapping):
        for value in data.values():
            yield from _numbers(value)
    elif data is not None:
        yield True


def schema() -> dict[str, Any]:
    """Return the JSON schema that is published with the documentation."""
    made = Policy.model_json_schema(by_alias=True)
    return {"$schema": SCHEMA_DIALECT, **made, "title": "gate.yaml of viewfinder"}
