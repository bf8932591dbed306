"""Find and read photographs."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from viewfinder.errors import BadImageError, UsageError
from viewfinder.photos import deep, plain
from viewfinder.photos.metadata import upright
from viewfinder.photos.photo import SUFFIXES, Photo

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP")
"""Pillow's decoders that may touch a user's file (JPEG includes MPO); EPS would start a program."""

LARGEST_PIXELS = 256_000_000
"""The largest phone photographs have 200 megapixels; a header that promises more than this is taken for a bomb."""

_BROKEN = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, LookupError, TypeError, AttributeError)
"""What Pillow's and tifffile's decoders raise for damaged files; found by flipping bytes."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_pillow_limit = threading.Lock()


def find(paths: Sequence[Path]) -> list[Path]:
    """List the photographs among `paths` and below the folders among them, sorted; hidden files are left out.

    Raises:
        UsageError: a path that does not exist, or a folder without a photograph.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist", "check the path", code="no-such-file")
        photos = (
            [path]
            if not path.is_dir()
            else sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in SUFFIXES and not _is_hidden(file.relative_to(path))
            )
        )
        if not photos:
            raise UsageError(
                f"{path} holds no photographs", f"name a folder with {', '.join(SUFFIXES)}", code="no-photos"
            )
        found += photos
    return found


def _is_hidden(relative: Path) -> bool:
    """Tell files such as ``._IMG_1.jpg``, which are no pictures, and those in hidden folders."""
    return any(part.startswith(".") for part in relative.parts)


def read(path: Path) -> Photo:
    """Read one photograph, upright; of a file with several pictures, the first.

    Grey and palette pictures become RGB, CMYK is converted to sRGB, float TIFF in 0..1 becomes 16 bit. EXIF
    (without the thumbnail) and an RGB profile are kept; XMP, gain maps and further pictures are not.

    Raises:
        BadImageError: missing, empty, unreadable, damaged, not a picture, too large, or with impossible values.
        MissingToolError: HEIF without pillow-heif.
    """
    head = _head(path)
    with _explained(path):
        if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
            from viewfinder.photos import heif

            return heif.read(path, _check_size)
        return _read_with_pillow(path)


def _head(path: Path) -> bytes:
    """Return the first bytes of a file, or say why there are none."""
    if path.is_dir():
        raise BadImageError(f"{path} is a folder, not a picture", "name a picture in it")
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except FileNotFoundError:
        raise BadImageError(f"{path} does not exist", "check the path") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadImageError(f"{path} cannot be opened: {reason}", "check the file's permissions and disk") from error
    if not head:
        raise BadImageError(f"{path} is empty", "copy it from the camera again")
    return head


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the decoders raise into a sentence that names the file, the cause and the way out."""
    from PIL import UnidentifiedImageError

    try:
        yield
    except BadImageError:
        raise
    except UnidentifiedImageError as error:
        formats = "JPEG, PNG, TIFF, WebP, BMP or HEIF"
        raise BadImageError(f"{path} is not a {formats} picture, or its head is damaged", "check the file") from error
    except MemoryError as error:
        raise BadImageError(f"{path} does not fit into memory", "close other programs, or reduce it first") from error
    except _BROKEN as error:
        cause = "it is cut off before its end" if "truncated" in str(error).lower() else f"it is damaged ({error})"
        raise BadImageError(
            f"{path} cannot be read: {cause}", "copy it again, or repair it in a photo editor"
        ) from error


def _check_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures that are too large to be photographs, before a pixel is decoded."""
    if width * height > LARGEST_PIXELS:
        megapixels = f"{width * height / 1e6:.0f} megapixels"
        raise BadImageError(
            f"{path} claims to be {width}x{height}, {megapixels}: it looks like a decompression bomb",
            f"if it is a photograph, cut it into parts of up to {LARGEST_PIXELS // 1_000_000} megapixels",
        )


@contextmanager
def _no_pillow_limit() -> Iterator[None]:
    """Lift Pillow's own limit (89 megapixels, for the whole process) while a file is opened; `_check_size` follows."""
    from PIL import Image

    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _read_with_pillow(path: Path) -> Photo:
    """Read anything but HEIF."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _no_pillow_limit():
            image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        if deep.is_tiff(path):
            return deep.read_tiff(path, _check_size)
        raise
    with image:
        _check_size(path, *image.size)
        if deep.needs_tifffile(image):
            return deep.read_tiff(path, _check_size)
        planes = deep.decode(path, image) if deep.has_16_bits(image) else plain.decode(image)
        return upright(planes, image, path)
