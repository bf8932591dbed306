"""Keep the conversion tools' chatter off the terminal without losing it."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO


class Captured:
    """What the tools printed; complete once the block has ended."""

    def __init__(self) -> None:
        """Start empty."""
        self.text = ""


@contextmanager
def quiet() -> Iterator[Captured]:
    """Collect everything that is written to standard output and error, by Python, C++ and child processes alike."""
    captured, level = Captured(), logging.root.manager.disable
    _flush()
    with tempfile.TemporaryFile("w+b") as log, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        saved = _redirect(log)
        try:
            yield captured
        finally:
            _flush()
            for descriptor, copy in saved.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            logging.disable(level)
            log.seek(0)
            captured.text = log.read().decode("utf-8", "replace")


def _redirect(log: IO[bytes]) -> dict[int, int]:
    """Point descriptors 1 and 2 at `log`; return copies of what they were. A closed one is left alone."""
    saved: dict[int, int] = {}
    for descriptor in (1, 2):
        with suppress(OSError):
            saved[descriptor] = os.dup(descriptor)
            os.dup2(log.fileno(), descriptor)
    return saved


def _flush() -> None:
    """Push out what Python still holds, so that it goes where it was meant to go."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
