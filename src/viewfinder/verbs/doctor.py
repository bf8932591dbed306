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
        group: ``base``, an extra of the package, ``engine``, ``toolchain`` or ``system``.
        found: its version, or the reason why it does not run.
        wanted: the versions that work.
        remedy: the command that mends it; "" when nothing is to be done.
    """

    group: str
    name: str
    state: State
    found: str = ""
    wanted: str = ""
    remedy: str = ""


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


def doctor() -> Diagnosis:
    """Look at the system, at every package the product can use, at the engines and at the toolchains."""
    return Diagnosis((*_system(), *_packages(), *_engines(), *_toolchains()))


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


def _engines() -> Iterator[Check]:
    """Ask every engine whether it runs here."""
    from viewfinder.devices import toolchains
    from viewfinder.runtime import engines

    for name in engines.names():
        toolchain = engines.toolchain_of(name)
        engine = engines.load(name, toolchains.python(toolchain) if toolchain else None)
        reason = engine.probe()
        state, found = (State.NOT_HERE, reason) if reason else (State.OK, str(engine.EVIDENCE))
        yield Check("engine", name, state, found)


def _toolchains() -> Iterator[Check]:
    """List the isolated environments."""
    from viewfinder.devices import toolchains

    for name in toolchains.names():
        there = toolchains.installed(name)
        known = "; ".join(toolchains.about(name).values())
        state, remedy = (State.OK, "") if there else (State.MISSING, toolchains.remedy(name))
        yield Check("toolchain", name, state, found=known, remedy=remedy)
