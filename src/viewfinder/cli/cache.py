"""Verbs of the cache: where it is, what it holds, and how to empty it."""

from __future__ import annotations

import typer

from viewfinder.cli.table import size
from viewfinder.cli.verb import Outcome, verb


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    group = typer.Typer(help="Show or empty the cache of made artifacts.", no_args_is_help=True, rich_markup_mode=None)
    verb(group, "path")(path)
    verb(group, "clean")(clean)
    app.add_typer(group, name="cache")


def path() -> Outcome:
    """Print the folder of the cache; set VIEWFINDER_CACHE to move it."""
    from viewfinder.verbs import cache

    state = cache.state()
    return Outcome(state.to_dict(), str(state.folder))


def clean() -> Outcome:
    """Empty the cache. Toolchains stay; `viewfinder doctor --remove NAME` deletes one."""
    from viewfinder.verbs import cache

    held = cache.clean()
    return Outcome(held.to_dict(), f"{size(sum(held.entries.values()))} freed in {held.folder}")
