"""A device's folder on this computer: pushed content by its hash, the results of commands, and a lock."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from viewfinder import files
from viewfinder.devices import DeviceBusyError, DeviceError, Pushed
from viewfinder.errors import UsageError

_POLL_S = 0.05


def folder_of(name: str) -> Path:
    """Return where a device keeps its things; `name` may hold any character and still is one folder."""
    return files.cache_folder("devices", quote(name, safe="").replace(".", "%2E"))


def content(source: Path) -> str:
    """Hash what is to be pushed.

    Raises:
        UsageError: there is nothing.
    """
    if not source.exists():
        raise UsageError(f"there is no {source} to bring to the device", "check the path")
    return files.sha256(source)


def inside(name: str) -> PurePosixPath:
    """Check a file's name on a device, which may come from the device itself.

    Raises:
        UsageError: it is absolute, empty, or leads out of the work folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or "\\" in name:
        raise UsageError(
            f"{name!r} is no name inside the device's work folder",
            "name a result by its path in that folder",
            code="outside-work-folder",
        )
    return path


class Store:
    """The folder of a device that shares this computer's disk."""

    def __init__(self, name: str) -> None:
        """Name the folders; they are made when they are needed."""
        self._name, self._pushed = name, folder_of(name) / "pushed"
        self._work = folder_of(name) / "work"

    @property
    def work(self) -> Path:
        """Where commands run."""
        with files.explained(self._work):
            self._work.mkdir(parents=True, exist_ok=True)
        return self._work

    def push(self, source: Path) -> Pushed:
        """See `viewfinder.devices.Device.push`. A copy appears whole or not at all; it is checked."""
        sha256 = content(source)
        place = self._pushed / sha256
        target = place / source.name
        if target.exists() and files.sha256(target) == sha256:
            return Pushed(str(target), sha256, 0)
        with files.new_folder(place) as partial:
            if source.is_dir():
                shutil.copytree(source, partial / source.name)
            else:
                shutil.copyfile(source, partial / source.name)
        return Pushed(str(target), sha256, files.size_bytes(target))

    def pull(self, name: str, target: Path) -> None:
        """See `viewfinder.devices.Device.pull`; links that lead out of the work folder are not followed."""
        work = self.work.resolve()
        source = (work / inside(name)).resolve()
        if not source.is_relative_to(work):
            inside(str(source))
        if not source.is_file():
            raise DeviceError(f"{self._name} has no file {name!r}", "see what the command printed")
        with files.new_file(target) as partial:
            shutil.copyfile(source, partial)


@contextmanager
def locked(name: str, wait_s: float) -> Iterator[None]:
    """See `viewfinder.devices.Device.lock`. The system frees the lock when its owner dies, however it dies."""
    path = files.cache_folder("devices", "locks", f"{folder_of(name).name}.lock")
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+", encoding="utf-8")
    with stream:
        _take(name, stream.fileno(), path, time.monotonic() + wait_s)
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                stream.truncate(0)
            fcntl.flock(stream.fileno(), fcntl.LOCK_UN)


def _take(name: str, descriptor: int, path: Path, deadline: float) -> None:
    """Take the lock, or say who has it."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                owner = path.read_text(encoding="utf-8").strip() or "unknown"
                raise DeviceBusyError(
                    f"{name} is in use by the process {owner}", "wait for it, or name another device"
                ) from None
            time.sleep(_POLL_S)
        else:
            return
