"""Read camera files: pixels and colours through LibRaw (rawpy), frames and noise of DNG files through their tags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.bursts.burst import BadBurstError, NoiseLevel
from viewfinder.errors import BadImageError, MissingToolError
from viewfinder.raw.frame import PATTERNS, Matrix, RawFrame, camera_to_srgb, from_codes

_CFA, _NOISE_PROFILE, _PHOTOMETRIC, _SUBFILE = 32803, 51041, 262, 254
_MATRICES = (50722, 50721)
"""Value and tags of DNG 1.7: a mosaic's photometric interpretation, NoiseProfile, which page is full size, ColorMatrix2
(daylight in most files) and ColorMatrix1."""

_MOST_FRAMES = 64
_TURNS = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's flip as EXIF's orientation."""


def _rawpy(path: Path) -> Any:
    """Import rawpy, or say how to get it."""
    try:
        import rawpy
    except ImportError as error:
        raise MissingToolError(f"{path} needs LibRaw to be read", "pip install 'viewfinder[raw]'") from error
    return rawpy


def read_all(path: Path) -> list[RawFrame]:
    """Read every full-size Bayer frame of a raw file, in the file's order; most files hold one.

    Raises:
        BadImageError: no such file, a damaged one, one without Bayer mosaic (X-Trans, Foveon, linear DNG), or one whose
            black, white or colours make no sense.
        MissingToolError: rawpy is not installed.
    """
    if not path.is_file():
        raise BadImageError(f"{path} does not exist", "check the path", code="no-such-file")
    tags = _tags(path)
    return [_read(path, number, tags) for number in range(tags.frames)]


@dataclass(frozen=True)
class _Tags:
    """What the tags of a DNG say; the defaults are for files of another kind.

    Attributes:
        frames: number of full-size mosaics.
        noise: NoiseProfile.
        matrix: ColorMatrix2, else ColorMatrix1: XYZ to camera.
    """

    frames: int = 1
    noise: NoiseLevel | None = None
    matrix: NDArray[np.float64] | None = None


def _read(path: Path, number: int, tags: _Tags) -> RawFrame:
    """Read frame `number` through LibRaw."""
    rawpy = _rawpy(path)
    try:
        with rawpy.RawPy() as opened:
            opened.set_unpack_params(shot_select=number)
            opened.open_file(str(path))
            opened.unpack()
            return _frame(path, opened, tags)
    except (rawpy.LibRawError, OSError, ValueError) as error:
        text = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise BadImageError(
            f"{path} cannot be read as a raw file: {text}", "take the file from its source again"
        ) from error


def _frame(path: Path, opened: Any, tags: _Tags) -> RawFrame:
    """Take what an open file holds."""
    pattern = opened.raw_pattern
    if pattern is None or pattern.shape != (2, 2) or opened.raw_image is None:
        message = f"{path} holds no Bayer mosaic ({opened.raw_type.name}, {opened.num_colors} colours)"
        raise BadImageError(message, "give a raw file of a camera with a Bayer sensor, not a developed one")
    letters = opened.color_desc.decode()
    name = "".join(letters[index] for index in pattern.ravel())
    if name not in PATTERNS:
        raise BadImageError(f"{path} has the colour filter {name}", f"this program reads {', '.join(PATTERNS)}")
    row, column = PATTERNS[name]
    turned = np.roll(pattern, (-row, -column), (0, 1)).ravel()  # R, G1 beside it, G2, B as colour indices
    black = [float(opened.black_level_per_channel[index]) for index in turned]
    return from_codes(
        opened.raw_image_visible.copy(),
        black,
        float(opened.white_level),
        pattern=name,
        white_balance=_balance(opened),
        matrix=_matrix(opened, tags),
        noise=tags.noise,
        orientation=_TURNS.get(opened.sizes.flip, 1),
    )


def _balance(opened: Any) -> tuple[float, float, float]:
    """Return the camera's white balance with green 1; daylight's where the file has none, else no gains."""
    for gains in (opened.camera_whitebalance, opened.daylight_whitebalance):
        red, green, blue = (float(gain) for gain in gains[:3])
        if min(red, green, blue) > 0 and all(map(math.isfinite, (red, green, blue))):
            return red / green, 1.0, blue / green
    return 1.0, 1.0, 1.0


def _matrix(opened: Any, tags: _Tags) -> Matrix | None:
    """Return camera to sRGB of the file's own matrix, else of LibRaw's for this camera; None where neither is known."""
    found = np.asarray(opened.rgb_xyz_matrix if tags.matrix is None else tags.matrix, np.float64)[:3]
    return camera_to_srgb(found) if np.abs(found).sum() > 0 else None


def _tags(path: Path) -> _Tags:
    """Read the tags of a DNG."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as opened:
            pages = [page for first in opened.pages for page in _with_subpages(first)]
            values = [{tag.code: tag.value for tag in page.tags} for page in pages]
    except (tifffile.TiffFileError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return _Tags()  # no TIFF at all, or one that LibRaw has to judge
    mosaics = [tags for tags in values if tags.get(_PHOTOMETRIC) == _CFA and not tags.get(_SUBFILE, 0)]
    found = {code: next((tags[code] for tags in values if code in tags), None) for code in (_NOISE_PROFILE, *_MATRICES)}
    matrices = [_rationals(found[code]) for code in _MATRICES if found[code] is not None]
    return _Tags(
        min(max(1, len(mosaics)), _MOST_FRAMES), _noise(found[_NOISE_PROFILE]), matrices[0] if matrices else None
    )


def _with_subpages(page: Any) -> list[Any]:
    """List a page and those in its SubIFDs."""
    return [page, *(page.pages or ())]


def _rationals(value: Any) -> NDArray[np.float64] | None:
    """Return a 3x3 matrix that stands as numerators and denominators; None if it is of another size."""
    pairs = np.asarray(value, np.float64).reshape(-1, 2) if np.size(value) == 18 else np.zeros((0, 2))
    return (pairs[:, 0] / pairs[:, 1]).reshape(3, 3) if len(pairs) == 9 and pairs[:, 1].all() else None


def _noise(profile: Any) -> NoiseLevel | None:
    """Read NoiseProfile: pairs of variance per signal and constant variance, in shares of white; the mean of planes.

    One level stands for all planes, so it is their mean. Numbers that no sensor has are as none.
    """
    pairs = np.asarray(profile if profile is not None else (), np.float64).ravel()
    if pairs.size < 2 or pairs.size % 2 or not np.isfinite(pairs).all() or pairs.min() < 0:
        return None
    shot, read = pairs.reshape(-1, 2).mean(0)
    try:
        return NoiseLevel(math.sqrt(read), math.sqrt(shot))
    except BadBurstError:
        return None
