"""Verbs of devices: what there is, setting one up, removing it, and profiling on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from viewfinder.cli.options import Target, Threads
from viewfinder.cli.table import count, size, table
from viewfinder.cli.verb import Outcome, progress, typed, verb

if TYPE_CHECKING:
    from viewfinder.devices import Found
    from viewfinder.measurement import Measurement, Report
    from viewfinder.verbs.farm import FarmResult
    from viewfinder.verbs.profile import ProfileRequest, ProfileResult

MOST_OPERATORS = 8
"""Shown of a graph; the report has all."""


def add_to(app: typer.Typer) -> None:
    """Register the group and the verb."""
    group = typer.Typer(
        help="List devices; set up and remove what they need.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    verb(_Bare(group), "devices")(bare)
    verb(group, "list")(listed)
    verb(group, "setup")(setup)
    verb(group, "remove")(remove)
    app.add_typer(group, name="devices")
    verb(app, "profile")(profile)


class _Bare(typer.Typer):
    """Takes a command in place of the group's own name, without a verb behind it."""

    def __init__(self, group: typer.Typer) -> None:
        """Stand for `group`."""
        super().__init__()
        self._group = group

    def command(self, name: str | None = None, **_options: Any) -> Any:  # noqa: ARG002 a callback has no name
        """Register what the bare group does."""
        return self._group.callback(invoke_without_command=True)


Ray = Annotated[
    bool, typer.Option("--ray", help="Print what this computer can use as `ray start --resources` takes it.")
]


def bare(context: typer.Context) -> Outcome:
    """List devices; set up and remove what they need."""
    return Outcome() if context.invoked_subcommand else listed()


def listed(ray: Ray = False) -> Outcome:
    """List what is attached or can be emulated, and what is missing to use it."""
    from viewfinder.verbs import devices

    if ray:
        from viewfinder.verbs import farm

        offered = farm.resources()
        return Outcome(offered, json.dumps(offered))
    found = devices.found()
    return Outcome([one.to_dict() for one in found], _table(found))


def _table(found: list[Found]) -> str:
    """One line per device."""
    rows = [(one.name, "missing" if one.missing else "ready", one.about, one.missing, one.remedy) for one in found]
    return table(("device", "state", "what", "missing", "to mend it"), rows)


Name = Annotated[str, typer.Argument(metavar="DEVICE", help="arm64 or android.", show_default=False)]


def setup(device: Name) -> Outcome:
    """Make what emulated boards or phones need; the same command goes on where it was stopped."""
    from viewfinder.verbs import devices

    made = devices.set_up(device, progress)
    warnings = (f"{device} verifies, but does not count instructions: {made.counts}",) if made.counts else ()
    return Outcome(made.to_dict(), f"{device} is set up in {made.folder}", warnings=warnings)


def remove(device: Name) -> Outcome:
    """Delete what `devices setup` made."""
    from viewfinder.verbs import devices

    freed = devices.remove(device)
    return Outcome({"removed": device, "freed_bytes": freed}, f"{device} is removed, {size(freed)} freed")


Artifacts = Annotated[
    str, typer.Argument(metavar="ARTIFACT", help="An artifact's folder, or a folder of artifacts.", show_default=False)
]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Write report.html and report.json.", show_default="nowhere"),
]
Processes = Annotated[int, typer.Option("--processes", min=1, help="On this computer: processes for each graph.")]
Runs = Annotated[int, typer.Option("--runs", min=1, help="On this computer: least warm inferences in each process.")]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0, help="On this computer: least time of warm inferences in each process.")
]

Sustain = Annotated[
    str | None,
    typer.Option(
        "--sustain",
        metavar="TIME",
        help="Run each graph without pauses for so long, as 10m: first and last 30 s, the curve, memory.",
        show_default="no",
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="ARTIFACT", help="Time it in turn with another, and compare the two.", show_default="none"
    ),
]

Devices = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="NAME,NAME",
        help="Every artifact on every one of these devices; `all`: those that can be used. Needs -o; a rerun goes on.",
        show_default="one target",
    ),
]
Operators = Annotated[
    bool,
    typer.Option(
        "--operators",
        help="Also say where each operator runs, what it costs and what fell back; with -o, for Model Explorer too.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option("--ray", metavar="ADDRESS", help="On the devices of a Ray cluster; `auto` for this computer's."),
]


def profile(
    subject: Artifacts,
    target: Target = None,
    threads: Threads = 1,
    processes: Processes = 4,
    runs: Runs = 50,
    seconds: Seconds = 1.0,
    output: ReportFolder = None,
    sustain: Sustain = None,
    against: Against = None,
    devices: Devices = None,
    ray: Cluster = None,
    operators: Operators = False,
) -> Outcome:
    """Measure time here or on a board, or count instructions on an emulated one."""
    from viewfinder import durations
    from viewfinder.target import Target as Parsed
    from viewfinder.verbs import profile as verbs

    request = verbs.ProfileRequest(
        subject,
        Parsed.parse(target) if target else None,
        threads,
        processes,
        runs,
        seconds,
        output,
        typed(),
        durations.seconds(sustain) if sustain else 0.0,
        against,
        operators,
    )
    if devices or ray:
        return _farmed(request, devices or "all", ray or "")
    made = verbs.profile(request, progress)
    return Outcome(made.to_dict(), profiled(made), made.exit_code, made.warnings)


def _farmed(request: ProfileRequest, devices: str, ray: str) -> Outcome:
    """Run the matrix."""
    from viewfinder.verbs import farm as verbs

    names = tuple(name.strip() for name in devices.split(","))
    made = verbs.farm(verbs.FarmRequest(request, names, ray), progress)
    return Outcome(made.to_dict(), farmed(made), made.exit_code)


def farmed(made: FarmResult) -> str:
    """One line per artifact and device: how it went, the number that counts, where, or why not."""
    rows = []
    for cell in made.cells:
        counted = [one.metric for one in cell.report.measurements if one.metric.endswith("_spread_percent")]
        names = {name.removesuffix("_spread_percent") for name in counted}
        main = [one for one in cell.report.measurements if one.metric.endswith("_warm_p50_ms") or one.metric in names]
        numbers = ", ".join(f"{one.metric} {_value(one)}" for one in main)
        why = next((one.reason for one in cell.report.measurements if one.reason), "")
        rows.append((cell.artifact, cell.target, cell.state, numbers or why, cell.node[:12]))
    skipped = [f"not run there: {text}" for text in made.skipped]
    return "\n".join(
        [table(("artifact", "target", "state", "numbers", "node"), rows), *skipped, f"\nreport: {made.report}"]
    )


def profiled(made: ProfileResult) -> str:
    """A table for each artifact, and where the report is."""
    parts = [_profile(section.report) for section in made.document.sections]
    compared = [f"{made.compared.key}: {made.compared.word}: {made.compared.why}"] if made.compared else []
    return "\n\n".join([*parts, *compared, *([f"report: {made.report}"] if made.report else [])])


def _profile(report: Report) -> str:
    """Every number of one artifact; those of an emulated board say that they are no time."""
    head = f"{report.artifact} in {report.engine} ({report.evidence}), sha256 {report.artifact_sha256[:12]}"
    if all(one.value is None for one in report.measurements):
        return f"{head}: {'; '.join(one.reason for one in report.measurements)}"
    rows = [(one.metric, _value(one)) for one in report.measurements if one.value or not _is_part(one)]
    note = "\nCounts of an emulated processor, one thread; they are no time." if report.evidence == "emulated" else ""
    return f"{head}\n{table(('metric', 'value'), rows)}{_curves(report)}{_operators(report)}{note}"


def _operators(report: Report) -> str:
    """The dearest operators of each graph, all that fell back, and why."""
    text = f"\n{why}" if (why := report.notes.get("operators_not_told")) else ""
    for graph, found in dict(report.notes.get("operators", {})).items():
        dear = sorted(found, key=lambda one: -(one["microseconds"] or 0))[:MOST_OPERATORS]
        shown = [one for one in found if one in dear or one["fallback"]]
        cells = [
            (one["kind"], one["name"], one["where"], _microseconds(one["microseconds"]), one["fallback"])
            for one in shown
        ]
        fell = sum(bool(one["fallback"]) for one in found)
        text += f"\n\n{graph}: {len(found)} operators, {fell} fell back\n"
        text += table(("operator", "output", "where", "time", "why it fell back"), cells)
    return text


def _microseconds(value: float | None) -> str:
    """Write the cost of an operator."""
    return "not told" if value is None else f"{value:.4g} us"


def _curves(report: Report) -> str:
    """Draw the curve of each sustained run, from nought to its slowest window."""
    bars = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
    lines = ""
    for one in report.measurements:
        if one.metric.endswith("_sustained_p50_ms") and one.value:
            heights = (min(int(len(bars) * value / one.value), len(bars) - 1) for value in one.per_sample.values())
            lines += f"\n{one.metric} {''.join(bars[height] for height in heights)}"
    return lines


def _is_part(one: Measurement) -> bool:
    """Tell the classes of instructions, of which only those that occur are shown."""
    return one.metric.endswith("_instructions")


def _value(one: Measurement) -> str:
    """Write a value for people."""
    value = one.value or 0.0
    if one.unit == "bytes":
        return size(value)
    return (
        count(value)
        if one.unit in {"instructions", "misses"}
        else f"{value:.4g}{'' if one.unit == '1' else f' {one.unit}'}"
    )
