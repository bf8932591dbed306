"""The toolchain ``qnn`` of the user, for tests with the marker ``npu``, which are skipped without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from viewfinder.devices import toolchains

# Read when this file is imported: every test gets a cache of its own.
INSTALLED = Path(os.environ.get("VIEWFINDER_QNN") or toolchains.folder("qnn"))


def lend(cache: Path) -> None:
    """Show the toolchain in a test's own cache, or skip the test."""
    (cache / "toolchains").mkdir(parents=True)
    (cache / "toolchains" / "qnn").symlink_to(INSTALLED)
    if not toolchains.installed("qnn"):
        pytest.skip(toolchains.probe("qnn") or "")
