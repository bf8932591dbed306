"""What `gate` and `baseline accept` share: find or make the artifacts that a policy names, and measure them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from viewfinder import artifact, golden
from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, CheckFailedError, UsageError, ViewfinderError
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.recipe import CalibrationSet, Recipe
from viewfinder.runtime import engines, verified
from viewfinder.runtime.gate import measured
from viewfinder.runtime.gate.measured import Measured
from viewfinder.runtime.gate.policyfile import PolicyFile
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.gate_cases import Order, Wanted, is_file, wanted

Progress = Callable[[str], None]
EXPORTED = ("float", "fp16")
"""Precisions that the exporter makes; the others are quantized from float."""
CALIBRATED = ("w8a8", "w8a16")
"""Precisions that need a calibration set even where a recipe cannot be read."""


@dataclass(frozen=True)
class Problem:
    """Why a case has no numbers.

    Attributes:
        rule: what the check is called that tells it.
        is_failure: something is wrong, and not only missing here.
    """

    rule: str
    told: str
    is_failure: bool = False


@dataclass(frozen=True)
class Found:
    """One case, measured; or the problem that leaves nothing to measure."""

    wanted: Wanted
    section: Section
    made: Artifact | None = None
    truth: Golden | None = None
    now: Measured | None = None
    others: tuple[Measurement, ...] = ()
    problem: Problem | None = None


def find(file: PolicyFile, order: Order, say: Progress) -> list[Found]:
    """Find or make every artifact of a policy and measure it; what cannot be is told, and the rest goes on.

    Raises:
        BadPolicyError: see `wanted`.
        BadArtifactError: golden pictures that are damaged or missing.
    """
    cases = wanted(file, order)
    reports = [documents.read(path) for path in order.reports]
    problems = _build(file, cases, order, say)
    found = []
    for case in cases:
        if case.folder in problems:
            found.append(_nothing(case, problems[case.folder]))
            continue
        say(f"measuring {case.folder.name} on {case.target}")
        others = [section for report in reports for section in report.sections]
        found.append(_measured(case, order, others))
    return found


def _build(file: PolicyFile, cases: Sequence[Wanted], order: Order, say: Progress) -> dict[Path, Problem]:
    """Make what is to be built, with its golden pictures; return why some could not be made, by folder."""
    problems: dict[Path, Problem] = {}
    for case in cases:
        if not case.is_built or case.folder.exists() or case.folder in problems:
            continue
        try:
            _make(file, case, order, say)
        except ViewfinderError as error:
            problems[case.folder] = Problem(
                "artifact.build", error.message, is_failure=isinstance(error, CheckFailedError)
            )
    return problems


def _make(file: PolicyFile, case: Wanted, order: Order, say: Progress) -> None:
    """Export one artifact, or quantize it from float."""
    from viewfinder.verbs.export import ExportOptions, export

    places = tuple(file.folder / name for name in file.policy.photographs)
    options = ExportOptions(
        _model(file, case),
        (case.format,),
        case.precision if case.precision in EXPORTED else "float",
        case.folder.parent,
        case.weights,
        photos=places,
        write_golden=not (case.folder.parent / golden.FILE).exists(),
        use_cache=order.use_cache,
    )
    if case.precision in EXPORTED or not (case.folder.parent / f"{case.format}-float").exists():
        export(options, say)
    if case.precision not in EXPORTED:
        _quantize(file, case, order, say)


def _model(file: PolicyFile, case: Wanted) -> str:
    """Return the name of a model; a file's path is relative to the policy."""
    return str(file.folder / case.model) if is_file(case.model) else case.model


def _quantize(file: PolicyFile, case: Wanted, order: Order, say: Progress) -> None:
    """Quantize one artifact from the float one beside it; a calibration set that is too poor is refused before."""
    from viewfinder.verbs.quantize import QuantizeRequest, quantize

    policy = file.policy
    asked = policy.limits_for(policy.gates[case.gate]).calibration
    request = QuantizeRequest(
        str(case.folder.parent / f"{case.format}-float"),
        case.precision,
        calibration_data=file.folder / policy.calibration_data if policy.calibration_data else None,
        model=_model(file, case),
        weights=case.weights,
        use_cache=order.use_cache,
    )
    quantize(request if asked is None else replace(request, min_coverage=asked.min_coverage), say)


def _nothing(case: Wanted, problem: Problem) -> Found:
    """Stand for a case that cannot be measured."""
    missing = Measurement("psnr_vs_float_worst_db", None, "dB", Evidence.NOT_RUN, reason=problem.told)
    report = Report(
        case.model, case.folder.name, "", case.format, case.precision, engines.load(case.engine or case.format).NAME,
        Evidence.NOT_RUN, (missing,),
    )  # fmt: skip
    return Found(case, Section(report), truth=_golden_beside(case.folder), problem=problem)


def _golden_beside(folder: Path) -> Golden | None:
    """Load the golden pictures of an artifact that is missing or damaged, so that the report can show them."""
    try:
        return golden.load(golden.find(folder))
    except BadArtifactError:
        return None


def _measured(case: Wanted, order: Order, others: Sequence[Section]) -> Found:
    """Load an artifact, check that it is what the policy means, and measure it on its golden pictures."""
    if not case.folder.exists():
        told = f"there is no {case.folder}; build it, or leave `artifacts` out of the policy"
        return _nothing(case, Problem("artifact.missing", told))
    try:
        made = artifact.load(case.folder)
    except BadArtifactError as error:
        return _nothing(case, Problem("artifact.integrity", error.message, is_failure=True))
    if told := _stranger(case, made):
        return _nothing(case, Problem("artifact.identity", told, is_failure=True))
    truth = golden.load(golden.find(case.folder))
    setup = verifying.setup_for(made, case.engine, order.threads)
    pictures = drawn_in(order, truth) / documents.PICTURES if order.draw else None
    side = panels.side_for(4 * len(truth.photos))
    section = verified.verified(made, truth, verified.Order(setup, order.command, pictures, side, order.use_cache))
    extra = _extra(made, others)
    now = _with_totals(measured.of_section(section), extra)
    return Found(case, section, made, truth, now, extra)


def drawn_in(order: Order, truth: Golden) -> Path:
    """Return the folder of the pictures that belong to some golden pictures."""
    return order.work / "drawn" / f"{panels.slug(truth.task)}-{truth.sha256[:12]}"


def _stranger(case: Wanted, made: Artifact) -> str:
    """Say why an artifact is not the one that the policy means, or return ""."""
    expected = {"format": case.format, "precision": case.precision}
    if not is_file(case.model):
        expected["task"] = case.model
    if case.weights:
        expected["weights"] = case.weights
    wrong = [(key, value, getattr(made, key)) for key, value in expected.items() if getattr(made, key) != value]
    return "; ".join(
        f"{case.folder} has the {key} {found!r}, the policy wants {value!r}" for key, value, found in wrong
    )


def _extra(made: Artifact, others: Sequence[Section]) -> tuple[Measurement, ...]:
    """Take from other reports of the same artifact what only they have: probes and instruction counts.

    A device counts each graph alone, as ``strip_instructions``; here that is ``instructions_strip``.
    """
    counts = {f"{graph.name}_{measured.INSTRUCTIONS}": graph.name for graph in made.graphs}
    found = []
    same = [other.report for other in others if other.report.artifact_sha256 == made.sha256]
    for one in (one for report in same for one in report.measurements):
        if one.metric in counts:
            found.append(replace(one, metric=f"{measured.INSTRUCTIONS}_{counts[one.metric]}"))
        elif one.metric.startswith((measured.PROBE, measured.INSTRUCTIONS)):
            found.append(one)
    return tuple(found)


def _with_totals(now: Measured, extra: Sequence[Measurement]) -> Measured:
    """Add instruction counts to the comparable numbers."""
    counts: Mapping[str, float] = {
        one.metric: one.value for one in extra if one.metric.startswith(measured.INSTRUCTIONS) and one.value is not None
    }
    return replace(now, totals={**now.totals, **counts})


def calibration_of(made: Artifact) -> tuple[bool, CalibrationSet | None]:
    """Tell whether an artifact was calibrated on pictures, and return the set that its recipe names."""
    try:
        recipe = Recipe.from_dict(made.recipe)
    except UsageError:
        return made.precision in CALIBRATED, None
    return recipe.needs_calibration, recipe.calibration
