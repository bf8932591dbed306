"""``viewfinder profile --devices``: every artifact on every device, here or on a Ray cluster; a rerun goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viewfinder import __version__
from viewfinder.artifact import Artifact
from viewfinder.errors import Exit, UsageError
from viewfinder.farm import Outcome, Site, Work, local, on_ray, store
from viewfinder.farm.queue import Queue
from viewfinder.measurement import Evidence, Measurement, Report, Verdict
from viewfinder.runtime.profile import context
from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.document import Document, Section
from viewfinder.target import HOST, Target
from viewfinder.verbs import farming, on_device, profile
from viewfinder.verbs.profile import ProfileRequest

Progress = Callable[[str], None]
ALL = "all"
_FORM = re.compile(":[A-Z]+$")
"""Entries that say how to name a device: ssh:HOST."""


@dataclass(frozen=True)
class FarmRequest:
    """What to profile, and where.

    Attributes:
        profile: subject, schedule and threads; its output folder keeps the finished results.
        devices: names, or "all" for those that can be used now.
        ray: address of a Ray cluster, or "auto" for the one of this computer; "" uses no Ray.
    """

    profile: ProfileRequest
    devices: tuple[str, ...] = (ALL,)
    ray: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be resumed, or says where twice."""
        if self.profile.output is None:
            raise UsageError("a farm needs a folder that keeps what is finished", "name it with -o; a rerun goes on")
        if self.profile.target is not None or self.profile.against is not None:
            raise UsageError("--devices goes with neither --target nor --against", "leave them out")
        if not self.devices or not all(self.devices):
            raise UsageError("no device is named", "write --devices all, or names that `viewfinder devices` lists")


@dataclass(frozen=True)
class Cell:
    """One of the matrix.

    Attributes:
        state: ``done`` now, ``kept`` from an earlier run, or ``open``: to be done by a rerun.
        node: where it ran, for those of now.
        tried: where it was begun in vain before.
    """

    artifact: str
    target: str
    state: str
    report: Report
    node: str = ""
    tried: tuple[str, ...] = ()


@dataclass(frozen=True)
class FarmResult:
    """What came out.

    Attributes:
        skipped: what no device of its kind runs, as "ARTIFACT on DEVICE: why".
        report: file of the report.
    """

    cells: tuple[Cell, ...]
    skipped: tuple[str, ...]
    document: Document
    report: Path

    @property
    def exit_code(self) -> Exit:
        """Return 0 if everything was measured, 1 if counts did not repeat, 3 if something is open or not run."""
        if any(cell.state == "open" or cell.report.evidence is Evidence.NOT_RUN for cell in self.cells):
            return Exit.NOT_VERIFIED
        failed = any(cell.report.verdict is Verdict.FAIL for cell in self.cells)
        return Exit.CHECK_FAILED if failed else Exit.PASS

    def to_dict(self) -> dict[str, Any]:
        """Return the matrix as JSON data."""
        cells = [{**vars(cell), "report": cell.report.to_dict()} for cell in self.cells]
        return {"cells": cells, "skipped": list(self.skipped), "report": str(self.report)}


@dataclass(frozen=True)
class _Planned:
    """A cell before it is run."""

    made: Artifact
    target: Target
    key: str


def farm(request: FarmRequest, progress: Progress | None = None) -> FarmResult:
    """Profile all artifacts of the subject on all devices; what an earlier run finished is not done again.

    Raises:
        UsageError: no such artifact or device, or no cluster.
        MissingToolError: Ray is asked for and not installed.
    """
    say = progress or (lambda _line: None)
    output = request.profile.output or Path()
    farming.checked(output)
    made = profile.chosen_artifacts(Path(request.profile.subject).expanduser(), None)
    payloads = {one.sha256: farming.packed(one) for one in made}
    named = request.devices if ALL not in request.devices else ()
    site: AbstractContextManager[Site]
    site = on_ray.opened(request.ray, payloads) if request.ray else local.opened(named or usable(), payloads)
    with site as place:
        devices = named or tuple(dict.fromkeys(slot.device for slot in place.slots()))
        planned, skipped = _planned(made, devices, request)
        kept = store.kept(output)
        work = [_work(one, request) for one in planned if not _report(kept.get(one.key))]
        say(f"{len(planned)} jobs on {len(devices)} devices; {len(planned) - len(work)} are finished already")
        outcomes = {}

        def on_end(outcome: Outcome) -> None:
            """Keep a finished result at once."""
            outcomes[outcome.work.key] = outcome
            if outcome.error is None and "failure" not in outcome.value["notes"]:
                store.keep(output, outcome.work.key, outcome.value)
            how = "done" if outcome.error is None else f"not done: {outcome.error.message}"
            arguments = outcome.work.arguments
            say(f"[{len(outcomes)}/{len(work)}] {arguments['name']} on {outcome.work.device}: {how}")

        Queue(work, place, on_end).run()
    return _result(request, planned, [*map(_cell_of(kept, outcomes), planned)], skipped)


def usable() -> tuple[str, ...]:
    """List the devices of this computer that can run artifacts now; a fake has to be named."""
    from viewfinder import devices

    there = [one.name for one in devices.found() if not one.missing and one.name != "fake"]
    return tuple(name for name in there if not _FORM.search(name) and _runs_artifacts(name))


def resources() -> dict[str, int]:
    """Return what this computer offers to a farm, as ``ray start --resources`` takes it."""
    return on_ray.resources(usable())


def _runs_artifacts(name: str) -> bool:
    """Tell whether a device runs artifacts, with a Python or by itself."""
    from viewfinder import devices

    device = devices.load(name)
    return name == HOST or hasattr(device, "python") or hasattr(device, "profile_graph")


def _planned(
    made: Sequence[Artifact], devices: Sequence[str], request: FarmRequest
) -> tuple[list[_Planned], tuple[str, ...]]:
    """Make the matrix; leave out what a device does not run by its kind."""
    planned, skipped = [], []
    for device in devices:
        for one in made:
            target = Target.parse(f"{one.format}@{device}")
            found = _looked_at(target, request.ray)
            try:
                replace(request.profile, target=target)
                if found is not None and not hasattr(found, "profile_graph"):
                    on_device.engine_on(found, one)
            except UsageError as error:
                skipped.append(f"{one.folder.name} on {device}: {error.message}")
                continue
            facts = {
                "name": one.folder.name,
                "artifact": one.sha256,
                "target": str(target),
                "protocol": context.PROTOCOL,
                **_options(request),
            }
            planned.append(_Planned(one, target, store.key_of({**facts, "version": __version__})))
    return planned, tuple(skipped)


def _looked_at(target: Target, ray: str) -> Any:
    """Return the device of a target; None for this computer, and for one that only its node in a cluster can open.

    Raises:
        UsageError: there is no such device here, and no cluster that would have it.
    """
    try:
        return None if target.device == HOST else on_device.runner(target)
    except UsageError as error:
        if not ray or error.code == "no-such-device":
            raise
        return None


def _options(request: FarmRequest) -> dict[str, Any]:
    """Return what a job passes on to `ProfileRequest`."""
    names = ("threads", "processes", "runs", "seconds", "sustain_s")
    return {name: getattr(request.profile, name) for name in names}


def _work(one: _Planned, request: FarmRequest) -> Work:
    """Return the job of a cell."""
    arguments = {"name": one.made.folder.name, "target": str(one.target), "options": _options(request)}
    return Work(one.key, one.target.device, farming.JOB, arguments, one.made.sha256)


def _report(value: Any) -> Report | None:
    """Read a report that may have come from another node, or from a file that somebody wrote; None if it is none."""
    try:
        return Report.from_dict(value)
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _cell_of(kept: Mapping[str, Any], outcomes: Mapping[str, Outcome]) -> Callable[[_Planned], Cell]:
    """Return what makes a cell of a plan, from what was kept and what happened now."""

    def cell(one: _Planned) -> Cell:
        """Look up how it ended."""
        name, target = one.made.folder.name, str(one.target)
        if (outcome := outcomes.get(one.key)) is None:
            return Cell(name, target, "kept", _report(kept[one.key]) or _not_run(one, "it cannot be read"))
        tried = tuple(slot.node for slot in outcome.tried)
        report = _report(outcome.value) if outcome.error is None else None
        if report is None or "failure" in report.notes:
            reason = outcome.error.message if outcome.error else "its answer cannot be read"
            return Cell(name, target, "open", report or _not_run(one, reason), "", tried)
        report = replace(report, notes={**report.notes, "node": tried[-1]})
        return Cell(name, target, "done", report, tried[-1], tried[:-1])

    return cell


def _not_run(one: _Planned, reason: str) -> Report:
    """Return the report of a job that nobody finished."""
    gone = Measurement("profile", None, "1", Evidence.NOT_RUN, "what an inference costs", reason=reason)
    made, where = one.made, str(one.target)
    names = (made.task, made.folder.name, made.sha256, made.format, made.precision)
    return Report(*names, where, Evidence.NOT_RUN, (gone,))


def _result(
    request: FarmRequest, planned: Sequence[_Planned], cells: Sequence[Cell], skipped: tuple[str, ...]
) -> FarmResult:
    """Write the report over all cells."""
    if not planned:
        raise UsageError(f"no device runs an artifact of {request.profile.subject}", "; ".join(skipped))
    sections = tuple(Section(cell.report) for cell in cells)
    document = profile.documented(request.profile, planned[0].made, sections)
    written = documents.write(document, request.profile.output or Path())[0]
    return FarmResult(tuple(cells), skipped, document, written)
