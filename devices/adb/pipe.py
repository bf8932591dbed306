"""Hands our streams to a command on a phone: ``python -m viewfinder.devices.adb.pipe SERIAL FOLDER WORD...``.

It ends when the command does, with its exit code. When this process is killed its connection goes, and adbd hangs up on
the command; one that computes without end is ended by the phone's ``timeout``.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
from contextlib import suppress
from typing import Any

from viewfinder.devices.adb import shell
from viewfinder.errors import ViewfinderError

MOST_S = 4 * 3600
"""The longest that a runner is left alone on a phone."""
_MOST_ERRORS_BYTES = 1 << 20
_CHUNK_BYTES = 64 << 10


def main(serial: str, folder: str, words: list[str]) -> int:
    """Run a command in a folder of a phone; its streams are ours."""
    place, left = shlex.quote(folder), _MOST_ERRORS_BYTES
    line = f"mkdir -p {place} && cd {place} && exec {shlex.join(['timeout', '-k', '2', str(MOST_S), *words])}"
    with shell.opened(serial, line, MOST_S) as stream:
        threading.Thread(target=_feed, args=(stream,), daemon=True).start()
        while True:
            kind, data = shell.packet(stream, serial)
            if kind == shell.EXIT and data:
                return data[0]
            if kind == shell.STDOUT:
                _write(1, data)
            elif kind == shell.STDERR and left > 0:
                _write(2, data[:left])
                left -= len(data)


def _feed(stream: Any) -> None:
    """Send our standard input on, and its end."""
    with suppress(OSError):
        while data := os.read(0, _CHUNK_BYTES):
            stream.conn.sendall(shell.PACKET.pack(shell.STDIN, len(data)) + data)
        stream.conn.sendall(shell.PACKET.pack(shell.CLOSE_STDIN, 0))


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    try:
        code = main(sys.argv[1], sys.argv[2], sys.argv[3:])
    except ViewfinderError as error:
        sys.stderr.write(f"{error.message}\n")
        code = 255
    except BrokenPipeError:
        code = 255
    os._exit(code)  # the thread that waits for our standard input may wait for ever
