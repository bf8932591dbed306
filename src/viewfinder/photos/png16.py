"""Encode PNG with 16 bits per channel, which Pillow does not. Source: W3C PNG specification, third edition."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from viewfinder.photos.photo import Photo

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {3: 2, 4: 6}
"""Channels to PNG's colour type: RGB, RGBA."""
_UP = 2
"""Filter type: each byte less the one above it."""
_LEVEL = 4
"""zlib level: the low bytes are noise, which higher levels pack no better."""
_BAND_ROWS = 64


def encode(photo: Photo) -> memoryview:
    """Encode uint16 ``[H, W, 3]`` (and alpha), with profile and EXIF."""
    height, width = photo.pixels.shape[:2]
    channels = 3 if photo.alpha is None else 4
    stream = io.BytesIO()
    stream.write(_SIGNATURE)
    _chunk(stream, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPE[channels], 0, 0, 0))
    if photo.icc:
        _chunk(stream, b"iCCP", b"ICC Profile\0\0" + zlib.compress(photo.icc))
    if photo.exif:
        _chunk(stream, b"eXIf", photo.exif.removeprefix(b"Exif\0\0"))
    packer, above = zlib.compressobj(_LEVEL), np.zeros((1, width * channels * 2), np.uint8)
    for top in range(0, height, _BAND_ROWS):
        rows = _big_endian(photo, slice(top, top + _BAND_ROWS))
        lines = np.full((len(rows), rows.shape[1] + 1), _UP, np.uint8)
        np.subtract(rows, np.concatenate([above, rows[:-1]]), out=lines[:, 1:])
        above = rows[-1:]
        if packed := packer.compress(lines.tobytes()):
            _chunk(stream, b"IDAT", packed)
    _chunk(stream, b"IDAT", packer.flush())
    _chunk(stream, b"IEND", b"")
    return stream.getbuffer()


def _big_endian(photo: Photo, rows: slice) -> NDArray[np.uint8]:
    """Return some rows as the bytes of a PNG, ``[rows, W * channels * 2]``."""
    pixels = photo.pixels[rows]
    samples = pixels if photo.alpha is None else np.dstack([pixels, photo.alpha[rows]])
    return samples.astype(">u2").reshape(len(pixels), -1).view(np.uint8)


def _chunk(stream: io.BytesIO, kind: bytes, data: bytes) -> None:
    """Append one chunk with its length and checksum."""
    stream.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
