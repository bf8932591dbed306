"""Decode colour pictures with 16 bits per channel, and float TIFF.

Pillow 11 to 13 store colour with 8 bits. Its unpackers for 16-bit files come in pairs, though: told that the samples
are big-endian they keep one byte of each, told little-endian the other. So a file is decoded twice, which gives all
16 bits of PNG (interlaced too) and of every TIFF compression that Pillow knows, with no further package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import BadImageError, MissingToolError
from viewfinder.photos.metadata import ORIENTATION, Planes, turn, usable_profile
from viewfinder.photos.photo import Photo, Pixels
from viewfinder.photos.plain import from_float

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

SizeCheck = Callable[[Path, int, int], None]

_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_GREY_ALPHA = "LA;16B"
_PLANAR, _BITS, _SEPARATE = 284, 258, 2


def _raw_mode(image: ImageFile) -> str:
    """Return how the samples lie in the file, in Pillow's words, e.g. ``RGB;16B``."""
    arguments = image.tile[0].args if image.tile else None
    return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])


def has_16_bits(image: ImageFile) -> bool:
    """Tell a colour picture (or grey with alpha) whose samples have 16 bits, before it is decoded.

    CMYK and premultiplied alpha are left to the 8-bit way: Pillow computes with their high bytes while it unpacks.
    """
    raw = _raw_mode(image)
    return raw == _GREY_ALPHA or raw[:-1] in {"RGB;16", "RGBA;16", "RGBX;16"}


def needs_tifffile(image: ImageFile) -> bool:
    """Tell a TIFF with 16-bit channels stored one after another, of which Pillow would read the wrong bytes."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_PLANAR) == _SEPARATE and max(tags.get(_BITS, (8,))) > 8


def decode(path: Path, image: ImageFile) -> Planes:
    """Decode an open picture for which `has_16_bits` holds; it is opened once more for the low bytes."""
    from PIL import Image

    raw = _raw_mode(image)
    if raw == _GREY_ALPHA:
        return _grey_alpha(image)
    with Image.open(path, formats=[str(image.format)]) as again:
        _set_raw_mode(again, raw[:-1] + _OTHER_BYTE[raw[-1]])
        low = np.asarray(again)
    high = np.asarray(image)
    pixels = _join(high[..., :3], low[..., :3])
    return Planes(pixels, _join(high[..., 3], low[..., 3]) if high.shape[2] == 4 else None)


def _set_raw_mode(image: ImageFile, raw: str) -> None:
    """Have the decoder of an open picture take the samples for `raw`."""
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
    ]


def _join(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Put high and low bytes together."""
    joined = high.astype(np.uint16)
    joined <<= 8
    joined |= low
    return joined


def _grey_alpha(image: ImageFile) -> Planes:
    """Decode 16-bit grey with alpha of a PNG: its four bytes per pixel are taken for R, G, B and A."""
    _set_raw_mode(image, "RGBA")
    pairs = np.asarray(image)
    grey, alpha = _join(pairs[..., 0], pairs[..., 1]), _join(pairs[..., 2], pairs[..., 3])
    return Planes(np.repeat(grey[..., None], 3, axis=2), alpha)


def is_tiff(path: Path) -> bool:
    """Tell a TIFF or BigTIFF by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(4) in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def read_tiff(path: Path, check_size: SizeCheck) -> Photo:
    """Read a TIFF that Pillow does not take: float colour, or channels one after another."""
    try:
        import tifffile
    except ImportError as error:
        raise MissingToolError(
            f"{path} is a float or planar TIFF, and tifffile is missing", "pip install tifffile"
        ) from error

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        check_size(path, page.imagewidth, page.imagelength)
        values = page.asarray()
        tags = {code: page.tags[code].value for code in (ORIENTATION, 34675) if code in page.tags}
        is_planar = page.planarconfig == _SEPARATE and page.samplesperpixel > 1
    values = np.moveaxis(values, 0, -1) if is_planar else values
    pixels = turn(_samples(values, path), int(tags.get(ORIENTATION, 1)))
    profile, notes = usable_profile(tags.get(34675), path)
    alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
    return Photo(np.ascontiguousarray(pixels[..., :3]), alpha, "TIFF", str(values.dtype), icc=profile, notes=notes)


def _samples(values: NDArray[Any], path: Path) -> Pixels:
    """Return ``[H, W, 3 or 4]`` of 8 or 16 bits, or say what else the file holds."""
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[2] not in {1, 3, 4}:
        raise BadImageError(f"{path} has samples of shape {values.shape}", "save it as grey, RGB or RGBA picture")
    values = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
    if values.dtype.kind == "f":
        return from_float(values.astype(np.float32) if values.dtype.itemsize < 4 else values, str(path))
    if values.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        raise BadImageError(f"{path} has samples of type {values.dtype}", "save it with 8 or 16 bits, or float in 0..1")
    return values
