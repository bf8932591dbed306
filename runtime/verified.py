"""Verify an artifact and draw its pictures; the same verification of the same files is done once and then reused.

A reused number says so, with the time and the command that measured it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import files
from viewfinder.artifact import Artifact
from viewfinder.measurement import Evidence
from viewfinder.runtime import verify as verifying
from viewfinder.runtime.report import panels
from viewfinder.runtime.report.document import Section

if TYPE_CHECKING:
    from viewfinder.golden import Golden, GoldenPhoto
    from viewfinder.runtime.metrics import Comparison

PACKAGES = (
    "viewfinder", "numpy", "pillow", "scikit-image", "flip-evaluator",
    "ai-edge-litert", "onnxruntime", "executorch", "coremltools", "torch", "tensorflow-cpu",
)  # fmt: skip
"""What can change a number or runs an artifact."""
_ENTRY = "section.json"


@dataclass(frozen=True)
class Order:
    """How to verify and where the pictures go.

    Attributes:
        setup: engine, pipeline opener and threads.
        command: what the user typed, to stand beside the numbers.
        pictures: folder for the pictures; None draws none.
        side: longest side of the small pictures.
    """

    setup: verifying.Setup
    command: str
    pictures: Path | None = None
    side: int = 640
    use_cache: bool = True


def tools() -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """Describe this machine, without its name."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count() or 0,
    }


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def verified(artifact: Artifact, golden: Golden, order: Order) -> Section:
    """Verify an artifact, or fetch what the same verification gave before; limits are not set yet.

    Raises:
        BadArtifactError: artifact and golden file do not belong together.
    """
    if (section := stored(artifact, golden, order)) is not None:
        return section
    entry = _entry(artifact, golden, order)
    if not order.use_cache:
        with tempfile.TemporaryDirectory() as folder:
            section = _measure(artifact, golden, order, Path(folder))
            _deliver(Path(folder), order.pictures)
        return section
    return _measure_and_keep(artifact, golden, order, entry)


def stored(artifact: Artifact, golden: Golden, order: Order) -> Section | None:
    """Fetch what the same verification gave before, pictures too; None if there is nothing, or the cache is not wanted.

    Raises:
        BadArtifactError: artifact and golden file do not belong together.
    """
    verifying.check_pair(artifact, golden)
    entry = _entry(artifact, golden, order)
    section = _stored(entry) if order.use_cache else None
    if section is not None:
        _deliver(entry, order.pictures)
    return section


def _entry(artifact: Artifact, golden: Golden, order: Order) -> Path:
    """Name the folder in the cache."""
    return files.cache_folder("verified", _key(artifact, golden, order))


def _measure_and_keep(artifact: Artifact, golden: Golden, order: Order, entry: Path) -> Section:
    """Verify into the cache; what did not run is not kept, because the engine may be there the next time."""
    with files.new_folder(entry) as partial:
        section = _measure(artifact, golden, order, partial)
        text = json.dumps(section.to_dict(), sort_keys=True, allow_nan=False)
        (partial / _ENTRY).write_text(text, encoding="utf-8")
        _deliver(partial, order.pictures)
    if section.report.evidence is Evidence.NOT_RUN:
        shutil.rmtree(entry)
    return section


def _key(artifact: Artifact, golden: Golden, order: Order) -> str:
    """Hash everything that the numbers and the pictures depend on."""
    parts = {
        "artifact": artifact.sha256,
        "name": artifact.folder.name,
        "golden": golden.sha256,
        "engine": order.setup.engine_name,
        "threads": order.setup.threads,
        "side": order.side,
        "notes": dict(order.setup.notes),
        "versions": [verifying.VERSION, panels.VERSION, tools(), platform.machine()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _stored(entry: Path) -> Section | None:
    """Return the section of a cache entry, marked as reused; None if there is none or it cannot be read."""
    try:
        section = Section.from_dict(json.loads((entry / _ENTRY).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return replace(section, report=replace(section.report, notes={**section.report.notes, "reused": True}))


def _deliver(entry: Path, pictures: Path | None) -> None:
    """Copy the pictures of an entry."""
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        for file in sorted(entry.glob("*.jpg")) + sorted(entry.glob("*.png")):
            shutil.copyfile(file, pictures / file.name)


def _measure(artifact: Artifact, golden: Golden, order: Order, folder: Path) -> Section:
    """Verify, and draw every photograph into `folder` while its comparison is at hand."""
    drawn: dict[str, Mapping[str, Any]] = {}
    places = {photo.name: place for place, photo in enumerate(golden.photos)}

    def watch(photo: GoldenPhoto, pair: Comparison, truth: Comparison | None) -> None:
        """Draw one photograph."""
        stem = f"{artifact.folder.name}.{order.setup.engine_name}.{places[photo.name]:02d}-{panels.slug(photo.name)}"
        files = panels.draw(pair, photo.pixels, folder, stem, side=order.side)
        if photo.burst is not None and truth is not None:
            files["error"] = panels.draw_error(truth, folder / f"{stem}.error.png")
        drawn[photo.name] = files

    facts = {"measured_at": now(), "measured_by": order.command, "measured_with": tools(), "measured_on": host()}
    setup = replace(order.setup, notes={**order.setup.notes, **facts})
    report = verifying.verify(artifact, golden, setup, watch)
    parts = [
        {"name": graph.name, "file": graph.file, "sha256": graph.sha256, "size_bytes": graph.size_bytes}
        for graph in artifact.graphs
    ]
    return Section(report, tuple(parts), drawn)


def photographs(golden: Golden, folder: Path, side: int) -> list[dict[str, Any]]:
    """Draw input, PyTorch output and truth of every golden photograph into `folder`, for `Document.photographs`.

    Of a burst, also the average of its frames, and the errors of reference frame, average and PyTorch output.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_photograph(photo, place, folder, side) for place, photo in enumerate(golden.photos)]


def _photograph(photo: GoldenPhoto, place: int, folder: Path, side: int) -> dict[str, Any]:
    """Draw one photograph."""
    stem = f"photograph.{place:02d}-{panels.slug(photo.name)}"
    height, width = photo.pixels.shape[:2]
    source = photo.pixels.astype(np.float32) / np.float32(np.iinfo(photo.pixels.dtype).max)
    given = {"input": source, "average": photo.average, "float": photo.expected, "truth": photo.truth}
    kinds = {kind: np.asarray(one, np.float32) for kind, one in given.items() if one is not None}
    share = min(1.0, side / max(height, width))
    return {
        "name": photo.name,
        "size": [width, height],
        "shown": f"{share:.0%}" if share < 1 else "full size",
        "pictures": {
            kind: panels.save_photo(picture, folder / f"{stem}.{kind}.jpg", side=side)
            for kind, picture in kinds.items()
        },
        "errors": _errors(kinds, folder / stem) if photo.burst is not None else {},
    }


def _errors(kinds: dict[str, NDArray[np.float32]], stem: Path) -> dict[str, Any]:
    """Draw what is wrong with reference frame, average and PyTorch output; nothing where the truth is not known."""
    from viewfinder.runtime.metrics import Comparison

    truth = kinds.pop("truth", None)
    if truth is None:
        return {}
    return {
        kind: panels.draw_error(Comparison(picture, truth), stem.with_name(f"{stem.name}.{kind}.error.png"))
        for kind, picture in kinds.items()
    }
