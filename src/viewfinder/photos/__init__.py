"""Photographs: find, read, resize and write them.

Pixels are ``[H, W, 3]`` uint8 or uint16, upright (EXIF orientation applied), display-referred. Values are processed as
they stand in the file: a profile other than sRGB (Display P3, Adobe RGB) is kept and written again, and nothing is
converted through it, so a network sees such a picture's own numbers. Only CMYK is converted, to sRGB.
"""

from viewfinder.photos.photo import SUFFIXES, Array, Photo, Pixels, white
from viewfinder.photos.reading import find, read
from viewfinder.photos.sizes import resize, squeeze
from viewfinder.photos.writing import write

__all__ = ["SUFFIXES", "Array", "Photo", "Pixels", "find", "read", "resize", "squeeze", "white", "write"]
