"""Devices that no test machine has: a Mac behind the tests' sshd, whose Python pretends, and a service of phones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from viewfinder import devices

HERE = Path(__file__).parent


@pytest.fixture
def remote_mac(desk, tmp_path_factory, monkeypatch):
    """Offer a Mac behind a real sshd: its Python pretends, with the real coremltools."""
    pytest.importorskip("coremltools")
    python = tmp_path_factory.mktemp("python") / "python3"
    paths = os.pathsep.join((str(HERE / "mac"), *filter(None, sys.path)))
    python.write_text(f"#!/bin/sh\nPYTHONPATH='{paths}' exec {sys.executable} \"$@\"\n")
    python.chmod(0o755)
    monkeypatch.setenv("VIEWFINDER_MAC_PYTHON", str(python))
    return devices.load(desk.name.replace("ssh:", "mac:"))


@pytest.fixture
def hub(tmp_path_factory, monkeypatch):
    """Offer the service's client in our own Python; return the folder that is the service."""
    folder = tmp_path_factory.mktemp("hub")
    monkeypatch.setenv("FAKE_HUB", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(HERE / "hosted"), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.syspath_prepend(str(HERE / "hosted"))
    return folder
