"""``viewfinder gate``: hold every artifact of a policy against its limits, and say why where one does not keep them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import viewfinder
from viewfinder import files
from viewfinder.errors import Exit, UsageError, ViewfinderError
from viewfinder.golden import Golden
from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime import verified
from viewfinder.runtime.gate import baseline as baselines
from viewfinder.runtime.gate import checks, diagnosis, policy, policyfile
from viewfinder.runtime.gate.baseline import Baseline
from viewfinder.runtime.gate.comparison import changed_files, changes, is_explained
from viewfinder.runtime.gate.outcome import Case, Check, Explanation, Outcome, Ruling
from viewfinder.runtime.gate.outputs import junit, sarif, summary
from viewfinder.runtime.gate.policyfile import PolicyFile
from viewfinder.runtime.gate.stand import Stand
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Section
from viewfinder.verbs import gating
from viewfinder.verbs import verify as verifying
from viewfinder.verbs.gate_cases import Order
from viewfinder.verbs.gating import Found, Problem

Progress = Callable[[str], None]
ON_PHOTOGRAPHS = (
    "artifact.finite",
    "against_float",
    "against_truth",
    "against_baseline.drop",
    "against_baseline.worst",
)
"""Rules (their beginnings) whose failure a mistake in the pictures' way can explain."""
UNUSABLE = "artifact_unusable"


@dataclass(frozen=True)
class GateRequest:
    """What to gate.

    Attributes:
        policy: the policy's file.
        artifacts, rebuild, reports: as in `gate_cases.Order`.
        baseline: in place of the policy's.
        output: folder for report.html, report.json, gate.json, junit.xml, gate.sarif, summary.md; None writes none.
        explain: whether to look for causes of failures.
        command: what the user typed, for the outputs.
    """

    policy: Path
    artifacts: Path | None = None
    rebuild: bool = False
    reports: tuple[Path, ...] = ()
    baseline: Path | None = None
    output: Path | None = None
    threads: int = 1
    use_cache: bool = True
    explain: bool = True
    command: str = ""

    def __post_init__(self) -> None:
        """Refuse a number of threads that nothing can run with."""
        if self.threads < 1:
            raise UsageError(f"{self.threads} threads", "give at least 1")


@dataclass(frozen=True)
class GateResult:
    """What came out; `folder` is where the outputs lie, or None."""

    outcome: Outcome
    folder: Path | None = None

    @property
    def exit_code(self) -> Exit:
        """Return 0 if every limit holds, 1 if one does not, 3 if something could not be decided."""
        return self.outcome.exit_code

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON data, with where it was written."""
        return {**self.outcome.to_dict(), "folder": str(self.folder) if self.folder else None}


def schema() -> dict[str, Any]:
    """Return the JSON schema of a policy."""
    return policy.schema()


def gate(request: GateRequest, progress: Progress | None = None) -> GateResult:
    """Measure what the policy names, decide every limit, explain failures, and write the outputs if it says where.

    Raises:
        BadPolicyError: a policy that cannot be read; with its line.
        BadBaselineError: a baseline that is damaged.
        BadArtifactError: golden pictures that are damaged or missing.
    """
    say = progress or (lambda _line: None)
    file = policyfile.load(request.policy)
    with tempfile.TemporaryDirectory(prefix="viewfinder-gate-") as work:
        order = Order(
            Path(work), request.artifacts, request.rebuild, request.reports, request.threads, request.use_cache,
            request.output is not None, request.command,
        )  # fmt: skip
        before, missing = _baseline(file, request)
        found = gating.find(file, order, say)
        cases = [_case(file, one, request, before, missing) for one in found]
        outcome = Outcome(
            policy=request.policy.as_posix(),
            cases=tuple(cases),
            command=request.command,
            created=verified.now(),
            settings={"confidence": file.policy.confidence, "seed": file.policy.seed},
            notes=(missing,) if missing else (),
        )
        if request.output is not None:
            _write(outcome, found, order, request.output)
    return GateResult(outcome, request.output)


def _baseline(file: PolicyFile, request: GateRequest) -> tuple[Baseline, str]:
    """Read the baseline; without the file, say how to write it."""
    if request.baseline is None and file.policy.baseline is None:
        return Baseline(), ""
    path = request.baseline or file.folder / str(file.policy.baseline)
    if not path.exists():
        told = f"there is no baseline {path.name} yet; write it with `viewfinder baseline accept --reason ...`"
        return Baseline(), told
    return baselines.load(path), ""


def _case(file: PolicyFile, found: Found, request: GateRequest, before: Baseline, missing: str) -> Case:
    """Decide one case."""
    case = found.wanted
    line = file.line(("gates", case.gate))
    if found.problem is not None:
        check = _unmeasured(found.problem, line)
        section = replace(found.section, report=replace(found.section.report, measurements=(check.measurement,)))
        return Case(case.model, case.target, case.precision, (check,), section, line=line)
    bench = _bench(file, found, before, missing)
    if bench.limits.probes == "required" and not any(one.metric.startswith("probe_") for one in bench.others):
        bench = _probed(bench, found, request)
    made = checks.checks(bench)
    changed = changes(bench.before, bench.now) if bench.before else ()
    told = _explanations(bench, found, made, request) if request.explain else ()
    section = _bound(found.section, made, told)
    return Case(case.model, case.target, case.precision, tuple(made), section, told, changed, line)


def _unmeasured(problem: Problem, line: int) -> Check:
    """Make the check of a case without numbers: what is wrong fails, what is missing is not run."""
    definition = "1 for an artifact that could not be made, or is not what it says it is"
    value, evidence = (1, Evidence.MEASURED) if problem.is_failure else (None, Evidence.NOT_RUN)
    one = Measurement(UNUSABLE, value, "1", evidence, definition, maximum=0, reason=problem.told)
    ruling = Ruling.FAIL if problem.is_failure else Ruling.NOT_RUN
    return Check(problem.rule, ruling, problem.told, one, line)


def _bench(file: PolicyFile, found: Found, before: Baseline, missing: str) -> checks.Bench:
    """Put everything together that the checks need."""
    if found.now is None or found.made is None:
        raise UsageError(f"{found.wanted.folder} was not measured")
    entry = before.entries.get(found.now.key)
    accept = "`viewfinder baseline accept --reason ...`"
    why = f"no baseline yet: {accept}" if missing else f"the baseline has no {found.now.key}; write it with {accept}"
    is_calibrated, calibration = gating.calibration_of(found.made)
    return checks.Bench(
        file=file,
        gate=found.wanted.gate,
        limits=file.policy.limits_for(file.policy.gates[found.wanted.gate]),
        section=found.section,
        now=found.now,
        others=found.others,
        before=entry.measured if entry else None,
        no_baseline=why,
        is_calibrated=is_calibrated,
        calibration=calibration,
    )


def _probed(bench: checks.Bench, found: Found, request: GateRequest) -> checks.Bench:
    """Run the probes; what keeps them from running stands in the check."""
    from viewfinder.verbs.probe import ProbeRequest, probe

    try:
        result = probe(ProbeRequest(str(found.wanted.folder), engine=found.wanted.engine, threads=request.threads))
        numbers = [one for section in result.document.sections for one in section.report.measurements]
    except ViewfinderError as error:
        numbers = [Measurement("probe_all", None, "1", Evidence.NOT_RUN, reason=error.message)]
    return replace(bench, others=(*bench.others, *numbers))


def _explanations(
    bench: checks.Bench, found: Found, made: Sequence[Check], request: GateRequest
) -> tuple[Explanation, ...]:
    """Find what explains failures on photographs: a mistake on the pictures' way, or files that are not the same."""
    failed = [check for check in made if check.ruling is Ruling.FAIL and check.rule.startswith(ON_PHOTOGRAPHS)]
    if not failed or found.made is None or found.truth is None:
        return ()
    told = []
    worst = next((check.measurement.worst for check in failed if check.measurement.worst), "")
    photo = next((one for one in found.truth.photos if one.name == worst), found.truth.photos[0])
    setup = verifying.setup_for(found.made, found.wanted.engine, request.threads)
    try:
        cause = diagnosis.explained(Stand(found.made, setup, photo))
    except ViewfinderError:  # the failure stands, and its reason; only the search for causes ends here
        cause = None
    if cause is not None:
        told.append(cause)
    told += _by_files(bench)
    return tuple(told)


def _by_files(bench: checks.Bench) -> list[Explanation]:
    """Say that the weights are not the baseline's: on record (retrained), or without one (damaged)."""
    before, now = bench.before, bench.now
    if before is None or not changed_files(before, now):
        return []
    if before.made.weights_sha256 != now.made.weights_sha256:
        return [Explanation("weights-changed", f"the network has {changes(before, now)[0]}")]
    if is_explained(before, now):
        return []
    names = ", ".join(changed_files(before, now))
    return [
        Explanation("files-changed", f"the bytes of {names} are not the baseline's, though nothing on record changed")
    ]


def _bound(section: Section, made: Sequence[Check], told: Sequence[Explanation]) -> Section:
    """Put the checks into the report of a case: the policy's limits in place of all others, reasons beside failures."""
    plain = {
        one.metric: replace(one, minimum=None, maximum=None, limit_reason="") for one in section.report.measurements
    }
    causes = "; ".join(one.told for one in told)
    for check in (one for one in made if one.ruling is not Ruling.NOT_CHECKED):
        one = check.measurement
        if check.ruling is Ruling.FAIL:
            one = replace(one, reason="; ".join(part for part in (check.told, causes) if part))
        earlier = plain.get(one.metric)
        if earlier is None or not (earlier.reason and check.ruling is Ruling.PASS):
            plain[one.metric] = one
    return replace(section, report=replace(section.report, measurements=tuple(plain.values())))


def _write(outcome: Outcome, found: Sequence[Found], order: Order, output: Path) -> None:
    """Write every output; a report for each file of golden pictures, in a folder of its own if there are several."""
    with files.explained(output):
        output.mkdir(parents=True, exist_ok=True)
    for name in (documents.HTML_NAME, documents.JSON_NAME):
        (output / name).unlink(missing_ok=True)  # an earlier gate's page may not stand beside this one's verdict
    folders = _reports(outcome, found, order, output)
    pages = sorted({"/".join(part for part in (name, documents.HTML_NAME) if part) for name in folders.values()})
    texts: Mapping[str, str] = {
        "gate.json": _json(outcome),
        junit.NAME: junit.render(outcome),
        sarif.NAME: sarif.render(outcome, viewfinder.__version__),
        summary.NAME: summary.render(outcome, folders, pages),
    }
    for name, text in texts.items():
        files.write_text(output / name, text)


def _json(outcome: Outcome) -> str:
    """Return the outcome as sorted JSON."""
    import json

    data = {"schema_version": 1, "kind": "viewfinder-gate", **outcome.to_dict()}
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _reports(outcome: Outcome, found: Sequence[Found], order: Order, output: Path) -> dict[str, str]:
    """Write report.html and report.json; return the folder of each case's pictures, relative to `output`."""
    goldens = {_name(one.truth): one.truth for one in found if one.truth is not None}
    folders: dict[str, str] = {}
    for number, (pictures, truth) in enumerate(goldens.items()):
        name = "" if len(goldens) == 1 else f"{truth.task}-{number + 1}"
        own = [case for case, one in zip(outcome.cases, found, strict=True) if _belongs(one, pictures, goldens)]
        work = gating.drawn_in(order, truth)
        drawn = verified.photographs(truth, work / documents.PICTURES, 720)
        document = verifying.assembled(order.command, [case.section for case in own], truth, drawn)
        verifying.deliver(document, work, output / name)
        folders |= {case.name: name for case in own}
    return folders


def _name(truth: Golden) -> str:
    """Name golden pictures: two models may have equal ones."""
    return f"{truth.task} {truth.sha256}"


def _belongs(found: Found, pictures: str, goldens: Mapping[str, Golden]) -> bool:
    """Tell whether a case belongs to the report of some golden pictures; what has none goes into the first."""
    return (_name(found.truth) if found.truth else next(iter(goldens))) == pictures
