"""Golden samples: photographs or bursts, what the float network makes of them, and the truth where there is one.

Two files: ``golden.npz`` holds the arrays, ``golden.json`` beside it the hash of the npz and where it comes from.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import files, light
from viewfinder.artifact import MANIFEST
from viewfinder.bursts import Burst, NoiseLevel
from viewfinder.errors import BadArtifactError

SCHEMA_VERSION = 1
FILE = "golden.npz"
_HINT = "write it again with `viewfinder export`, or name another with --golden"
_WHITE_16 = 65535.0


class _Given:
    """What samples have in common: the photograph or burst that a network is given."""

    pixels: NDArray[Any]
    burst: Burst | None

    @property
    def feed(self) -> Any:
        """Return what a pipeline is given: the burst, or the photograph as float32 in 0..1."""
        if self.burst is not None:
            return self.burst
        return self.pixels.astype(np.float32) / np.float32(np.iinfo(self.pixels.dtype).max)

    @property
    def source(self) -> NDArray[Any]:
        """Return the numbers that tell the sample from others: the burst's frames, or the pixels."""
        return self.pixels if self.burst is None else self.burst.frames

    @property
    def average(self) -> NDArray[np.float32] | None:
        """Show the plain mean of a burst's frames, ``[H, W, 3]`` in 0..1: merging without any thought."""
        return None if self.burst is None else light.picture(self.burst.frames.mean(0))


@dataclass(frozen=True)
class Sample(_Given):
    """A photograph or a burst to ask a network about, with the truth.

    Attributes:
        name: as in reports; unlike the others'.
        pixels: uint8 or uint16 ``[H, W, 3]``, display-referred: the photograph, or the burst's reference frame, shown.
        truth: float32 ``[s * H, s * W, 3]``, display-referred in 0..1, or None.
        burst: what the network gets in place of `pixels`; 1 or 3 planes, in numbers that float16 holds.
        strata: kinds that the sample belongs to (``gain=4``); empty takes the exposure of `pixels`.
    """

    name: str
    pixels: NDArray[Any]
    truth: NDArray[np.float32] | None = None
    burst: Burst | None = None
    strata: tuple[str, ...] = ()


@dataclass(frozen=True)
class GoldenPhoto(_Given):
    """One sample with the float network's answer.

    Attributes:
        name: of the file, without folder and suffix; of a synthetic sample, with its noise too.
        pixels: uint8 or uint16 ``[H, W, 3]``, display-referred.
        expected: float32 output of the PyTorch network, display-referred, clipped to 0..1, not rounded;
            ``[s * H, s * W, 3]``.
        truth: float32 ``[s * H, s * W, 3]`` in 0..1 of the operator that the network imitates, or the picture without
            noise, or None.
        burst, strata: as in `Sample`.
    """

    name: str
    pixels: NDArray[Any]
    expected: NDArray[np.float32]
    truth: NDArray[np.float32] | None = None
    burst: Burst | None = None
    strata: tuple[str, ...] = ()


def shown(burst: Burst) -> NDArray[np.uint8]:
    """Return a burst's reference frame as 8-bit pixels in display light, ``[H, W, 3]``."""
    return np.rint(light.picture(burst.reference) * 255).astype(np.uint8)


@dataclass(frozen=True)
class Golden:
    """What a task's artifacts are compared with.

    Attributes:
        operator: name of what made the truth, "" if there is none.
        tools: versions of what ran the network.
        sha256: hash of the npz file; "" before it is written.
    """

    task: str
    weights: str
    weights_sha256: str
    operator: str
    photos: tuple[GoldenPhoto, ...]
    tools: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""


def few(golden: Golden, count: int) -> Golden:
    """Return at most `count` of the samples, of every kind in turn (``gain=1``, ``gain=2``, ...), in their order."""
    seen: Counter[tuple[str, ...]] = Counter()
    turns = []
    for number, photo in enumerate(golden.photos):
        turns.append((seen[photo.strata], number))
        seen[photo.strata] += 1
    taken = sorted(number for _, number in sorted(turns)[:count])
    return replace(golden, photos=tuple(golden.photos[number] for number in taken))


def write(path: Path, golden: Golden) -> Golden:
    """Write ``golden.npz`` and its json, each all or nothing; return `golden` as it will be read again.

    The truth is stored with 16 bits (an error of at most 8e-6, far below one code of 8 bits), a burst's frames as
    float16, which is what the float network saw.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for photo in golden.photos:
        if photo.burst is None:
            arrays[f"{photo.name}/pixels"] = photo.pixels
        else:
            arrays[f"{photo.name}/frames"] = photo.burst.frames.astype(np.float16)
        arrays[f"{photo.name}/expected"] = photo.expected
        if photo.truth is not None:
            arrays[f"{photo.name}/truth"] = np.rint(photo.truth.clip(0, 1) * _WHITE_16).astype(np.uint16)
    with files.new_file(path) as partial:
        with partial.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        written = replace(golden, sha256=files.sha256(partial))
    files.write_text(path.with_suffix(".json"), json.dumps(_description(written), indent=2, sort_keys=True) + "\n")
    return written


def _description(golden: Golden) -> dict[str, Any]:
    """Return everything but the arrays as JSON data."""
    details = {photo.name: _details(photo) for photo in golden.photos}
    return {
        **({"details": details} if any(details.values()) else {}),
        "schema_version": SCHEMA_VERSION,
        "task": golden.task,
        "weights": golden.weights,
        "weights_sha256": golden.weights_sha256,
        "operator": golden.operator,
        "photos": [photo.name for photo in golden.photos],
        "tools": dict(golden.tools),
        "sha256": golden.sha256,
    }


def _details(photo: GoldenPhoto) -> dict[str, Any]:
    """Return what the arrays do not say of a sample; nothing of a plain photograph."""
    strata = {"strata": list(photo.strata)} if photo.strata else {}
    if photo.burst is None:
        return dict(strata)
    return {**strata, "read_std": photo.burst.noise.read_std, "shot_std": photo.burst.noise.shot_std}


def find(folder: Path) -> Path:
    """Return the golden pictures beside (or in) an artifact's folder.

    Raises:
        BadArtifactError: there are none.
    """
    folder = folder.parent if folder.name == MANIFEST else folder
    place = beside(folder)
    if place is None:
        raise BadArtifactError(f"{folder} has no {FILE} beside it to be compared with", _HINT)
    return place


def beside(folder: Path) -> Path | None:
    """Return the golden pictures beside (or in) a folder, or None."""
    return next((place for place in (folder.resolve().parent / FILE, folder / FILE) if place.is_file()), None)


def load(path: Path) -> Golden:
    """Read golden pictures and check hash, names, types and shapes.

    Raises:
        BadArtifactError: a missing or changed file, or arrays that do not fit together.
    """
    try:
        data = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if data.pop("schema_version") != SCHEMA_VERSION:
            raise BadArtifactError(f"{path} was written by another version of viewfinder", _HINT)
        names = [str(name) for name in data.pop("photos")]
        details = dict(data.pop("details", {}))
        expected_hash = data["sha256"]
        golden = Golden(**data, photos=())
        found = files.sha256(path)
    except FileNotFoundError as error:
        raise BadArtifactError(f"there is no {error.filename}", _HINT) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadArtifactError(f"{path.with_suffix('.json')} cannot be read: {error}", _HINT) from error
    if found != expected_hash:
        raise BadArtifactError(
            f"{path} does not match its json: sha256 {found[:12]}..., expected {expected_hash[:12]}...", _HINT
        )
    return replace(golden, photos=tuple(_read(path, names, details)))


def _read(path: Path, names: list[str], details: Mapping[str, Any]) -> list[GoldenPhoto]:
    """Read the arrays of the samples; nothing in them is ever run."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            stored = {key: arrays[key] for key in arrays.files}
        photos = [_photo(stored, name, details.get(name, {})) for name in names]
    except (OSError, ValueError, TypeError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise BadArtifactError(f"{path} cannot be read: {error}", _HINT) from error
    return photos


def _photo(stored: Mapping[str, NDArray[Any]], name: str, details: Mapping[str, Any]) -> GoldenPhoto:
    """Put one sample together and check that its arrays fit."""
    expected, truth = stored[f"{name}/expected"], stored.get(f"{name}/truth")
    burst = _burst(stored[f"{name}/frames"], name, details) if f"{name}/frames" in stored else None
    pixels = stored[f"{name}/pixels"] if burst is None else shown(burst)
    if pixels.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)} or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"{name} has pixels of {pixels.dtype} {pixels.shape}")
    scale = expected.shape[0] // pixels.shape[0]
    shape = (scale * pixels.shape[0], scale * pixels.shape[1], 3)
    if expected.dtype != np.float32 or expected.shape != shape or not np.isfinite(expected).all():
        raise ValueError(f"the output of {name} is {expected.dtype} {expected.shape}, or not finite")
    if truth is not None and (truth.dtype != np.uint16 or truth.shape != shape):
        raise ValueError(f"the truth of {name} is {truth.dtype} {truth.shape}")
    decoded = None if truth is None else truth.astype(np.float32) / np.float32(_WHITE_16)
    return GoldenPhoto(name, pixels, expected, decoded, burst, tuple(map(str, details.get("strata", ()))))


def _burst(frames: NDArray[Any], name: str, details: Mapping[str, Any]) -> Burst:
    """Put a burst together; `Burst` checks it."""
    if frames.dtype != np.float16 or frames.ndim != 4 or frames.shape[3] not in {1, 3}:
        raise ValueError(f"{name} has frames of {frames.dtype} {frames.shape}")
    noise = NoiseLevel(float(details["read_std"]), float(details["shot_std"]))
    return Burst(frames.astype(np.float32), noise, name=name)
