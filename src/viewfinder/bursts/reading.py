"""Read bursts: a folder of frames (photographs or raw files), one raw file with several frames, or an .npz."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import photos
from viewfinder.bursts.burst import Array, BadBurstError, Burst, NoiseLevel
from viewfinder.bursts.frames import CodedFrames, FloatFrames, Frames
from viewfinder.bursts.raw_frames import ORIENTATION, RawFrames

ARCHIVE = ".npz"
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".pef", ".srw", ".raf")
"""Camera files that are read through LibRaw; a DNG may hold several frames."""
_TURNS = {"3": 2, "6": 3, "8": 1}
"""EXIF's orientation to quarter turns against the clock that set a picture upright."""
NPZ_HINT = (
    "it holds `frames` [N, H, W] or [N, H, W, C] (float: linear light, white 1; uint8 or uint16: codes, with `black` "
    "and `white`, or sRGB where neither is given) and may hold `read_std` and `shot_std`"
)


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
        frames = _archive(path)
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
    return _Told(frames, noise)


@dataclass(frozen=True)
class _Told:
    """Frames whose noise somebody else says."""

    frames: Frames
    noise: NoiseLevel | None

    @property
    def name(self) -> str:
        """Name of the frames."""
        return self.frames.name

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.frames.count

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.frames.size

    @property
    def planes(self) -> int:
        """Number of planes."""
        return self.frames.planes

    def plane(self, number: int) -> Array:
        """Return one plane of every frame."""
        return self.frames.plane(number)


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
    return CodedFrames(tuple(photos.read(file).pixels for file in shown), name=path.name)


def _raws(name: str, paths: list[Path]) -> Frames:
    """Read raw files of one camera at one setting; a Bayer mosaic becomes four planes at half resolution."""
    from viewfinder import raw

    return RawFrames(tuple(one for path in paths for one in raw.read_all(path)), name)


def _floats(frames: Array, noise: NoiseLevel | None, facts: Mapping[str, Any]) -> Frames:
    """Check frames in linear light as `Burst` does; a noise level that nobody knows is not made up."""
    burst = FloatFrames(Burst(frames, noise or NoiseLevel(1.0, 1.0), **facts))
    return burst if noise else _Told(burst, None)


def _archive(path: Path) -> Frames:
    """Read an .npz; nothing in it is ever run."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            stored = {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadBurstError(f"{path} cannot be read: {error}", NPZ_HINT) from error
    if "frames" not in stored:
        raise BadBurstError(f"{path} has no array `frames`; it has {', '.join(stored) or 'nothing'}", NPZ_HINT)
    frames, noise = stored["frames"], _stored_noise(path, stored)
    frames = frames[..., None] if frames.ndim == 3 else frames
    if frames.ndim != 4:
        raise BadBurstError(f"{path} has frames of the shape {stored['frames'].shape}", NPZ_HINT)
    if frames.dtype.kind == "f":
        return _floats(frames.astype(np.float32, copy=False), noise, {"name": path.stem})
    black = tuple(map(float, np.ravel(stored["black"]))) if "black" in stored else (0.0,)
    white = _number(path, stored, "white")
    curve = "srgb" if "black" not in stored and "white" not in stored else "linear"
    return CodedFrames(tuple(frames), noise, curve, black, white, name=path.stem)


def _stored_noise(path: Path, stored: Mapping[str, NDArray[Any]]) -> NoiseLevel | None:
    """Return the noise of an archive, None where it says nothing."""
    read, shot = _number(path, stored, "read_std"), _number(path, stored, "shot_std")
    return None if read is None or shot is None else NoiseLevel(read, shot)


def _number(path: Path, stored: Mapping[str, NDArray[Any]], key: str) -> float | None:
    """Return one number of an archive, None if it is not there."""
    if key not in stored:
        return None
    if stored[key].size != 1 or stored[key].dtype.kind not in "fiu":
        raise BadBurstError(f"{path}: {key} is no number", NPZ_HINT)
    return float(stored[key].reshape(()))


def developed(frames: Frames, merged: Array) -> Array:
    """Turn merged planes into linear sRGB ``[H, W, 3]``: grey is repeated, Bayer planes are developed and turned."""
    if merged.shape[-1] == 1:
        return np.repeat(merged, 3, -1)
    if merged.shape[-1] == 3:
        return merged
    from viewfinder import raw

    source: Any = frames.frames if isinstance(frames, _Told) else frames
    burst = source.burst if isinstance(source, FloatFrames) else source
    shown = raw.develop(merged, burst.white_balance, burst.matrix)
    return np.rot90(shown, _TURNS.get(burst.metadata.get(ORIENTATION, ""), 0))
