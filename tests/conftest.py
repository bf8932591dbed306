"""What every test gets: a cache of its own, one thread, and a process state that is put back."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.devices.loopback import arm_sshd, board, desk, sshd  # noqa: F401 fixtures of several folders
from tests.devices.phone_root import arm_root  # noqa: F401 as above
from tests.devices.phones import (  # noqa: F401 as above
    phone,
    phone_server,
    phones,
    runner,
    shared_runner,
    telephones,
)
from tests.devices.strangers import hub, remote_mac  # noqa: F401 as above

from viewfinder.artifact import Artifact

os.environ.setdefault("OMP_NUM_THREADS", "1")


BOARDS_S = 900
"""Seconds for a test with emulated boards, phones or NPUs, their set-up included; others have pyproject's `timeout`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that start other machines more time, unless they say how much they need."""
    slow = {"adb", "arm64", "farm", "npu", "ssh"}
    for item in items:
        if slow & {mark.name for mark in item.iter_markers()} and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(BOARDS_S))


@pytest.fixture(scope="session", autouse=True)
def kept_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the fixtures of whole modules one cache for the session, and all its processes, that is not the user's."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "kept-cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIEWFINDER_CACHE", str(folder))
        yield folder


@pytest.fixture
def exports_kept(own_cache: Path, kept_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test find what others have exported, where the export is not what it tests."""
    monkeypatch.setenv("VIEWFINDER_CACHE", str(kept_cache))


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


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Artifact]:
    """Export the small HDRNet to a format and precision, at most once in a process; nobody writes into the folders."""
    made: dict[tuple[str, str], Artifact] = {}
    folder = tmp_path_factory.mktemp("small")

    def export(file_format: str, precision: str = "float") -> Artifact:
        """Return the artifact."""
        from tests.export.networks import small_task

        from viewfinder.export import exporter
        from viewfinder.export.request import ExportRequest

        key = file_format, precision
        if key not in made:
            request = ExportRequest(file_format, precision, use_cache=False)
            made[key] = exporter.export(small_task(), request, folder / f"{file_format}-{precision}")
        return made[key]

    return export


@pytest.fixture(scope="session")
def shared_userland(request: pytest.FixtureRequest) -> Path:
    """Set the ARM64 userland up once, in VIEWFINDER_ARM64_CACHE or pytest's own cache, where the next session finds it.

    Tests that use it carry the marker ``arm64``.
    """
    from viewfinder.devices import userland
    from viewfinder.devices._folder import locked

    reason, remedy = userland.missing()
    if reason:
        pytest.skip(f"{reason}: {remedy}")
    cache = os.environ.get("VIEWFINDER_ARM64_CACHE") or str(request.config.cache.mkdir("arm64"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIEWFINDER_CACHE", cache)
        with locked("arm64-suite", wait_s=300):  # several workers begin at the same time
            return userland.install(lambda _line: None).folder


@pytest.fixture
def arm64(own_cache: Path, shared_userland: Path) -> None:
    """Offer the emulated boards in a cache that is the test's own otherwise."""
    (own_cache / "devices").mkdir()
    (own_cache / "devices" / shared_userland.name).symlink_to(shared_userland)
