"""The job of a farm: one artifact on one device, wherever it is begun; the artifact comes as bytes."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from viewfinder import artifact, files
from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError, NotVerifiedError
from viewfinder.farm import LOST
from viewfinder.target import Target

JOB = f"{__name__}:profiled"
MOST_BYTES = 4 << 30
"""Of an unpacked artifact."""


def packed(made: Artifact) -> bytes:
    """Return an artifact's folder as an archive; its bytes depend on names and contents only."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(one for one in made.folder.rglob("*") if one.is_file()):
            entry = tarfile.TarInfo(path.relative_to(made.folder).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return stream.getvalue()


def unpacked(payload: bytes, folder: Path) -> None:
    """Unpack an archive; what leads out of the folder, a link or a device, is refused.

    Raises:
        BadArtifactError: it is damaged, too large, or holds such a thing.
    """
    again = "start the farm again"
    try:
        with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
            if sum(entry.size for entry in archive) > MOST_BYTES:
                raise BadArtifactError(f"an artifact of more than {MOST_BYTES} bytes", again)
            for entry in archive:
                _written(archive, entry, folder)
    except (tarfile.TarError, OSError) as error:
        raise BadArtifactError(f"the artifact cannot be unpacked: {error}", again) from error


def _written(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    """Write one entry: `packed` makes plain files alone. ``extractall`` filters only since Python 3.11.4."""
    content, inside = archive.extractfile(entry) if entry.isreg() else None, PurePosixPath(entry.name)
    if content is None or inside.is_absolute() or ".." in inside.parts or "\\" in entry.name:
        raise BadArtifactError(f"the artifact holds {entry.name!r}, which is no file inside it", "start the farm again")
    target = folder / inside
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def profiled(name: str, target: str, options: Mapping[str, Any], payload: bytes) -> dict[str, Any]:
    """Profile an artifact on a device of this computer; return the report as JSON data.

    Args:
        name: of the artifact's folder.
        target: as `viewfinder.target.Target` writes it.
        options: of `viewfinder.verbs.profile.ProfileRequest`: threads, processes, runs, seconds, sustain_s.
        payload: from `packed`.

    Raises:
        NotVerifiedError: the device was lost; its code says so.
        ViewfinderError: the artifact is damaged, or the device is in use or answers garbage.
    """
    from viewfinder.verbs import profile

    with tempfile.TemporaryDirectory(prefix="viewfinder-farm-") as work:
        folder = Path(work) / Path(name).name
        unpacked(payload, folder)
        made = artifact.load(folder)
        request = profile.ProfileRequest(str(folder), Target.parse(target), **options)
        report = profile.profiled(made, request, _silent)
    if report.notes.get("failure") in LOST:
        raise NotVerifiedError(report.measurements[0].reason, "", code=report.notes["failure"])
    return report.to_dict()


def _silent(_line: str) -> None:
    """Say nothing: several jobs run at a time."""


def checked(folder: Path) -> None:
    """Refuse an output folder that cannot be written before anything runs.

    Raises:
        UsageError: it cannot.
    """
    with files.explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
