"""The server of adb on this computer: what is attached, and connections to one phone.

The package adbutils speaks to the server, starts one when none is there, and brings the program along.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from viewfinder.devices import DeviceLostError
from viewfinder.errors import MissingToolError, UsageError, ViewfinderError

if TYPE_CHECKING:
    from adbutils import AdbConnection

REMEDY = "python -m pip install 'viewfinder[devices]'"
STALL_S = 60.0
"""For a phone to say anything at all during a transfer."""
_LOOK_S = 0.4
_POLL_S = 0.2
_LONGEST_SERVICE = 0xFFFF
"""adb writes the length of a message in four hexadecimal digits."""
_NEVER_SHOWN = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]")


def installed() -> bool:
    """Tell whether adbutils is there."""
    return find_spec("adbutils") is not None


def shown(text: str, most: int = 200) -> str:
    """Return text of a phone as it may be printed: no control characters, which terminals obey, and not endless."""
    return _NEVER_SHOWN.sub("?", text)[:most]


@dataclass(frozen=True)
class Attached:
    """A phone that adb's server knows.

    Attributes:
        state: ``device`` when it can be used; else ``offline``, ``unauthorized`` and others.
        model: as the phone names itself, or "".
    """

    serial: str
    state: str
    model: str = ""


def is_running() -> bool:
    """Tell whether a server listens; none is started."""
    host = os.environ.get("ANDROID_ADB_SERVER_HOST", "127.0.0.1")
    try:
        port = int(os.environ.get("ANDROID_ADB_SERVER_PORT", "5037"))
        socket.create_connection((host, port), _LOOK_S).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def attached(timeout_s: float = _LOOK_S) -> list[Attached]:
    """List the phones that the server knows; it is started when there is none.

    Raises:
        MissingToolError: there is no server, and none can be started.
    """
    with explained("adb's server"):
        listed = _client(timeout_s).list(extended=True)
    return [Attached(one.serial, one.state, one.tags.get("model", "")) for one in listed]


def state_of(serial: str) -> str:
    """Return a phone's state, or "" when it is not there."""
    return next((one.state for one in attached(STALL_S) if one.serial == serial), "")


def wait(serial: str, timeout_s: float) -> bool:
    """Wait until a phone can be used: it is plugged in, or has restarted. False if it did not come in time."""
    deadline = time.monotonic() + timeout_s
    while state_of(serial) != "device":
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


@contextmanager
def connection(serial: str, service: str, silence_s: float = STALL_S) -> Iterator[AdbConnection]:
    """Connect to a service of a phone, as ``sync:``; what goes wrong with the connection becomes a sentence.

    Args:
        serial: part of a message with its length in front, so that no character in it means anything.
        service: of adbd on the phone.
        silence_s: how long the phone may say nothing.
    """
    if len(service.encode()) > _LONGEST_SERVICE:
        raise UsageError(f"a command of {len(service)} characters is too long for adb", "have it read a file instead")
    with explained(f"android:{serial}"):
        stream = _client(silence_s).device(serial=serial).open_transport(timeout=silence_s)
        try:
            stream.send_command(service)
            stream.check_okay()
            yield stream
        finally:
            _close(stream)


def _close(stream: Any) -> None:
    """Hang up; a connection that is gone already is no matter."""
    try:
        stream.conn.close()
    except OSError:
        return


def _client(timeout_s: float) -> Any:
    """Return adbutils' client.

    Raises:
        MissingToolError: the package is not installed.
    """
    if not installed():
        raise MissingToolError("the package adbutils is not installed", REMEDY)
    import adbutils

    return adbutils.AdbClient(socket_timeout=timeout_s)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what adb or the operating system say into the error that it is."""
    try:
        yield
    except ViewfinderError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "adbutils" and not isinstance(error, OSError | EOFError):
            raise
        raise _error(name, shown(str(error)) or type(error).__name__) from error


def _error(name: str, said: str) -> ViewfinderError:
    """Choose the error for what adb said about a phone."""
    if "unauthorized" in said or "no permissions" in said:
        return UsageError(
            f"{name} does not let this computer in: {said}",
            "unlock the phone and accept the question on its screen; `viewfinder devices` shows when it is done",
            code="not-authorized",
        )
    if "connect to adb server" in said or "start-server" in said:
        return MissingToolError(f"adb's server does not run and cannot be started: {said}", "adb start-server")
    return DeviceLostError(
        f"{name} went away or does not answer: {said}", "check cable and power, `viewfinder devices`, then repeat"
    )
