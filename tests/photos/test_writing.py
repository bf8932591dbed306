"""What is written can be read again, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.photos import make

from viewfinder import files, photos
from viewfinder.errors import Exit, MissingToolError, UsageError
from viewfinder.photos import Photo


def _exif_of(data):
    """Parse EXIF bytes."""
    parsed = Image.Exif()
    parsed.load(data)
    return parsed


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "PNG"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_lossless_round_trip(tmp_path, suffix, bits, has_alpha):
    """Pixels, alpha, profile and EXIF come back bit by bit."""
    pixels = make.photograph() if bits == 8 else make.deep()
    alpha = pixels[::-1, :, 1].copy() if has_alpha else None
    path, profile = tmp_path / f"a.{suffix}", make.srgb_profile()
    photos.write(path, Photo(pixels, alpha, exif=make.exif().tobytes(), icc=profile))
    again = photos.read(path)
    assert again.pixels.dtype == pixels.dtype
    assert np.array_equal(again.pixels, pixels)
    assert np.array_equal(again.alpha, alpha) if has_alpha else again.alpha is None
    assert again.icc == profile
    exif = _exif_of(again.exif)
    assert exif[0x010F] == "Maker"
    assert exif.get_ifd(0x8769)[33434] == pytest.approx(0.01)
    assert exif.get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize(("suffix", "limit"), [("jpg", 1.0), ("webp", 3.0)])
def test_lossy_formats_stay_near(tmp_path, suffix, limit):
    """JPEG at quality 95 with full colour resolution is within one code on average."""
    pixels = photos.read(files_photo()).pixels[:256, :256]
    path = tmp_path / f"a.{suffix}"
    photos.write(path, Photo(pixels, exif=make.exif().tobytes(), icc=make.srgb_profile()))
    again = photos.read(path)
    assert np.abs(again.pixels.astype(int) - pixels).mean() < limit
    assert again.icc == make.srgb_profile()
    assert _exif_of(again.exif)[0x010F] == "Maker"


def files_photo():
    """Return a demo photograph."""
    from viewfinder import demo

    return demo.photos()[1]


def test_jpeg_keeps_full_colour_resolution(tmp_path):
    """No chroma subsampling: 1x1 sampling of all three components."""
    photos.write(tmp_path / "a.jpg", Photo(make.photograph()))
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("bits", [8, 16])
def test_heif_round_trip(tmp_path, bits):
    """HEIF comes back near, with EXIF and profile; 16 bits keep 10."""
    pytest.importorskip("pillow_heif")
    pixels = make.photograph(64, 64) if bits == 8 else make.deep(64, 64)
    path = tmp_path / "a.heic"
    photos.write(path, Photo(pixels, exif=make.exif().tobytes(), icc=make.srgb_profile()))
    again = photos.read(path)
    assert again.pixels.dtype == pixels.dtype
    white = np.iinfo(pixels.dtype).max
    assert np.abs(again.pixels.astype(float) - pixels).mean() / white < 0.01
    assert again.icc == make.srgb_profile()
    assert _exif_of(again.exif)[0x010F] == "Maker"


def test_heif_is_not_turned_twice(tmp_path):
    """Libheif turns a HEIF itself, by its own rotation; the EXIF orientation is then only reset."""
    heif = pytest.importorskip("pillow_heif")
    pixels, path = make.photograph(32, 48), tmp_path / "a.heic"
    stored = heif.from_bytes(mode="RGB", size=(48, 32), data=pixels.tobytes())
    stored.save(path, quality=100, chroma=444, exif=make.exif(6).tobytes())
    photo = photos.read(path)
    assert photo.pixels.shape == (48, 32, 3)
    assert np.abs(photo.pixels.astype(int) - np.rot90(pixels, -1)).mean() < 4
    assert _exif_of(photo.exif)[0x0112] == 1


def test_16_bits_into_8_bit_formats_are_rounded(tmp_path):
    """65535 is 255; half a code rounds up."""
    values = np.array([[[0, 128, 129], [65535, 65407, 65406]]], np.uint16)
    photos.write(tmp_path / "a.bmp", Photo(values))
    assert photos.read(tmp_path / "a.bmp").pixels.tolist() == [[[0, 0, 1], [255, 255, 254]]]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp"])
@pytest.mark.parametrize("bits", [8, 16])
def test_one_pixel_and_one_row(tmp_path, size, suffix, bits):
    """The smallest pictures can be written in every format."""
    pixels = (make.photograph(300, 300) if bits == 8 else make.deep(300, 300))[: size[0], : size[1]]
    photos.write(tmp_path / f"a.{suffix}", Photo(np.ascontiguousarray(pixels)))
    assert photos.read(tmp_path / f"a.{suffix}").pixels.shape == (*size, 3)


def test_tiff_of_many_strips_is_read_by_others(tmp_path):
    """Another reader finds every strip of a larger file (pixels compared through Pillow, tags through tifffile)."""
    pixels = make.photograph(700, 800)
    photos.write(tmp_path / "a.tif", Photo(pixels))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages[0].dataoffsets) > 1
        assert file.pages[0].predictor == 2
    with Image.open(tmp_path / "a.tif") as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("suffix", ["jpg", "bmp"])
def test_transparency_is_not_lost_silently(tmp_path, suffix):
    """JPEG and BMP keep no alpha: an error that names formats that do."""
    with pytest.raises(UsageError, match="keeps no transparency") as caught:
        photos.write(tmp_path / f"a.{suffix}", Photo(make.photograph(), make.photograph()[..., 0]))
    assert ".png" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffix(tmp_path):
    """A suffix that is no picture's is refused with those that are."""
    with pytest.raises(UsageError, match=r"a.gif has no suffix of a picture") as caught:
        photos.write(tmp_path / "a.gif", Photo(make.photograph()))
    assert ".png" in caught.value.hint


def test_too_large_for_the_format(tmp_path):
    """WebP ends at 16383 pixels: the sentence says so and what to take instead."""
    with pytest.raises(UsageError, match=r"a.webp cannot be written: WEBP does not take 16400x1") as caught:
        photos.write(tmp_path / "a.webp", Photo(np.zeros((1, 16_400, 3), np.uint8)))
    assert ".png" in caught.value.hint


def test_heif_without_its_package(tmp_path, monkeypatch):
    """The sentence names the package and how to get it; no file appears."""
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(MissingToolError, match=r"a.heic is a HEIF picture"):
        photos.write(tmp_path / "a.heic", Photo(make.photograph()))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    """When the disk is full half-way, the old picture is still there, whole, and no temporary file."""
    path = tmp_path / "a.png"
    photos.write(path, Photo(make.photograph()))
    before = path.read_bytes()

    def write_half(self, data):
        with self.open("wb") as stream:
            stream.write(bytes(data[: len(data) // 2]))
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(UsageError, match=r"cannot write .*a.png: no space left on device") as caught:
        photos.write(path, Photo(make.photograph()[::-1]))
    assert "free some space" in caught.value.hint
    assert caught.value.exit_code is Exit.USAGE
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_read_only_folder(tmp_path, monkeypatch, code):
    """A folder that cannot be written to. Simulated: tests may run as root, whom no mode bits stop."""

    def refuse(**_options):
        raise OSError(code, "refused", str(tmp_path))

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    with pytest.raises(UsageError, match=r"cannot write .*a.png") as caught:
        photos.write(tmp_path / "a.png", Photo(make.photograph()))
    assert "choose a folder" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
