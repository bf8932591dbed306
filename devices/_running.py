"""Run a program without a shell, for a limited time and with limited output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from viewfinder.devices import DeviceError, Finished
from viewfinder.errors import MissingToolError

MOST_OUTPUT_BYTES = 64 << 20
"""More than any result of ours; a program that prints without end is stopped here and not by a full memory."""


@dataclass(frozen=True)
class Bounds:
    """Where and how long a program may run.

    Attributes:
        environment: all variables that the program sees; None hands on ours.
    """

    timeout_s: float
    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    output_bytes: int = MOST_OUTPUT_BYTES


def run(argv: Sequence[str], bounds: Bounds) -> Finished:
    """Run a command and wait for it; its whole process group is killed when a bound is reached, and on ctrl-C.

    Raises:
        MissingToolError: it cannot be started.
        DeviceError: it took too long or printed too much.
    """
    start = time.monotonic()
    environment = None if bounds.environment is None else dict(bounds.environment)
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, cwd=bounds.folder, env=environment,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise MissingToolError(f"{argv[0]} cannot be started: {reason}", "install it, or give its full path") from error
    with process:
        try:
            output, errors = _collect(process, argv[0], start, bounds)
            process.wait(max(bounds.timeout_s - (time.monotonic() - start), 0.001))
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _too_long(argv[0], bounds) from error
            raise
    texts = [stream.decode("utf-8", errors="replace") for stream in (output, errors)]
    return Finished(tuple(argv), process.returncode, texts[0], texts[1], time.monotonic() - start)


def _collect(process: subprocess.Popen[bytes], name: str, start: float, bounds: Bounds) -> list[bytes]:
    """Read both streams to their ends."""
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe is not None]
    parts: dict[int, list[bytes]] = {pipe.fileno(): [] for pipe in pipes}
    size = 0
    with selectors.DefaultSelector() as selector:
        for descriptor in parts:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = bounds.timeout_s - (time.monotonic() - start)
            ready = selector.select(max(left, 0))
            if not ready and left <= 0:
                raise _too_long(name, bounds)
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fd)
                parts[key.fd].append(chunk)
                size += len(chunk)
            if size > bounds.output_bytes:
                raise DeviceError(
                    f"{name} printed more than {bounds.output_bytes} bytes and was killed", "have it print less"
                )
    return [b"".join(part) for part in parts.values()]


def _too_long(name: str, bounds: Bounds) -> DeviceError:
    """Return the error for a program that does not end."""
    return DeviceError(
        f"{name} was still running after {bounds.timeout_s:g} s and was killed", "allow it more time", code="timeout"
    )
