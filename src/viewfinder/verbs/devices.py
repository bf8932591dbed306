"""``viewfinder devices``: what is attached or can be emulated, and the set-up of what can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from viewfinder import devices
from viewfinder.devices import Found, userland
from viewfinder.devices.adb import payload
from viewfinder.errors import UsageError

Progress = Callable[[str], None]
SETTABLE = ("android", "arm64")
"""Devices that are made and not found."""


@dataclass(frozen=True)
class SetUp:
    """A device that was set up.

    Attributes:
        folder: where it lies.
        counts: "" if it counts instructions, else why not.
    """

    device: str
    folder: str
    counts: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return dict(vars(self))


def found() -> list[Found]:
    """List every device; nothing is started."""
    return devices.found()


def set_up(device: str, progress: Progress | None = None) -> SetUp:
    """Make what a device needs, or complete what an earlier call began.

    Raises:
        UsageError: this device needs no set-up, or the disk is full.
        MissingToolError: a tool is missing, or packages cannot be fetched.
    """
    _known(device)
    say = progress or (lambda _line: None)
    if device.partition(":")[0] == "android":
        return SetUp(device, str(payload.install(say)), "")
    made = userland.install(say)
    return SetUp(device, str(made.folder), made.record["counting"])


def remove(device: str) -> int:
    """Delete what `set_up` made, finished or not; return the bytes that this frees.

    Raises:
        UsageError: this device has nothing to remove.
    """
    _known(device)
    return payload.remove() if device.partition(":")[0] == "android" else userland.remove()


def _known(device: str) -> None:
    """Refuse devices that are found and not made."""
    if device.partition(":")[0] not in SETTABLE:
        raise UsageError(f"{device!r} needs no set-up", f"choose one of: {', '.join(SETTABLE)}", code="no-such-device")
