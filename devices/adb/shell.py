"""Commands on a phone: adb's shell protocol, version 2, which keeps the streams and the exit code apart.

``adb shell`` hands its words to a shell on the phone, so every word is quoted for that one. The exit code is a
message of its own: a connection that ends without it was cut, and nothing is concluded from what was printed.
"""

from __future__ import annotations

import shlex
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from viewfinder.devices import DeviceError, DeviceLostError, Finished
from viewfinder.devices.adb.server import connection, shown
from viewfinder.devices.adb.transfer import exactly
from viewfinder.errors import MissingToolError

if TYPE_CHECKING:
    from adbutils import AdbConnection

MOST_BYTES = 64 << 20
"""Of a command's output."""
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
PACKET = struct.Struct("<BI")
_MOST_PACKET_BYTES = 1 << 20
_GRACE_S = 15.0


@contextmanager
def opened(serial: str, line: str, silence_s: float) -> Iterator[AdbConnection]:
    """Start a line in the phone's shell, without a terminal."""
    with connection(serial, f"shell,v2,raw:{line}", silence_s) as stream:
        yield stream


def packet(stream: Any, serial: str) -> tuple[int, bytes]:
    """Read one message: its kind and its bytes.

    Raises:
        DeviceError: it is longer than adbd's are.
        DeviceLostError: the connection ended.
    """
    kind, length = PACKET.unpack(exactly(stream, PACKET.size, serial))
    if length > _MOST_PACKET_BYTES:
        raise DeviceError(f"android:{serial} gave an answer that cannot be read", "restart the phone, then repeat")
    return kind, exactly(stream, length, serial)


def line_for(folder: str, argv: Sequence[str], timeout_s: float) -> str:
    """Return the shell line that runs a command in a folder, under the phone's ``timeout``, without input."""
    place = shlex.quote(folder)
    command = shlex.join(["timeout", "-k", "2", f"{timeout_s:g}", *argv])
    return f"mkdir -p {place} && cd {place} && {command} </dev/null"


def run(serial: str, folder: str, argv: Sequence[str], timeout_s: float) -> Finished:
    """Run a command and wait for it; see `viewfinder.devices.Device.run`."""
    start = time.monotonic()
    code, output, errors = _collect(serial, line_for(folder, argv, timeout_s), argv[0], start + timeout_s + _GRACE_S)
    seconds = time.monotonic() - start
    if code in {124, 137, 143} and seconds >= timeout_s:
        raise _too_long(argv[0], timeout_s)
    if code in {126, 127} and (reason := _not_started(errors)):
        raise MissingToolError(f"{argv[0]} cannot be started: {reason}", "push it first, or check its name")
    return Finished(tuple(argv), 128 - code if code > 128 else code, output, errors, seconds)


def _collect(serial: str, line: str, name: str, deadline: float) -> tuple[int, str, str]:
    """Return the exit code and both streams of a line; `name` is that of the command, for messages."""
    parts: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
    size, left = 0, max(deadline - time.monotonic(), 1.0)
    with opened(serial, line, left) as stream:
        while True:
            kind, data = packet(stream, serial)
            if kind == EXIT and data:
                break
            parts.get(kind, []).append(data)
            size += len(data)
            if size > MOST_BYTES:
                raise DeviceError(f"{name} printed more than {MOST_BYTES} bytes", "have it print less")
            if time.monotonic() > deadline:
                raise DeviceLostError(f"android:{serial} does not end {name}", "restart the phone, then repeat")
    texts = [b"".join(parts[one]).decode("utf-8", errors="replace") for one in (STDOUT, STDERR)]
    return data[0], texts[0], texts[1]


def ask(serial: str, line: str, timeout_s: float = 30.0) -> str:
    """Return what a line of ours prints, whatever its exit code."""
    return _collect(serial, line, "a question to the phone", time.monotonic() + timeout_s)[1]


def _too_long(name: str, timeout_s: float) -> DeviceError:
    """Return the error for a program that does not end."""
    return DeviceError(
        f"{name} was still running after {timeout_s:g} s and was killed", "allow it more time", code="timeout"
    )


def _not_started(errors: str) -> str:
    """Return why a program could not be started, or "" if it was and exits so by itself."""
    if any(word in errors for word in ("\x7fELF", "ELF: not found", "Exec format error", "not executable")):
        return "exec format error: it is made for another processor"
    last = errors.strip().splitlines()[-1:] or [""]
    return shown(last[0].rpartition(": ")[2].lower()) if last[0].partition(":")[0].endswith("timeout") else ""
