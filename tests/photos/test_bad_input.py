"""Files that are no good: a sentence with the file, the cause and the way out, and nothing else."""

from __future__ import annotations

import contextlib
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from tests.photos import make

from viewfinder import photos
from viewfinder.errors import BadImageError, Exit, MissingToolError


def _refused(path, match):
    """Read a file that must be refused: with its name, a cause, a hint and exit code 2."""
    with pytest.raises(BadImageError, match=match) as caught:
        photos.read(path)
    assert path.name in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code is Exit.USAGE
    return caught.value


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "heic"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated(tmp_path, suffix, share):
    """A file that was cut off anywhere is refused in every format; no grey half is handed on."""
    if suffix == "heic":
        pytest.importorskip("pillow_heif")
    path = tmp_path / f"cut.{suffix}"
    photos.write(path, photos.Photo(make.photograph(200, 300)))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    _refused(path, "cannot be read|is not a")


def test_truncated_jpeg_says_so(tmp_path):
    """The commonest damage has its own words."""
    path = tmp_path / "cut.jpg"
    Image.fromarray(make.photograph(200, 300)).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    error = _refused(path, "cut off before its end")
    assert "copy it again" in error.hint


def test_truncated_16_bit_png(tmp_path):
    """The two passes over a 16-bit file notice the end too."""
    path = tmp_path / "cut.png"
    photos.write(path, photos.Photo(make.deep(200, 300)))
    path.write_bytes(path.read_bytes()[:-20_000])
    _refused(path, "cannot be read")


def test_empty_file(tmp_path):
    """Zero bytes."""
    (tmp_path / "empty.jpg").touch()
    _refused(tmp_path / "empty.jpg", "is empty")


def test_not_a_picture(tmp_path):
    """Text with a picture's name."""
    (tmp_path / "letter.jpg").write_text("Dear photographer, " * 40)
    _refused(tmp_path / "letter.jpg", "is not a JPEG, PNG, TIFF, WebP, BMP or HEIF picture")


def test_postscript_is_not_run(tmp_path):
    """Pillow would start Ghostscript for EPS; that decoder is not offered."""
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n" + b"\n" * 100)
    _refused(tmp_path / "a.png", "is not a")


def test_missing_file_and_folder(tmp_path):
    """No file, and a folder where a file is meant."""
    _refused(tmp_path / "gone.jpg", "does not exist")
    (tmp_path / "folder.jpg").mkdir()
    _refused(tmp_path / "folder.jpg", "is a folder")


def test_unreadable_file(tmp_path, monkeypatch):
    """No permission. Simulated: tests may run as root, whom no mode bits stop."""
    path = tmp_path / "secret.jpg"
    Image.fromarray(make.photograph()).save(path)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    error = _refused(path, "cannot be opened: permission denied")
    assert "permissions" in error.hint


def _bomb(width, height):
    """Return a PNG whose header promises a huge picture, with next to no data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def test_decompression_bomb_is_refused_unread(tmp_path):
    """A few bytes that promise 3.6 gigapixels are refused by their header."""
    path = tmp_path / "bomb.png"
    path.write_bytes(_bomb(60_000, 60_000))
    _refused(path, "60000x60000, 3600 megapixels: it looks like a decompression bomb")


def test_200_megapixels_are_no_bomb(tmp_path):
    """Pillow alone would refuse a 200-megapixel phone photograph; here only its missing pixels are wrong."""
    limit = Image.MAX_IMAGE_PIXELS
    path = tmp_path / "large.png"
    path.write_bytes(_bomb(16_320, 12_240))
    _refused(path, "cannot be read: it is cut off")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_heif_without_its_package(tmp_path, monkeypatch):
    """The sentence names the package and how to get it."""
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingToolError, match=r"a.heic is a HEIF picture") as caught:
        photos.read(path)
    assert "pip install 'viewfinder[heif]'" in caught.value.hint


def test_integers_beyond_16_bits(tmp_path):
    """32-bit integers do not say where white is."""
    path = tmp_path / "counts.tif"
    Image.fromarray(np.full((4, 5), 100_000, np.int32)).save(path)
    _refused(path, "integers from 100000 to 100000")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what it repaired
def test_random_damage_never_escapes(tmp_path):
    """Flipped bytes anywhere in a file give a picture or a BadImageError, never another exception."""
    rng = np.random.default_rng(5)
    for suffix in ("jpg", "png", "tif", "webp", "bmp"):
        path = tmp_path / f"a.{suffix}"
        photos.write(path, photos.Photo(make.photograph(), exif=make.exif().tobytes(), icc=make.srgb_profile()))
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            where = rng.integers(0, min(len(whole), 600), 4)
            damaged[where] = rng.integers(0, 256, 4)
            path.write_bytes(damaged.tobytes())
            with contextlib.suppress(BadImageError):
                assert photos.read(path).pixels.ndim == 3
