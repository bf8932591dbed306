"""What `verify` is asked and answers, and how its sections become one report: shared by all who verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder import models
from viewfinder.artifact import Artifact
from viewfinder.errors import Exit, UsageError
from viewfinder.golden import Golden
from viewfinder.measurement import Verdict
from viewfinder.runtime import verified
from viewfinder.runtime.limits import gated, gates_for, require_known
from viewfinder.runtime.report import kinds
from viewfinder.runtime.report.document import Document, Section
from viewfinder.target import HOST, Target
from viewfinder.task import Limit, Task

EXIT = {Verdict.PASS: Exit.PASS, Verdict.FAIL: Exit.CHECK_FAILED, Verdict.NOT_RUN: Exit.NOT_VERIFIED}
NPU_FORMAT = "qnn"
MIN_PSNR = "psnr_vs_float_worst_db"
"""What ``--min-psnr`` bounds."""


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify.

    Attributes:
        subject: an artifact's folder, a folder with artifacts (a build), or a model, which is exported first.
        engine: None takes the one of each artifact's format.
        target: format, delegate and device in one (`viewfinder.target`), in place of `engine`.
        golden: golden file; None takes the one beside the artifact.
        min_psnr: least PSNR in dB against PyTorch of the worst photograph, in place of the built-in limit.
        limits: further limits, by the names in the report.
        output: folder for report.json, report.html and pictures/; None writes none.
        weights, precision, formats, photos: for a model; the artifacts themselves are not kept.
        command: what the user typed, for the report.
        npus: processors (`viewfinder.presets`, `viewfinder.accelerators`) to verify for, in place of `engine` and
            `target`; of a model, the artifacts that they take are made.
        bands: bands of rows of each photograph that an emulated NPU computes; None takes few.
        max_fallback_ops: operators of an artifact that may run on the CPU beside an NPU.
        unofficial: let LiteRT's compiler for Snapdragon use libraries that it was not made for.
    """

    subject: str
    engine: str | None = None
    golden: Path | None = None
    threads: int = 1
    min_psnr: float | None = None
    limits: tuple[Limit, ...] = ()
    output: Path | None = None
    weights: str | None = None
    precision: str = "float"
    formats: tuple[str, ...] = ()
    photos: tuple[Path, ...] = ()
    use_cache: bool = True
    command: str = ""
    target: Target | None = None
    npus: tuple[str, ...] = ()
    bands: int | None = None
    max_fallback_ops: int = 0
    unofficial: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of threads that nothing can run with, and two engines."""
        if self.threads < 1:
            raise UsageError(f"{self.threads} threads", "give at least 1")
        if self.target is not None and self.engine is not None:
            raise UsageError(
                "--engine and --target were both given", "the target names the format already; leave one out"
            )
        if self.npus and (self.target is not None or self.engine is not None):
            raise UsageError("--targets was given beside --engine or --target", "leave the others out")
        if self.bands is not None and self.bands < 1:
            raise UsageError(f"{self.bands} bands", "give at least 1")
        if self.max_fallback_ops < 0:
            raise UsageError(f"{self.max_fallback_ops} operators on the CPU", "give 0 or more")
        require_known(self.limits)

    @property
    def processors(self) -> tuple[str, ...]:
        """Name the processors whose NPUs are to be compiled for; none where artifacts run as they are."""
        on_npu = self.target is not None and self.target.format == NPU_FORMAT and self.target.device != HOST
        return (self.target.device,) if self.target is not None and on_npu else self.npus

    @property
    def is_model(self) -> bool:
        """Tell a model's name, or a file of the user's own, from the folder of artifacts."""
        is_there = Path(self.subject).expanduser().exists()
        return not is_there or self.subject in models.names() or self.subject.endswith(".py")

    @property
    def wanted(self) -> str | None:
        """Return the engine or the format that the artifacts have to be for; None takes all."""
        return self.engine if self.target is None else self.target.format

    def all_limits(self) -> tuple[Limit, ...]:
        """Return the user's limits, ``--min-psnr`` among them."""
        least = () if self.min_psnr is None else (Limit(MIN_PSNR, minimum=self.min_psnr),)
        return (*self.limits, *least)


@dataclass(frozen=True)
class VerifyResult:
    """What came out.

    Attributes:
        folder: where the report lies, or None.
    """

    document: Document
    folder: Path | None = None

    @property
    def exit_code(self) -> Exit:
        """Return 0 if every limit holds, 1 if one does not, 3 if something could not be verified."""
        return EXIT[self.document.verdict]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data, with where it was written."""
        return {**self.document.to_dict(), "folder": str(self.folder) if self.folder else None}


def by_kind(document: Document) -> dict[str, Any] | None:
    """Return the report's table of gains, motions or exposures, to be shown elsewhere; None where there is one kind."""
    return kinds.shown(document.sections, lambda report: report.artifact)


def task_of(name: str) -> Task | None:
    """Return the shipped task of an artifact, or None for a user's own, whose file an artifact does not name."""
    return models.load(name) if name in models.names() else None


def bound(section: Section, user: tuple[Limit, ...], task: Task | None = None) -> Section:
    """Set the limits: built-in ones, the task's, the user's."""
    report = section.report
    owner = task or task_of(report.task)
    limits = owner.limits if owner else ()
    return replace(section, report=gated(report, gates_for(report.precision, limits, user)))


def assembled(
    command: str,
    sections: Sequence[Section],
    of: Golden | Artifact,
    drawn: Sequence[Mapping[str, Any]] = (),
    task: Task | None = None,
) -> Document:
    """Put a report together, of golden pictures or, where none were needed, of an artifact."""
    owner = task or task_of(of.task)
    return Document(
        command=command,
        created=verified.now(),
        model={
            "name": of.task,
            "title": owner.title if owner else "",
            "paper": owner.paper if owner else "",
            "weights": of.weights,
            "weights_sha256": of.weights_sha256,
        },
        golden={
            "sha256": of.sha256,
            "operator": of.operator,
            "photographs": [photo.name for photo in of.photos],
            "tools": dict(of.tools),
        }
        if isinstance(of, Golden)
        else {"sha256": "", "operator": "", "photographs": [], "tools": {}},
        sections=tuple(sections),
        photographs=tuple(drawn),
        tools=verified.tools(),
        host=verified.host(),
    )
