"""What every test gets: a cache of its own, one thread, and a process state that is put back."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep tests away from the user's cache and from each other's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VIEWFINDER_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Put back what the command line sets for its whole process: signals, log level, warning filters."""
    handler, level = signal.getsignal(signal.SIGTERM), logging.root.manager.disable
    with warnings.catch_warnings():
        yield
    logging.disable(level)
    signal.signal(signal.SIGTERM, handler)
