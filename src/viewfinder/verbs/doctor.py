"""``viewfinder doctor``: what is installed, missing, too new or not runnable here, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viewfinder import files
from viewfinder.errors import UsageError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from viewfinder.runtime.engines import Engine

BASE = "base"
NEEDED_BYTES = 4_000_000_000
"""Free space for the whole environment (2.6 GB, stack.md section 1) and a build."""


class State(StrEnum):
    """What is the matter with a tool."""

    OK = "ok"
    MISSING = "missing"
    TOO_OLD = "too old"
    TOO_NEW = "too new"
    NOT_HERE = "not runnable here"


@dataclass(frozen=True)
class Check:
    """One tool.

    Attributes:
        group: ``base``, an extra of the package, ``engine``, ``target``, ``toolchain`` or ``system``.
        found: its version, or the reason why it does not run.
        wanted: the versions that work.
        remedy: the command that mends it; "" when nothing is to be done.
        size, licence: of a toolchain, known before it is asked for.
    """

    group: str
    name: str
    state: State
    found: str = ""
    wanted: str = ""
    remedy: str = ""
    size: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks."""

    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        """Tell whether what the base needs is there: then artifacts can be verified and run."""
        return all(check.state is State.OK for check in self.checks if check.group in {BASE, "system"})

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as JSON data."""
        return {"usable": self.usable, "checks": [asdict(check) for check in self.checks]}


def doctor(progress: Callable[[str], None] | None = None) -> Diagnosis:
    """Look at the system and at every package and toolchain; have every engine and backend do one addition.

    Args:
        progress: is told what is tried, a line at a time.
    """
    say = progress or (lambda _line: None)
    return Diagnosis((*_system(), *_packages(), *_engines(say), *_targets(say), *_toolchains()))


def install(name: str, progress: Callable[[str], None]) -> None:
    """Create the isolated environment `name`.

    Raises:
        UsageError: no toolchain has this name.
    """
    from viewfinder.devices import toolchains

    _known(name)
    toolchains.install(name, progress)


def remove(name: str) -> None:
    """Delete the isolated environment `name`.

    Raises:
        UsageError: no toolchain has this name.
    """
    from viewfinder.devices import toolchains

    _known(name)
    toolchains.remove(name)


def _known(name: str) -> None:
    """Refuse names that no lock file has."""
    from viewfinder.devices import toolchains

    if name not in toolchains.names():
        raise UsageError(f"there is no toolchain {name!r}", f"choose one of: {', '.join(toolchains.names())}")


def _system() -> Iterator[Check]:
    """Check Python and the disk."""
    version = sys.version_info
    state = State.OK if (3, 11) <= version < (3, 13) else State.TOO_OLD if version < (3, 11) else State.TOO_NEW
    remedy = "" if state is State.OK else "make an environment with Python 3.11 or 3.12"
    yield Check("system", "python", state, platform.python_version(), ">=3.11,<3.13", remedy)
    folder = _existing(files.cache_folder())
    free = shutil.disk_usage(folder).free
    enough = free >= NEEDED_BYTES
    yield Check(
        "disk",
        str(folder),
        State.OK if enough else State.NOT_HERE,
        f"{free / 1e9:.1f} GB free",
        f">={NEEDED_BYTES / 1e9:.0f} GB",
        "" if enough else "viewfinder cache clean, or set VIEWFINDER_CACHE to a folder on a larger disk",
    )


def _existing(folder: Path) -> Path:
    """Return the folder or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _packages() -> Iterator[Check]:
    """Check every requirement that this package states, group by group."""
    from packaging.requirements import Requirement

    try:
        stated = [Requirement(line) for line in importlib.metadata.requires("viewfinder") or []]
    except importlib.metadata.PackageNotFoundError:
        yield Check(BASE, "viewfinder", State.MISSING, "", "", "python -m pip install -e .  # in the repository")
        return
    for group in (BASE, "export", "train", "heif", "devices"):
        for requirement in stated:
            if _belongs(requirement, group):
                yield _package(requirement, group)


def _belongs(requirement: Requirement, group: str) -> bool:
    """Tell whether `requirement` is stated by the base or by the extra `group`."""
    if requirement.marker is None:
        return group == BASE
    without, with_group = requirement.marker.evaluate({"extra": ""}), requirement.marker.evaluate({"extra": group})
    return without if group == BASE else with_group and not without


def _package(requirement: Requirement, group: str) -> Check:
    """Compare what is installed with what is stated."""
    remedy = f"python -m pip install '{requirement.name}{requirement.specifier}'"
    wanted = str(requirement.specifier)
    try:
        found = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        everything = remedy if group == BASE else f"python -m pip install 'viewfinder[{group}]'"
        return Check(group, requirement.name, State.MISSING, "", wanted, everything)
    if requirement.specifier.contains(found, prereleases=True):
        return Check(group, requirement.name, State.OK, found, wanted)
    return Check(group, requirement.name, _misfit(requirement, found), found, wanted, remedy)


def _misfit(requirement: Requirement, found: str) -> State:
    """Tell on which side of the stated versions `found` lies."""
    from packaging.version import Version

    bounds = [Version(bound.version.removesuffix(".*")) for bound in requirement.specifier]
    return State.TOO_OLD if Version(found) < min(bounds) else State.TOO_NEW


def _engines(say: Callable[[str], None]) -> Iterator[Check]:
    """Ask every engine whether it runs here."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines, tiny

    for name in engines.names():
        say(f"trying the engine {name}")
        toolchain = engines.toolchain_of(name)
        python = toolchains.python(toolchain) if toolchain else None
        engine = engines.load(name, python)
        reason, state = engine.probe(), State.NOT_HERE if python else State.MISSING
        if reason is None and python is None and engine.FORMAT in tiny.WRITERS:
            reason, state = _added(engine), State.NOT_HERE
        if reason is None:
            yield Check("engine", name, State.OK, str(engine.EVIDENCE))
        else:
            yield Check("engine", name, state, reason, remedy=engines.remedy(engine))


def _added(engine: Engine) -> str | None:
    """Have an engine of this environment do one addition; return the reason where it is not right."""
    from viewfinder.runtime import tiny

    return tiny.tried(engine.NAME, tiny.WRITERS[engine.FORMAT], lambda path, graph: engine.open(path, graph, 1))


def _targets(say: Callable[[str], None]) -> Iterator[Check]:
    """Ask what verifies for accelerators and is no engine."""
    from viewfinder.devices import toolchains
    from viewfinder.verbs import backends

    for one in backends.ALL:
        say(f"trying the target {one.target}")
        reason = one.problem()
        if reason is None:
            yield Check("target", one.target, State.OK, str(one.evidence))
        elif one.toolchain and not toolchains.installed(one.toolchain):
            yield Check("target", one.target, State.MISSING, reason, remedy=toolchains.remedy(one.toolchain))
        else:
            yield Check("target", one.target, State.NOT_HERE, reason)


def _toolchains() -> Iterator[Check]:
    """List the isolated environments; what no engine and no target tries is only imported."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines
    from viewfinder.verbs import backends

    tried = {one.toolchain for one in backends.ALL} | {engines.toolchain_of(name) for name in engines.names()}
    for name in toolchains.names():
        there = toolchains.installed(name) and (name in tried or toolchains.probe(name) is None)
        state, remedy = (State.OK, "") if there else (State.MISSING, toolchains.remedy(name))
        yield Check("toolchain", name, state, remedy=remedy, **toolchains.about(name))
