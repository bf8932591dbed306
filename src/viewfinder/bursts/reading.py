"""Read bursts: a folder of frames (photographs or raw files), one raw file with several frames, or an .npz."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder import photos
from viewfinder.bursts import archive
from viewfinder.bursts.burst import BAYER, Array, BadBurstError, NoiseLevel
from viewfinder.bursts.frames import CodedFrames, FloatFrames, Frames, Told
from viewfinder.bursts.raw_frames import ORIENTATION, RawFrames

ARCHIVE = archive.SUFFIX
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".pef", ".srw", ".raf")
"""Camera files that are read through LibRaw; a DNG may hold several frames."""
_TURNS = {"3": 2, "6": 3, "8": 1}
"""EXIF's orientation to quarter turns against the clock that set a picture upright."""


@dataclass(frozen=True)
class Known:
    """What the caller says of a burst, before what its files say.

    Attributes:
        noise: of every frame; None takes the files' own.
        estimate: measure the noise on the frames where nobody says it.
    """

    noise: NoiseLevel | None = None
    estimate: bool = False


def is_burst(path: Path) -> bool:
    """Tell whether a path may be a burst: a folder, an .npz or a raw file."""
    return path.is_dir() or path.suffix.lower() in {ARCHIVE, *RAW_SUFFIXES}


def read(path: Path, known: Known | None = None) -> Frames:
    """Read a burst; frames of a folder are taken in the order of their names, the first one is the reference.

    Raises:
        BadBurstError: no such file, too few frames, mixed sizes, a damaged file, a saturated reference.
        BadImageError: a frame that cannot be read.
    """
    if not path.exists():
        raise BadBurstError(f"{path} does not exist", "check the path", code="no-such-file")
    if path.is_dir():
        frames = _folder(path)
    elif path.suffix.lower() == ARCHIVE:
        frames = archive.read(path)
    elif path.suffix.lower() in RAW_SUFFIXES:
        frames = _raws(path.stem, [path])
    else:
        raise BadBurstError(
            f"{path} is one picture, and a burst is two or more frames of one scene",
            f"name a folder of frames, a raw file with several frames ({', '.join(RAW_SUFFIXES)}), or an {ARCHIVE}",
        )
    return _with_noise(frames, known or Known())


def _with_noise(frames: Frames, known: Known) -> Frames:
    """Set the noise that the caller says, or measure it if asked to."""
    noise = known.noise or frames.noise
    if noise is None and known.estimate:
        from viewfinder.bursts import noise_estimate

        noise = noise_estimate.estimate(frames)
    if noise is frames.noise:
        return frames
    if isinstance(frames, CodedFrames):
        return replace(frames, noise=noise)
    return Told(frames, noise)


def _folder(path: Path) -> Frames:
    """Read the frames in a folder, not those below it."""
    listed = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    raw = [file for file in listed if file.suffix.lower() in RAW_SUFFIXES]
    shown = [file for file in listed if file.suffix.lower() in photos.SUFFIXES]
    if raw and shown:
        raise BadBurstError(
            f"{path} holds both raw files ({raw[0].name}) and pictures ({shown[0].name})", "keep one kind in the folder"
        )
    if raw:
        return _raws(path.name, raw)
    if not shown:
        raise BadBurstError(
            f"{path} holds no frames", f"name a folder with {', '.join((*photos.SUFFIXES, *RAW_SUFFIXES))}"
        )
    names = tuple(file.name for file in shown)
    return CodedFrames(tuple(photos.read(file).pixels for file in shown), name=path.name, files=names)


def _raws(name: str, paths: list[Path]) -> Frames:
    """Read raw files of one camera at one setting; a Bayer mosaic becomes four planes at half resolution."""
    from viewfinder import raw

    read = [(one, path.name) for path in paths for one in raw.read_all(path)]
    names = tuple(file for _, file in read) if len(paths) > 1 else ()
    return RawFrames(tuple(one for one, _ in read), name, names)


def developed(frames: Frames, merged: Array) -> Array:
    """Turn merged planes into linear sRGB ``[H, W, 3]``: grey is repeated, Bayer planes are developed and turned."""
    if merged.shape[-1] == 1:
        return np.repeat(merged, 3, -1)
    if merged.shape[-1] == 3:
        return merged
    from viewfinder import raw

    camera = _camera(frames)
    shown = raw.develop(merged, camera.white_balance, camera.matrix)
    return np.rot90(shown, _TURNS.get(camera.metadata.get(ORIENTATION, ""), 0))


def lacking(frames: Frames) -> str:
    """Say what a picture of Bayer planes will look like without a white balance; "" where there is one."""
    if frames.planes != BAYER or tuple(_camera(frames).white_balance) != (1.0, 1.0, 1.0):
        return ""
    return (
        f"{frames.name} has no white balance, so its picture has the sensor's own colours, mostly green: an .npz takes "
        "`white_balance` and a matrix (docs/bursts.md)"
    )


def _camera(frames: Frames) -> Any:
    """Return what holds white balance, matrix and metadata."""
    source: Any = frames.frames if isinstance(frames, Told) else frames
    return source.burst if isinstance(source, FloatFrames) else source
