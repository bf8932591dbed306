"""The command line: thin typer commands over ``viewfinder.verbs``. Nothing heavy is imported until a verb runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``viewfinder ARGUMENTS`` (those of the process for None) and return the exit code."""
    from viewfinder.cli import app, ending

    return ending.run(app.app, sys.argv[1:] if arguments is None else arguments)
