"""Small picture files for the tests, made from a photograph."""

from __future__ import annotations

import functools
import struct

import numpy as np
from PIL import Image, ImageCms

from viewfinder import demo, photos


def photograph(height=37, width=53):
    """Return a small piece of a demo photograph, uint8 [H, W, 3], with texture and all colours."""
    pixels = photos.read(demo.photos()[1]).pixels
    return np.ascontiguousarray(pixels[:: len(pixels) // height, :: pixels.shape[1] // width][:height, :width])


def deep(height=37, width=53):
    """Return the same with 16 bits, the low bytes in use."""
    low = np.arange(height * width * 3).reshape(height, width, 3) * 37 % 256
    return (photograph(height, width).astype(np.uint16) << 8 | low.astype(np.uint16)).astype(np.uint16)


@functools.cache
def srgb_profile():
    """Return an ICC profile of RGB pixels; always the same one, for it holds the time at which it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation=1, width=53, height=37):
    """Return EXIF with a camera, an exposure, a true size, a place and an orientation."""
    made = Image.Exif()
    made[0x0112], made[0x010F] = orientation, "Maker"
    made.get_ifd(0x8769).update({0xA002: width, 0xA003: height, 33434: 0.01})
    made.get_ifd(0x8825)[1] = "N"
    return made


def cmyk_profile():
    """Return a small ICC profile of CMYK (version 2, lut8): every ink darkens alike, so the result is grey."""
    corners = np.indices((2, 2, 2, 2)).reshape(4, -1).T
    light = np.clip(1 - corners @ [0.2, 0.2, 0.2, 0.4], 0, 1)
    table = np.stack([np.rint(255 * light), np.full(16, 128), np.full(16, 128)], 1).astype(np.uint8).tobytes()
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + table + ramp * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = [(b"desc", name), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", white), (b"A2B0", lut)]
    directory, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for key, data in tags:
        directory += key + struct.pack(">2I", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"test", 0x02400000, b"prtr", b"CMYK", b"Lab ", b"acsp").ljust(
        68, b"\0"
    )
    illuminant = struct.pack(">3i", 63190, 65536, 54061)
    return (head + illuminant).ljust(128, b"\0") + directory + body
