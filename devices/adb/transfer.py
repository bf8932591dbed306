"""Files to and from a phone, in adb's own protocol, with every length checked that a phone sends.

See SYNC.TXT beside adb's source. adbutils' own functions drop the reason of a failure (a full disk, say) and believe
lengths; its connections are used.
"""

from __future__ import annotations

import stat
import struct
from pathlib import Path
from typing import Any

from viewfinder.devices import DeviceError, DeviceLostError
from viewfinder.devices.adb.server import connection, shown
from viewfinder.errors import UsageError

CHUNK_BYTES = 64 << 10
"""The most that the protocol has in one piece."""
_WORD = struct.Struct("<4sI")
_LONGEST_REASON = 4096
_MOST_PATH_BYTES = 1024
"""Longer names are refused by adbd."""


def send(serial: str, source: Path, target: str) -> None:
    """Write a file. `target` exists even if only a part arrived, so choose a name that counts for nothing.

    Raises:
        UsageError: the phone's disk is full or not writable, or the name is too long.
        DeviceLostError: the phone went away.
    """
    name = f"{target},{stat.S_IFREG | 0o755}".encode()
    if len(name) > _MOST_PATH_BYTES:
        raise UsageError(f"{source.name} has too long a name for a phone", "give it a shorter name")
    with connection(serial, "sync:") as stream, source.open("rb") as file:
        stream.conn.sendall(_WORD.pack(b"SEND", len(name)) + name)
        while chunk := file.read(CHUNK_BYTES):
            stream.conn.sendall(_WORD.pack(b"DATA", len(chunk)) + chunk)
        stream.conn.sendall(_WORD.pack(b"DONE", int(source.stat().st_mtime) & 0xFFFFFFFF))
        kind, length = _word(stream, serial)
        if kind == b"OKAY":
            return
        reason = _reason(stream, serial, kind, length)
    hint = "free some space on the phone" if "space" in reason.lower() else "check the phone's storage"
    raise UsageError(f"android:{serial} cannot store {source.name}: {reason}", hint, code="cannot-write")


def receive(serial: str, source: str, target: Path, most_bytes: int) -> None:
    """Read a file of at most `most_bytes` bytes.

    Raises:
        DeviceError: it is larger, not there, or the phone answers garbage.
        DeviceLostError: the phone went away.
    """
    name, size = source.encode(), 0
    with connection(serial, "sync:") as stream, target.open("wb") as file:
        stream.conn.sendall(_WORD.pack(b"RECV", len(name)) + name)
        while True:
            kind, length = _word(stream, serial)
            if kind == b"DONE":
                return
            if kind != b"DATA":
                raise DeviceError(
                    f"android:{serial} does not give {shown(source)}: {_reason(stream, serial, kind, length)}",
                    "see what the command printed",
                )
            size += length
            if length > CHUNK_BYTES or size > most_bytes:
                raise DeviceError(
                    f"android:{serial} offers more than {most_bytes} bytes as {shown(source)}",
                    "have the command write less",
                )
            file.write(exactly(stream, length, serial))


def exactly(stream: Any, count: int, serial: str) -> bytes:
    """Read a number of bytes.

    Raises:
        DeviceLostError: the connection ended before.
    """
    parts = []
    while count:
        part = stream.conn.recv(min(count, CHUNK_BYTES))
        if not part:
            raise DeviceLostError(
                f"android:{serial} went away in the middle of a message", "check its cable and power, then repeat"
            )
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _word(stream: Any, serial: str) -> tuple[bytes, int]:
    """Read the kind of a message and its length."""
    kind, length = _WORD.unpack(exactly(stream, _WORD.size, serial))
    return kind, length


def _reason(stream: Any, serial: str, kind: bytes, length: int) -> str:
    """Read why something failed."""
    if kind != b"FAIL" or length > _LONGEST_REASON:
        return "an answer that cannot be read"
    return shown(exactly(stream, length, serial).decode(errors="replace"))
