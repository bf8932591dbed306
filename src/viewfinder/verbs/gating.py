"""What `gate` and `baseline accept` share: find or make the artifacts that a policy names, and measure them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from viewfinder import artifact, golden, models
from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, CheckFailedError, UsageError, ViewfinderError
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement, Report
from viewfinder.recipe import CalibrationSet, Recipe
from viewfinder.runtime import engines, verified
from viewfinder.runtime.gate import measured
from viewfinder.runtime.gate.measured import Measured
from viewfinder.runtime.gate.policy import Gate
from viewfinder.runtime.gate.policyfile import BadPolicyError, Place, PolicyFile
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.building import FORMATS

Progress = Callable[[str], None]
EXPORTED = ("float", "fp16")
"""Precisions that the exporter makes; the others are quantized from float."""
CALIBRATED = ("w8a8", "w8a16")
"""Precisions that need a calibration set even where a recipe cannot be read."""


@dataclass(frozen=True)
class Order:
    """How to go about a policy.

    Attributes:
        artifacts: folder with ``FORMAT-PRECISION/`` for every gate, in place of the policy's; None takes the policy's.
        rebuild: make the artifacts even where the policy says where they are.
        reports: further report.json files: probes, results of devices.
        work: folder for what is built and drawn.
        draw: whether to draw pictures.
    """

    work: Path
    artifacts: Path | None = None
    rebuild: bool = False
    reports: tuple[Path, ...] = ()
    threads: int = 1
    use_cache: bool = True
    draw: bool = False
    command: str = ""


@dataclass(frozen=True)
class Wanted:
    """One case that a policy names.

    Attributes:
        gate: number in the policy.
        engine: as asked for, None for the format's own.
        folder: where the artifact is, or will be.
    """

    gate: int
    model: str
    weights: str | None
    format: str
    engine: str | None
    precision: str
    folder: Path
    is_built: bool

    @property
    def target(self) -> str:
        """Format and engine, as outputs name them."""
        return f"{self.format}@{engines.load(self.engine or self.format).NAME}"


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


def wanted(file: PolicyFile, order: Order) -> list[Wanted]:
    """List the cases of a policy.

    Raises:
        BadPolicyError: a target that is no format or engine, or a case that stands twice; with its line.
    """
    cases = [case for number, gate, _ in file.gates() for case in _of_gate(file, number, gate, order)]
    seen: dict[tuple[str, str | None, str, str], Wanted] = {}
    for case in cases:
        key = (case.model, case.weights, case.target, case.precision)
        if key in seen:
            raise BadPolicyError(
                f"{file.path}:{file.line(('gates', case.gate))}: {case.model} {case.target} {case.precision} stands "
                f"twice, first in line {file.line(('gates', seen[key].gate))}",
                "keep one of them",
            )
        seen[key] = case
    return cases


def _of_gate(file: PolicyFile, number: int, gate: Gate, order: Order) -> Iterator[Wanted]:
    """List the cases of one gate."""
    taken = order.artifacts or (file.folder / gate.artifacts if gate.artifacts else None)
    is_built = taken is None or order.rebuild
    if is_built and not _is_file(gate.model) and gate.model not in models.names():
        line = file.line(("gates", number, "model"))
        hint = f"choose one of {', '.join(models.names())}, or your own as path/to/file.py:TASK"
        raise BadPolicyError(f"{file.path}:{line}: no model is called {gate.model!r}", hint)
    for position, target in enumerate(gate.targets):
        kind, engine = _target(file, ("gates", number, "targets", position), target)
        for precision in gate.precisions:
            base = order.work / "built" / f"{panels.slug(gate.model)}-{gate.weights or 'default'}"
            folder = (base if taken is None or is_built else taken) / f"{kind}-{precision}"
            yield Wanted(number, gate.model, gate.weights, kind, engine, precision, folder, is_built)


def _target(file: PolicyFile, place: Place, target: str) -> tuple[str, str | None]:
    """Read ``FORMAT`` or ``FORMAT@ENGINE``; the engine is None where the format's own is meant."""
    kind, _, engine = target.partition("@")
    known = ", ".join(FORMATS)
    try:
        fits = kind in FORMATS and kind == engines.load(engine or kind).FORMAT
        problem, hint = f"{target!r} is no target", f"write one of {known}, or FORMAT@ENGINE"
    except UsageError as error:
        fits, problem, hint = False, error.message, error.hint
    if not fits:
        raise BadPolicyError(f"{file.path}:{file.line(place)}: {problem}", hint)
    return kind, engine or None


def _is_file(model: str) -> bool:
    """Tell a model in a file of the user's."""
    return model.partition(":")[0].endswith(".py")


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
        str(file.folder / case.model) if _is_file(case.model) else case.model,
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


def _quantize(file: PolicyFile, case: Wanted, order: Order, say: Progress) -> None:
    """Quantize one artifact from the float one beside it; a calibration set that is too poor is refused before."""
    from viewfinder.verbs.quantize import QuantizeRequest, quantize

    policy = file.policy
    asked = policy.limits_for(policy.gates[case.gate]).calibration
    request = QuantizeRequest(
        str(case.folder.parent / f"{case.format}-float"),
        case.precision,
        calibration_data=file.folder / policy.calibration_data if policy.calibration_data else None,
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
    return Found(case, Section(report), problem=problem)


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
    pictures = order.work / "drawn" / truth.sha256[:12] / documents.PICTURES if order.draw else None
    side = panels.side_for(4 * len(truth.photos))
    section = verified.verified(made, truth, verified.Order(setup, order.command, pictures, side, order.use_cache))
    same = [one for one in others if one.report.artifact_sha256 == made.sha256]
    extra = tuple(one for other in same for one in other.report.measurements if _is_extra(one))
    now = _with_totals(measured.of_section(section), extra)
    return Found(case, section, made, truth, now, extra)


def _stranger(case: Wanted, made: Artifact) -> str:
    """Say why an artifact is not the one that the policy means, or return ""."""
    expected = {"format": case.format, "precision": case.precision}
    if not _is_file(case.model):
        expected["task"] = case.model
    if case.weights:
        expected["weights"] = case.weights
    wrong = [(key, value, getattr(made, key)) for key, value in expected.items() if getattr(made, key) != value]
    return "; ".join(
        f"{case.folder} has the {key} {found!r}, the policy wants {value!r}" for key, value, found in wrong
    )


def _is_extra(one: Measurement) -> bool:
    """Tell what only another report has: probes and instruction counts."""
    return one.metric.startswith((measured.PROBE, measured.INSTRUCTIONS))


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
