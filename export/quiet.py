"""Keep the conversion tools' chatter off the terminal without losing it."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress


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
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        saved = _redirect(log.fileno())
        logging.disable(logging.WARNING)
        try:
            with redirect_stdout(log), redirect_stderr(log), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield captured
        finally:
            logging.disable(level)
            _flush()
            for descriptor, copy in saved.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            log.flush()
            log.seek(0)
            captured.text = log.read()


def _redirect(log: int) -> dict[int, int]:
    """Point descriptors 1 and 2 at `log`; return copies of what they were. A closed one is left alone."""
    saved: dict[int, int] = {}
    for descriptor in (1, 2):
        with suppress(OSError):
            saved[descriptor] = os.dup(descriptor)
            os.dup2(log, descriptor)
    return saved


def _flush() -> None:
    """Push out what Python still holds, so that it goes where it was meant to go."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
