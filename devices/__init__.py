"""Places that can run something: one module per kind. Its file name, with hyphens, is its name on the command line.

Devices own the effects (processes, files elsewhere); what to run is somebody else's business.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import iter_modules
from typing import Protocol, cast

from viewfinder.errors import UsageError


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is.

    Attributes:
        name: as on the command line.
        cpu: model, as the system states it.
        cores: that this process may use.
        memory_bytes: installed; None when the system does not tell.
        system: operating system with its version, and the architecture.
    """

    name: str
    cpu: str
    cores: int
    memory_bytes: int | None
    system: str


@dataclass(frozen=True)
class Finished:
    """A command that ended by itself."""

    argv: tuple[str, ...]
    code: int
    output: str
    errors: str
    seconds: float


class Device(Protocol):
    """A module in this folder."""

    def info(self) -> DeviceInfo:
        """Look at the device."""

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run a command without a shell and wait for it.

        Raises:
            MissingToolError: the program is not there.
            CheckFailedError: it was still running after `timeout_s` seconds; it has been killed.
        """


def names() -> list[str]:
    """List the devices, sorted."""
    return sorted(module.name.replace("_", "-") for module in iter_modules(__path__) if not module.ispkg)


def load(name: str) -> Device:
    """Import a device by name.

    Raises:
        UsageError: no device has this name.
    """
    if name not in names():
        raise UsageError(f"there is no device {name!r}", f"choose one of: {', '.join(names())}", code="no-such-device")
    return cast("Device", importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))
