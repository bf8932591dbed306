"""Places that can run something: one module per kind. Its file name, with hyphens, is its name on the command line.

Devices own the effects (processes, files elsewhere); what to run is somebody else's business. A device is named
``KIND`` or ``KIND:DETAIL``, as ``host`` or ``arm64:cortex-a76``; each kind's module has ``found()`` and ``open()``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from viewfinder.errors import CheckFailedError, NotVerifiedError, UsageError
from viewfinder.measurement import Evidence


class DeviceBusyError(UsageError):
    """Another program uses the device."""

    code = "device-busy"


class DeviceLostError(NotVerifiedError):
    """The device went away in the middle: a cable, a reboot, a killed emulator."""

    code = "device-lost"


class DeviceError(CheckFailedError):
    """The device answered, but not as it should: garbage, too much, nothing in time."""

    code = "device-error"


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is.

    Attributes:
        name: as on the command line.
        cpu: model, as the system states it.
        cores: that a program there may use.
        memory_bytes: installed; None when the system does not tell.
        system: operating system with its version, and the architecture.
        evidence: what a number obtained there is.
    """

    name: str
    cpu: str
    cores: int
    memory_bytes: int | None
    system: str
    evidence: Evidence = Evidence.MEASURED


@dataclass(frozen=True)
class Finished:
    """A command that ended by itself.

    Attributes:
        code: exit code; negative if a signal ended the program.
        seconds: on the clock of the host; no latency of the device.
    """

    argv: tuple[str, ...]
    code: int
    output: str
    errors: str
    seconds: float


@dataclass(frozen=True)
class Pushed:
    """A file or folder that is on the device now.

    Attributes:
        path: as commands on the device name it.
        sha256: of the content (`viewfinder.files.sha256`).
        sent_bytes: 0 when the same content was there already.
    """

    path: str
    sha256: str
    sent_bytes: int


@dataclass(frozen=True)
class Found:
    """A device that is attached, or could be.

    Attributes:
        name: as on the command line.
        about: what it is.
        missing: why it cannot be used now; "" when it can.
        remedy: the command that mends it.
    """

    name: str
    about: str
    missing: str = ""
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the device as JSON data."""
        return {**asdict(self), "usable": not self.missing}


@dataclass(frozen=True)
class Launch:
    """How the Python of a device is started from here; only devices that run artifacts have one.

    Attributes:
        argv: the words before those of Python's own command line, or the whole start of a runner.
        environment: every variable that the first word's program sees; None hands on ours.
        native: this is a runner, which needs no script and takes the same words behind it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] | None = None
    native: bool = False


class Device(Protocol):
    """One place. Names of files on it are relative to its work folder, where commands run and leave their results."""

    @property
    def name(self) -> str:
        """Name as on the command line."""

    def info(self) -> DeviceInfo:
        """Look at the device."""

    def push(self, source: Path) -> Pushed:
        """Bring a file or folder there; what lies there already, by its hash, is not sent again.

        Raises:
            UsageError: there is nothing at `source`, or the device's disk is full.
            DeviceLostError: the device went away; what had arrived is not taken for the whole.
        """

    def pull(self, name: str, target: Path) -> None:
        """Fetch the file `name` of the work folder; `target` appears whole or not at all.

        Raises:
            UsageError: `name` leads out of the work folder.
            DeviceError: there is no such file.
            DeviceLostError: the device went away.
        """

    def run(self, argv: Sequence[str], timeout_s: float) -> Finished:
        """Run a command in the work folder, without a shell, and wait for it.

        Raises:
            MissingToolError: the program is not there, or made for another processor.
            DeviceError: it was still running after `timeout_s` seconds, or printed too much; it has been killed.
            DeviceLostError: the device went away.
        """

    def lock(self, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Keep other programs off the device as long as the block lasts.

        Raises:
            DeviceBusyError: somebody else had it for `wait_s` seconds.
        """


class Kind(Protocol):
    """A module in this folder."""

    def found(self) -> list[Found]:
        """List the devices of this kind that are here, or could be; fast."""

    def open(self, detail: str, /) -> Device:
        """Return the device ``KIND:detail``.

        Raises:
            UsageError: there is none of this name.
        """


def names() -> list[str]:
    """List the kinds of devices, sorted."""
    found = (module.name for module in iter_modules(__path__) if not module.ispkg and not module.name.startswith("_"))
    return sorted(name.replace("_", "-") for name in found)


def kind(name: str) -> Kind:
    """Import a kind of device.

    Raises:
        UsageError: no kind has this name.
    """
    if name not in names():
        raise UsageError(f"there is no device {name!r}", f"choose one of: {', '.join(names())}", code="no-such-device")
    return cast("Kind", importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))


def load(name: str) -> Device:
    """Return a device by name, ``KIND`` or ``KIND:DETAIL``.

    Raises:
        UsageError: no device has this name.
    """
    own, _, detail = name.partition(":")
    return kind(own).open(detail)


def found() -> list[Found]:
    """List every device of every kind."""
    return [one for name in names() for one in kind(name).found()]
