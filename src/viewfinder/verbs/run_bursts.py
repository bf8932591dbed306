"""``viewfinder run`` on bursts: a folder of frames, raw files or an .npz becomes one picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from viewfinder import files, light, models, photos
from viewfinder.artifact import MANIFEST
from viewfinder.bursts import reading
from viewfinder.bursts.frames import Frames
from viewfinder.bursts.reading import ARCHIVE, Known
from viewfinder.errors import CheckFailedError, UsageError
from viewfinder.photos import SUFFIXES, Photo
from viewfinder.task import BURST
from viewfinder.verbs.run_request import Done, RunRequest, noise_of
from viewfinder.verbs.targets import Existing, Job, settled

SUFFIX = ".png"
"""Of results in a folder: 16 bits, lossless."""
_BAND_ROWS = 256
_WHITE = 65535
Merge = Callable[[Frames, Callable[[float], None]], NDArray[np.float32]]


def takes_bursts(model: str) -> bool:
    """Tell whether a model or an artifact's folder merges bursts; what cannot be found does not."""
    path = Path(model).expanduser()
    manifest = path if path.name == MANIFEST else path / MANIFEST
    try:
        if model not in models.names() and manifest.is_file():
            import json

            return bool(json.loads(manifest.read_text(encoding="utf-8"))["pipeline"] == BURST)
        return models.load(model).pipeline == BURST
    except (UsageError, OSError, ValueError, KeyError, TypeError):  # told where it is loaded
        return False


def plan(sources: Sequence[Path], output: Path, existing: Existing) -> list[Job]:
    """List what becomes what: one burst a file, if that has a picture's suffix or .npz; else files in a folder.

    Raises:
        UsageError: no burst, two results of one name, a suffix that cannot be written, or a result that exists.
    """
    if not sources:
        raise UsageError("no bursts were named", "name folders of frames, raw files, or .npz")
    for source in sources:
        if not source.exists():
            raise UsageError(f"{source} does not exist", "check the path", code="no-such-file")
    suffixes = (*SUFFIXES, ARCHIVE)
    if len(sources) == 1 and output.suffix.lower() in suffixes and not output.is_dir():
        return settled([Job(sources[0], output)], existing, suffixes)
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file, and the results need a folder", "name a folder with -o")
    return settled([Job(source, output / f"{_name(source)}{SUFFIX}") for source in sources], existing, suffixes)


def _name(source: Path) -> str:
    """Name a burst by its folder or file."""
    return source.resolve().name if source.is_dir() else source.stem


def jobs_of(request: RunRequest) -> list[Job]:
    """List the bursts of a request and the files that they become."""
    return plan(request.photos, request.output, Existing.of(request.overwrite, request.skip_existing))


def run_one(
    job: Job, runner: Any, request: RunRequest, on_share: Callable[[float], None]
) -> tuple[Done, Sequence[str]]:
    """Read, merge and write one burst; return it with what was measured, and what its picture lacks.

    Raises:
        BadBurstError: it cannot be read, or does not fit the network.
        CheckFailedError: the artifact gives NaN.
    """
    begin = time.perf_counter()
    known = Known(noise_of(request.gain, request.read_noise, request.shot_noise), request.estimate_noise)
    frames = reading.read(job.source, known)
    try:
        merged = cast("Merge", runner.merge)(frames, on_share)
    except CheckFailedError as error:
        raise CheckFailedError(f"{job.source}: {error.message}", error.hint, code=error.code) from error
    told = [] if known.noise or not known.estimate else [f"{job.source}: {_told(frames)}"]
    if job.target.suffix.lower() == ARCHIVE:
        _write_archive(job.target, merged)
        height, width = merged.shape[:2]
    else:
        pixels = coded(reading.developed(frames, merged))
        photos.write(job.target, Photo(pixels))
        height, width = pixels.shape[:2]
        told += [note for note in [reading.lacking(frames)] if note]
    return Done(job.source, job.target, width, height, time.perf_counter() - begin), told


def _told(frames: Frames) -> str:
    """Say the noise that was measured."""
    noise = frames.noise
    return f"noise measured: --read-noise {noise.read_std:.4f} --shot-noise {noise.shot_std:.4f}" if noise else ""


def coded(linear: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Show linear light ``[H, W, 3]`` as display-referred sRGB of 16 bits, some rows at a time."""
    pixels = np.empty(linear.shape, np.uint16)
    for top in range(0, len(linear), _BAND_ROWS):
        shown = light.to_display(linear[top : top + _BAND_ROWS])
        pixels[top : top + _BAND_ROWS] = np.rint(shown * _WHITE)
    return pixels


def _write_archive(path: Path, merged: NDArray[np.float32]) -> None:
    """Write the planes as they are, linear and not clipped: ``denoised [H, W, C]``."""
    with files.new_file(path) as partial_path, partial_path.open("wb") as stream:
        np.savez(stream, denoised=merged)
