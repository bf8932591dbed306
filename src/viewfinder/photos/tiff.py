"""Encode TIFF with 8 or 16 bits per channel: deflated strips with horizontal differences. Source: TIFF 6.0, TIFF TN2.

Pillow writes the directory (with the EXIF and GPS directories in it), this module the strips, as Pillow stores colour
with 8 bits only.
"""

from __future__ import annotations

import io
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from viewfinder.photos.photo import Photo

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

_STRIP_BYTES = 1 << 20
_DEFLATE, _RGB, _DIFFERENCES, _UNASSOCIATED_ALPHA = 8, 2, 2, 2
_LEVEL = 4


def encode(photo: Photo) -> memoryview:
    """Encode uint8 or uint16 ``[H, W, 3]`` (and alpha), with profile and EXIF."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    height, width = photo.pixels.shape[:2]
    channels = 3 if photo.alpha is None else 4
    rows = min(height, max(1, _STRIP_BYTES // (width * channels * photo.pixels.itemsize)))
    strips = [_strip(photo, slice(top, top + rows)) for top in range(0, height, rows)]
    directory = ImageFileDirectory_v2(prefix=b"II" if sys.byteorder == "little" else b"MM")
    _add_exif(directory, photo.exif)
    sizes = [len(strip) for strip in strips]
    tags: dict[int, Any] = {
        256: width,
        257: height,
        258: (photo.pixels.itemsize * 8,) * channels,
        259: _DEFLATE,
        262: _RGB,
        273: tuple(int(start) for start in np.cumsum([0, *sizes[:-1]])),
        277: channels,
        278: rows,
        279: tuple(sizes),
        284: 1,
        317: _DIFFERENCES,
    }
    tags |= {338: _UNASSOCIATED_ALPHA} if channels == 4 else {}
    for tag, value in tags.items():
        directory[tag] = value
    if photo.icc:
        directory.tagtype[34675] = 7  # undefined bytes, as ICC.1 annex B asks
        directory[34675] = photo.icc
    stream = io.BytesIO()
    directory.save(stream)
    stream.writelines(strips)
    return stream.getbuffer()


def _strip(photo: Photo, rows: slice) -> bytes:
    """Deflate some rows, each sample less the one on its left."""
    pixels = photo.pixels[rows]
    samples = np.array(pixels) if photo.alpha is None else np.dstack([pixels, photo.alpha[rows]])
    samples[:, 1:] = np.diff(samples, axis=1)
    return zlib.compress(samples.tobytes(), _LEVEL)


def _add_exif(directory: ImageFileDirectory_v2, data: bytes) -> None:
    """Copy tags and the EXIF and GPS directories from EXIF bytes."""
    from PIL import Image

    if not data:
        return
    exif = Image.Exif()
    exif.load(data)
    for tag in exif:
        directory[tag] = exif.get_ifd(tag) if tag in {0x8769, 0x8825} else exif[tag]
