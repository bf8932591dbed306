"""Write photographs, all or nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder import files
from viewfinder.errors import UsageError
from viewfinder.photos import heif, png16, tiff
from viewfinder.photos.photo import Photo

JPEG_QUALITY = 95
"""With full colour resolution (4:4:4): what the encoder adds stays below one code on average."""


def write(path: Path, photo: Photo) -> None:
    """Write `photo` in the format that the suffix of `path` names, with its EXIF and profile where the format has them.

    PNG and TIFF keep 16 bits, HEIF 10 of them; JPEG, WebP and BMP get 8. The file appears whole or not at all.

    Raises:
        UsageError: a suffix that is no picture's, transparency in JPEG or BMP, a picture too large for the format, a
            full disk, a folder that cannot be written to.
        MissingToolError: HEIF without pillow-heif.
    """
    encode = _ENCODERS.get(path.suffix.lower())
    if encode is None:
        raise UsageError(f"{path} has no suffix of a picture", f"use one of {', '.join(_ENCODERS)}")
    encoded = encode(photo, path)
    with files.new_file(path) as partial:
        partial.write_bytes(encoded)


def _to_8_bits(photo: Photo) -> Photo:
    """Round 16 bits to 8 (white 65535 becomes 255)."""
    if photo.pixels.dtype == np.uint8:
        return photo
    alpha = None if photo.alpha is None else _round(photo.alpha)
    return replace(photo, pixels=_round(photo.pixels), alpha=alpha)


def _round(values: Any) -> Any:
    """Round 16-bit values to 8 bits."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _save(photo: Photo, path: Path, kind: str, **options: Any) -> memoryview:
    """Encode 8 bits with Pillow."""
    from PIL import Image

    photo, stream = _to_8_bits(photo), io.BytesIO()
    image = Image.fromarray(photo.pixels)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    try:
        image.save(stream, kind, exif=photo.exif, icc_profile=photo.icc or None, **options)
    except (OSError, ValueError) as error:
        size = f"{image.width}x{image.height}"
        raise UsageError(
            f"{path} cannot be written: {kind} does not take {size} ({error})", "use .png or .tif"
        ) from error
    return stream.getbuffer()


def _opaque(photo: Photo, path: Path) -> None:
    """Refuse to lose transparency."""
    if photo.alpha is not None:
        raise UsageError(f"{path} cannot be written: {path.suffix} keeps no transparency", "use .png, .tif or .webp")


def _jpeg(photo: Photo, path: Path) -> memoryview:
    """Encode as JPEG."""
    _opaque(photo, path)
    return _save(photo, path, "JPEG", quality=JPEG_QUALITY, subsampling=0)


def _png(photo: Photo, path: Path) -> memoryview:
    """Encode as PNG of 8 or 16 bits."""
    return png16.encode(photo) if photo.pixels.dtype == np.uint16 else _save(photo, path, "PNG")


def _webp(photo: Photo, path: Path) -> memoryview:
    """Encode as WebP; `exact` keeps the colours of transparent pixels."""
    return _save(photo, path, "WEBP", quality=JPEG_QUALITY, exact=True)


def _bmp(photo: Photo, path: Path) -> memoryview:
    """Encode as BMP, which keeps neither EXIF nor profile."""
    _opaque(photo, path)
    return _save(photo, path, "BMP")


def _tiff(photo: Photo, _path: Path) -> memoryview:
    """Encode as TIFF of 8 or 16 bits."""
    return tiff.encode(photo)


_ENCODERS: dict[str, Callable[[Photo, Path], memoryview]] = {
    ".jpg": _jpeg,
    ".jpeg": _jpeg,
    ".png": _png,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".webp": _webp,
    ".bmp": _bmp,
    ".heic": heif.encode,
    ".heif": heif.encode,
}
