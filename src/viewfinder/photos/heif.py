"""HEIF through the optional package pillow-heif (its wheels bring decoder and encoder)."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder.errors import MissingToolError
from viewfinder.photos.metadata import put_right, usable_profile
from viewfinder.photos.photo import Photo

_DEEP_BITS = 16
_QUALITY = 95


def _pillow_heif(path: Path) -> Any:
    """Import the package, or say how to get it."""
    try:
        return importlib.import_module("pillow_heif")
    except ImportError as error:
        raise MissingToolError(
            f"{path} is a HEIF picture, and the package pillow-heif is not installed",
            "pip install 'viewfinder[heif]', or save the picture as JPEG",
        ) from error


def read(path: Path, check_size: Callable[[Path, int, int], None]) -> Photo:
    """Read the primary picture with all its bits; 10 and 12 bits become 16.

    The decoder applies the file's own rotation, so the EXIF orientation, a copy of it, is only reset.
    """
    from PIL import Image

    file = _pillow_heif(path).open_heif(path, convert_hdr_to_8bit=False)
    check_size(path, *file.size)
    pixels = np.asarray(file)
    pixels = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    exif = Image.Exif()
    exif.load(file.info.get("exif") or b"")
    icc, notes = usable_profile(file.info.get("icc_profile"), path)
    return Photo(
        pixels=np.array(pixels[..., :3]),
        alpha=np.array(pixels[..., 3]) if pixels.shape[2] == 4 else None,
        format="HEIF",
        mode=file.mode,
        exif=put_right(exif, pixels.shape) if len(exif) else b"",
        icc=icc,
        notes=notes,
    )


def encode(photo: Photo, path: Path) -> memoryview:
    """Encode with full colour resolution; 16-bit pixels keep the 10 bits that phones show."""
    parts = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    bands = "RGB" if photo.alpha is None else "RGBA"
    mode = f"{bands};{_DEEP_BITS}" if photo.pixels.dtype == np.uint16 else bands
    height, width = photo.pixels.shape[:2]
    picture = _pillow_heif(path).from_bytes(mode=mode, size=(width, height), data=parts.tobytes())
    options = {"exif": photo.exif or None, "icc_profile": photo.icc or None}
    stream = io.BytesIO()
    picture.save(stream, quality=_QUALITY, chroma=444, **{key: value for key, value in options.items() if value})
    return stream.getbuffer()
