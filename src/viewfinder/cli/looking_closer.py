"""Verbs that look closer at an artifact: probe and bisect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli import closer
from viewfinder.cli.checking import Limits, ReportFolder, limit
from viewfinder.cli.options import Engine, Threads
from viewfinder.cli.verb import Outcome, progress, typed, verb


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    verb(app, "probe")(probe)
    verb(app, "bisect")(bisect)


Artifact = Annotated[
    str,
    typer.Argument(metavar="ARTIFACT", help="An artifact's folder, or a folder with artifacts.", show_default=False),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="ARTIFACT", help="Float artifact to compare with.", show_default="the parent, or beside it"
    ),
]


def probe_names() -> list[str]:
    """Complete probe names in the shell."""
    from viewfinder.verbs import probe as verbs

    return verbs.names()


Probes = Annotated[
    list[str] | None,
    typer.Option("--probe", metavar="NAME", help="May be repeated.", show_default="all", autocompletion=probe_names),
]


def probe(
    subject: Artifact,
    against: Against = None,
    probes: Probes = None,
    engine: Engine = None,
    threads: Threads = 1,
    limits: Limits = None,
    output: ReportFolder = None,
) -> Outcome:
    """Look for banding, hue shifts, ringing and seams on synthetic charts."""
    from viewfinder.verbs import probe as verbs

    request = verbs.ProbeRequest(
        subject=subject,
        against=against,
        engine=engine,
        threads=threads,
        probes=tuple(probes or ()),
        limits=tuple(map(limit, limits or ())),
        output=output,
        command=typed(),
    )
    probed = verbs.probe(request, progress)
    return Outcome(probed.to_dict(), closer.probed(probed), probed.exit_code)


Own = Annotated[
    Path,
    typer.Argument(
        metavar="FLOAT", help="The float artifact's folder; or a folder with artifacts, with --to.", show_default=False
    ),
]
Other = Annotated[Path | None, typer.Argument(metavar="[OTHER]", help="The artifact to look at.", show_default=False)]
From = Annotated[str, typer.Option("--from", metavar="PRECISION", help="Of a folder with artifacts.")]
To = Annotated[str | None, typer.Option("--to", metavar="PRECISION", help="Of a folder with artifacts, e.g. w8a8.")]
Format = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="onnx, tflite or coreml.", show_default="all")
]
LeastRatio = Annotated[
    float, typer.Option("--min-sqnr", metavar="DB", help="A tensor below it has parted from float's.")
]
Count = Annotated[int, typer.Option("--photographs", min=1, help="How many of the golden photographs to run.")]
Golden = Annotated[
    Path | None,
    typer.Option("--golden", metavar="FILE", help="Golden pictures.", show_default="golden.npz beside FLOAT"),
]

BisectTarget = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="PROCESSOR",
        help="Run FLOAT, an ONNX artifact of any precision, on the emulated NPU of a processor, and compare it with "
        "ONNX Runtime on the CPU.",
        show_default="none",
    ),
]


def bisect(
    own: Own,
    other: Other = None,
    from_precision: From = "float",
    to_precision: To = None,
    artifact_format: Format = None,
    limit_db: LeastRatio = 20.0,
    photographs: Count = 4,
    golden: Golden = None,
    target: BisectTarget = None,
    output: ReportFolder = None,
) -> Outcome:
    """Name the first tensor and operator where two artifacts part."""
    from viewfinder.verbs import bisect as verbs

    request = verbs.BisectRequest(
        own=own,
        other=other,
        from_precision=from_precision,
        to_precision=to_precision,
        artifact_format=artifact_format,
        limit_db=limit_db,
        photos=photographs,
        golden=golden,
        output=output,
        command=typed(),
        target=target,
    )
    found = verbs.bisect(request, progress)
    return Outcome(found.to_dict(), closer.bisected(found), found.exit_code)
