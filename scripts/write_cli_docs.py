"""Write ``docs/cli.md`` from the commands' own help; ``tests/test_docs.py`` holds it fresh."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# Command line

This page is made from `--help` by `make docs`; change the help, not the page. Every command also takes `--json`, which
prints one envelope on standard output, `{"schema_version", "command", "status", "result", "warnings", "error"}`, and
`--debug`, which shows tracebacks and the libraries' own messages.
"""


def commands() -> dict[str, Any]:
    """Map ``cache clean`` and the like to their click commands."""
    import typer

    from viewfinder.cli.app import app

    return dict(_walk(typer.main.get_command(app), ""))


def _walk(group: Any, prefix: str) -> list[tuple[str, Any]]:
    """List the commands below a group, depth first, in their own order."""
    found: list[tuple[str, Any]] = []
    for name, command in group.commands.items():
        full = f"{prefix} {name}".strip()
        found += _walk(command, full) if hasattr(command, "commands") else [(full, command)]
    return found


def page() -> str:
    """Return the page as Markdown; help is wrapped at 100 columns, whatever the terminal."""
    os.environ["COLUMNS"] = "100"
    os.environ["NO_COLOR"] = "1"
    parts = [HEAD]
    for name, command in commands().items():
        context = command.make_context(f"viewfinder {name}", [], resilient_parsing=True, max_content_width=100)
        parts.append(f"## viewfinder {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name} written\n")
