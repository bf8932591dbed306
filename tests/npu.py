"""Toolchains of the user, for tests with the marker ``npu``, which are skipped without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from viewfinder.devices import toolchains

# Read when this file is imported: every test gets a cache of its own.
INSTALLED = {
    name: Path(os.environ.get(f"VIEWFINDER_{name.upper().replace('-', '_')}") or toolchains.folder(name))
    for name in ("qnn", "vela", "coreai", "tosa", "lavapipe", "ncnn", "rknn", "tflite-runtime")
}


def need(name: str = "qnn") -> None:
    """Skip a test before anything is made for it; `lend` shows it the toolchain."""
    if not INSTALLED[name].exists():
        pytest.skip(f"viewfinder doctor --install {name}")


def lend(cache: Path, name: str = "qnn") -> None:
    """Show a toolchain in a test's own cache, or skip the test."""
    (cache / "toolchains").mkdir(parents=True, exist_ok=True)
    (cache / "toolchains" / name).symlink_to(INSTALLED[name])
    if not toolchains.installed(name):
        pytest.skip(toolchains.probe(name) or "")
