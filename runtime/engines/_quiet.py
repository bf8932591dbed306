"""Keep what native libraries print while they load; it holds the reason when loading fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


class Log:
    """Text that was printed."""

    def __init__(self) -> None:
        """Start empty."""
        self.text = ""


@contextmanager
def quietly() -> Iterator[Log]:
    """Send file descriptors 1 and 2 to a file meanwhile; the text is in the log afterwards, also after an error."""
    log = Log()
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as stream:
        try:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
            yield log
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(kept, 1):
                os.dup2(descriptor, number)
                os.close(descriptor)
            stream.seek(0)
            log.text = stream.read().decode(errors="replace").strip()
