"""The command ``viewfinder``: its own options, and the groups of verbs."""

from __future__ import annotations

from typing import Annotated

import typer

import viewfinder
from viewfinder.cli import (
    cache,
    checking,
    devices,
    gating,
    looking,
    looking_closer,
    making,
    npus,
    quantizing,
    repairing,
    training,
)

app = typer.Typer(
    name="viewfinder",
    help=viewfinder.__doc__,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 pass, 1 a check failed, 2 usage or environment, 3 produced but not verified, 130 stopped.",
)
making.add_to(app)
quantizing.add_to(app)
training.add_to(app)
checking.add_to(app)
looking.add_to(app)
looking_closer.add_to(app)
repairing.add_to(app)
gating.add_to(app)
devices.add_to(app)
npus.add_to(app)
cache.add_to(app)


def _print_version(value: bool) -> None:
    """Answer ``--version``."""
    if value:
        typer.echo(f"viewfinder {viewfinder.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Prove a camera model on phone silicon before it meets a phone."""
