"""What is in a picture file arrives: all bits, upright, with alpha, EXIF and profile."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.photos import make

from viewfinder import photos
from viewfinder.errors import BadImageError, UsageError

ORIENTED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def _exif_of(photo):
    """Parse the EXIF of a photograph."""
    parsed = Image.Exif()
    parsed.load(photo.exif)
    return parsed


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "bmp"])
def test_lossless_files_arrive_as_they_are(tmp_path, suffix):
    """Every pixel of an 8-bit file without loss."""
    path, pixels = tmp_path / f"a.{suffix}", make.photograph()
    Image.fromarray(pixels).save(path, **({"lossless": True} if suffix == "webp" else {}))
    photo = photos.read(path)
    assert photo.pixels.dtype == np.uint8
    assert np.array_equal(photo.pixels, pixels)
    assert photo.alpha is None
    assert photo.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_orientation_is_applied_once(tmp_path, orientation, suffix):
    """Pixels are upright as Pillow's own transposition makes them, and the tag says so afterwards."""
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(make.photograph()).save(path, exif=make.exif(orientation).tobytes())
    with Image.open(path) as stored:
        lossy = np.asarray(stored.convert("RGB"))
    expected = ORIENTED[orientation](make.photograph() if suffix in {"png", "tif"} else lossy)
    photo = photos.read(path)
    assert np.array_equal(photo.pixels, expected)
    exif = _exif_of(photo)
    assert exif.get(0x0112, 1) == 1
    camera = exif.get_ifd(0x8769)
    assert (camera[0xA002], camera[0xA003]) == (expected.shape[1], expected.shape[0])
    assert exif[0x010F] == "Maker"
    assert camera[33434] == pytest.approx(0.01)
    assert exif.get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_orientation_of_16_bits_with_alpha(tmp_path, orientation, suffix):
    """Both bytes of the pixels and the alpha plane turn together."""
    path, pixels, alpha = tmp_path / f"a.{suffix}", make.deep(), make.deep()[::-1, ::-1, 0]
    photos.write(path, photos.Photo(pixels, alpha, exif=make.exif(orientation).tobytes()))
    photo = photos.read(path)
    assert np.array_equal(photo.pixels, ORIENTED[orientation](pixels))
    assert np.array_equal(photo.alpha, ORIENTED[orientation](alpha[..., None])[..., 0])


def test_orientation_agrees_with_pillow(tmp_path):
    """The table of this test is Pillow's, so both cannot be wrong alike."""
    from PIL import ImageOps

    for orientation, turn in ORIENTED.items():
        image = Image.fromarray(make.photograph())
        stream = io.BytesIO()
        image.save(stream, "PNG", exif=make.exif(orientation))
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(Image.open(stream))), turn(make.photograph()))


def _png16(samples, colour_type, interlace=0):
    """Write a 16-bit PNG by the letter of the specification, unfiltered, without the code under test."""
    height, width = samples.shape[:2]
    big = samples.astype(">u2")
    steps = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]
    parts = [big[y::dy, x::dx] for y, dy, x, dx in steps] if interlace else [big]
    lines = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, interlace)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(("colour_type", "bands"), [(2, 3), (6, 4), (0, 1), (4, 2)])
def test_all_16_bits_of_png(tmp_path, colour_type, bands, interlace):
    """RGB, RGBA, grey and grey with alpha keep their low bytes, interlaced or not."""
    samples = np.dstack([make.deep(), make.deep()[::-1, :, :1]])[..., :bands]
    path = tmp_path / "a.png"
    path.write_bytes(_png16(samples, colour_type, interlace))
    photo = photos.read(path)
    assert photo.pixels.dtype == np.uint16
    colours = samples[..., :3] if bands >= 3 else np.repeat(samples[..., :1], 3, axis=2)
    assert np.array_equal(photo.pixels, colours)
    assert photo.alpha is None if bands in {1, 3} else np.array_equal(photo.alpha, samples[..., -1])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"planarconfig": "separate"}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_all_16_bits_of_tiff(tmp_path, byteorder, options):
    """TIFF of both byte orders, in strips or tiles, packed or not, and with its channels one after another."""
    path, pixels = tmp_path / "a.tif", make.deep()
    stored = pixels.transpose(2, 0, 1) if "planarconfig" in options else pixels
    tifffile.imwrite(path, stored, photometric="rgb", byteorder=byteorder, **options)
    photo = photos.read(path)
    assert photo.pixels.dtype == np.uint16
    assert np.array_equal(photo.pixels, pixels)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_tiff_in_0_to_1_becomes_16_bits(tmp_path, bands, dtype):
    """Display-referred floats keep 16 bits."""
    path = tmp_path / "a.tif"
    values = (make.photograph() / 255).astype(dtype)[..., :bands]
    tifffile.imwrite(path, values[..., 0] if bands == 1 else values, photometric="minisblack" if bands == 1 else "rgb")
    photo = photos.read(path)
    assert photo.pixels.dtype == np.uint16
    expected = np.repeat(values, 3, axis=2) if bands == 1 else values
    assert np.abs(photo.pixels / 65535 - expected.astype(np.float64)).max() <= 0.51 / 65535


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bands", [1, 3])
def test_nan_and_infinity_are_refused(tmp_path, bad, bands):
    """A float TIFF with NaN is named, with how many values are broken."""
    values = (make.photograph() / 255).astype(np.float32)
    values[3, 4, 0] = bad
    path = tmp_path / "broken.tif"
    tifffile.imwrite(path, values if bands == 3 else values[..., 0], photometric="rgb" if bands == 3 else "minisblack")
    with pytest.raises(BadImageError, match=r"broken.tif has 1 values of \d+ that are NaN or infinite") as caught:
        photos.read(path)
    assert caught.value.hint


def test_scene_referred_floats_are_refused(tmp_path):
    """Values above 1 are light, not a picture to show: the way out is tone mapping."""
    path = tmp_path / "light.tif"
    tifffile.imwrite(path, make.photograph().astype(np.float32) / 20, photometric="rgb")
    with pytest.raises(BadImageError, match=r"light.tif has float values from .* not 0..1") as caught:
        photos.read(path)
    assert "tone map" in caught.value.hint


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_other_modes_become_rgb(tmp_path, mode):
    """Grey, bilevel, palette and alpha: three channels, and alpha on its own."""
    path = tmp_path / "a.png"
    image = Image.fromarray(make.photograph())
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(make.photograph()[..., 1]))
    stored = image.convert(mode)
    stored.save(path)
    photo = photos.read(path)
    assert photo.mode == mode
    assert np.array_equal(photo.pixels, np.asarray(stored.convert("RGB")))
    assert (photo.alpha is not None) == mode.endswith("A")


def test_palette_with_a_transparent_colour(tmp_path):
    """PNG's tRNS becomes alpha."""
    image = Image.fromarray(make.photograph()).quantize(8)
    image.save(tmp_path / "a.png", transparency=0)
    photo = photos.read(tmp_path / "a.png")
    assert np.array_equal(photo.alpha == 0, np.asarray(image) == 0)


def test_cmyk_without_profile_is_converted_and_says_so(tmp_path):
    """Pillow's conversion, with a note that the colours are a guess."""
    path = tmp_path / "print.jpg"
    Image.fromarray(make.photograph()).convert("CMYK").save(path, quality=100)
    photo = photos.read(path)
    assert photo.mode == "CMYK"
    assert "without a profile" in photo.notes[0]
    assert "print.jpg" in photo.notes[0]
    assert np.abs(photo.pixels.astype(int) - make.photograph()).mean() < 8


def test_cmyk_goes_through_its_profile(tmp_path):
    """The colours are the profile's (grey, for the one made here), and the profile does not stay on RGB pixels."""
    path = tmp_path / "print.tif"
    Image.fromarray(make.photograph()).convert("CMYK").save(path, icc_profile=make.cmyk_profile())
    photo = photos.read(path)
    assert "through its profile" in photo.notes[0]
    assert np.ptp(photo.pixels.astype(int), axis=2).max() <= 1
    assert np.ptp(photo.pixels[..., 0]) > 100
    assert photo.icc == b""


def test_cmyk_with_a_damaged_profile(tmp_path):
    """A profile that cannot be used is said to be damaged; in no case does it stay on RGB pixels."""
    path = tmp_path / "print.tif"
    Image.fromarray(make.photograph()).convert("CMYK").save(path, icc_profile=b"not a profile")
    photo = photos.read(path)
    assert "damaged" in photo.notes[0]
    assert photo.icc == b""


def test_rgb_profile_is_kept_and_values_stay(tmp_path):
    """Nothing is converted through an RGB profile."""
    path, pixels = tmp_path / "a.png", make.photograph()
    profile = make.srgb_profile()
    Image.fromarray(pixels).save(path, icc_profile=profile)
    photo = photos.read(path)
    assert photo.icc == profile
    assert np.array_equal(photo.pixels, pixels)


def test_grey_profile_does_not_stay_on_rgb_pixels(tmp_path):
    """A grey profile on RGB pixels would make the file unreadable for colour-managed programs."""
    profile = bytearray(make.srgb_profile())
    profile[16:20] = b"GRAY"
    Image.fromarray(make.photograph()[..., 0]).save(tmp_path / "a.png", icc_profile=bytes(profile))
    photo = photos.read(tmp_path / "a.png")
    assert photo.icc == b""
    assert "GRAY colour profile" in photo.notes[0]


def test_first_of_several_pictures_and_a_note(tmp_path):
    """A TIFF with pages gives its first, and says that there are more."""
    pages = [Image.fromarray(make.photograph()), Image.fromarray(make.photograph()[::-1])]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    photo = photos.read(tmp_path / "a.tif")
    assert np.array_equal(photo.pixels, make.photograph())
    assert "holds several pictures" in photo.notes[0]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about the same damage
def test_damaged_exif_does_not_cost_the_photograph(tmp_path):
    """EXIF that cannot be parsed is left out with a note."""
    path = tmp_path / "a.jpg"
    Image.fromarray(make.photograph()).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    photo = photos.read(path)
    assert photo.pixels.shape == (37, 53, 3)
    assert photo.exif == b""


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1)])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp"])
def test_one_pixel_and_one_row(tmp_path, size, suffix):
    """The smallest pictures are pictures."""
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(make.photograph(90, 90)[: size[0], : size[1]]).save(path)
    assert photos.read(path).pixels.shape == (*size, 3)


def test_find_sorts_and_leaves_hidden_files_out(tmp_path):
    """Folders are searched to the bottom; ``._a.jpg`` is no picture."""
    for name in ("b.JPG", "a.png", "deep/c.tiff", "._a.jpg", ".hidden/d.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in photos.find([tmp_path])]
    assert found == ["a.png", "b.JPG", "deep/c.tiff"]


def test_find_names_what_is_missing(tmp_path):
    """A folder without pictures and a path that is not there are errors with the path in them."""
    with pytest.raises(UsageError, match=f"{tmp_path.name} holds no photographs"):
        photos.find([tmp_path])
    with pytest.raises(UsageError, match=r"gone does not exist"):
        photos.find([tmp_path / "gone"])
