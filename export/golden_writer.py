"""Run the float network on photographs or what is made of them and write the golden samples; keep them in the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import files, golden, photos
from viewfinder.errors import BadArtifactError
from viewfinder.export import fingerprint, weights
from viewfinder.golden import Golden, GoldenPhoto, Sample
from viewfinder.task import Task

CACHE = "golden"
Operator = Callable[[NDArray[np.float32]], NDArray[np.float32]]
Maker = Callable[[str, NDArray[Any]], Iterable[Sample]]
"""Name and pixels of a photograph to samples."""


@dataclass(frozen=True)
class GoldenRequest:
    """What the golden pictures are made from.

    Attributes:
        photos: files to read.
        weights: name of the task's weights, or a file.
        operator_name: what made the truth, "" for none.
        operator: ``[H, W, 3]`` in 0..1 to the same; None for no truth.
        make: what makes samples of a photograph, with their truth, in place of the photograph and the operator.
        operator_source: hash of the operator's or the maker's code, for the cache.
    """

    photos: tuple[Path, ...]
    weights: str | Path | None = None
    operator_name: str = ""
    operator: Operator | None = None
    operator_source: str = ""
    make: Maker | None = None
    use_cache: bool = True
    progress: Callable[[str], None] = field(default=lambda _line: None)


def write(task: Task, request: GoldenRequest, path: Path) -> Path:
    """Write ``golden.npz`` and its json to `path`, from the cache if the same were made before."""
    entry = (
        files.cache_folder(CACHE, fingerprint.key(_parts(task, request)), golden.FILE) if request.use_cache else None
    )
    if entry is not None and _serve(entry, path):
        return path
    made = _make(task, request)
    golden.write(path, made)
    if entry is not None:
        _link(path, entry)
    return path


def _parts(task: Task, request: GoldenRequest) -> Mapping[str, Any]:
    """List everything that decides the golden pictures."""
    name, path = weights.locate(task, request.weights)
    return {
        "task": [task.name, task.pipeline, dict(task.pipeline_options), task.samples],
        "network": fingerprint.network(task, path, weights.build),
        "weights": name,
        "photos": [[photo.stem, files.sha256(photo)] for photo in request.photos],
        "operator": [request.operator_name, request.operator_source],
        "tools": fingerprint.versions(("torch", "numpy", "pillow")),
        "exporter": fingerprint.exporter_source(),
    }


def _make(task: Task, request: GoldenRequest) -> Golden:
    """Run the network, and the operator if there is one, on every photograph or on the samples made of it."""
    from viewfinder.export.reference import Reference

    reference = Reference(task, request.weights)
    made = []
    for path in request.photos:
        request.progress(f"float reference of {path.name}")
        for one in _samples(path, request):
            expected = reference.enhance(one.pixels if one.burst is None else one.burst)
            made.append(GoldenPhoto(one.name, one.pixels, expected, one.truth, one.burst, one.strata))
    return Golden(
        task=task.name,
        weights=reference.weights,
        weights_sha256=weights.digest(task, reference.path),
        operator=request.operator_name if request.operator is not None else "",
        photos=tuple(made),
        tools=fingerprint.versions(("torch", "numpy")),
    )


def _samples(path: Path, request: GoldenRequest) -> Iterable[Sample]:
    """Read a photograph; return it with the operator's truth, or what is made of it."""
    pixels = photos.read(path).pixels
    if request.make is not None:
        return request.make(path.stem, pixels)
    if request.operator is None:
        return [Sample(path.stem, pixels)]
    white = np.float32(np.iinfo(pixels.dtype).max)
    return [Sample(path.stem, pixels, request.operator(pixels.astype(np.float32) / white))]


def _serve(entry: Path, path: Path) -> bool:
    """Link a cache entry to `path`, unless it is missing or damaged."""
    try:
        golden.load(entry)
    except BadArtifactError:
        return False
    _link(entry, path)
    return True


def _link(source: Path, target: Path) -> None:
    """Give both files a second name; where the file system cannot, copy them. The json comes last, as it vouches."""
    for suffix in (target.suffix, ".json"):
        with files.new_file(target.with_suffix(suffix)) as partial:
            partial.unlink()
            with suppress(OSError):
                os.link(source.with_suffix(suffix), partial)
            if not partial.exists():
                shutil.copyfile(source.with_suffix(suffix), partial)
