"""Verbs that look closer at an artifact: probe."""

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
