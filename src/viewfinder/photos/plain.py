"""Decode what Pillow decodes whole: 8-bit pictures of every mode, grey with 16 bits, float grey."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import BadImageError
from viewfinder.photos.metadata import Planes
from viewfinder.photos.photo import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image


def decode(image: Image) -> Planes:
    """Decode an open picture of any mode to RGB, with its alpha if it has one."""
    image.load()
    if image.mode.startswith("I"):
        return Planes(_grey_to_rgb(_as_uint16(np.asarray(image), image)))
    if image.mode == "F":
        return Planes(_grey_to_rgb(from_float(np.asarray(image), str(getattr(image, "filename", "the picture")))))
    if image.mode == "CMYK":
        return _from_cmyk(image)
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA"))
        return Planes(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]))
    return Planes(np.array(image if image.mode == "RGB" else image.convert("RGB")))


def _grey_to_rgb(grey: Pixels) -> Pixels:
    """Repeat ``[H, W]`` in three channels."""
    return np.repeat(grey[..., None], 3, axis=2)


def _as_uint16(values: NDArray[np.integer], image: Image) -> Pixels:
    """Take integers of 0..65535 as 16-bit grey; nothing says where white is in others."""
    if values.dtype == np.uint16:
        return values.astype(np.uint16, copy=True)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        name = getattr(image, "filename", "the picture")
        raise BadImageError(f"{name} has integers from {low} to {high}", "save it as 16-bit or 8-bit picture")
    return values.astype(np.uint16)


def from_float(values: NDArray[np.floating], name: str) -> Pixels:
    """Take floats in 0..1 as display-referred values and keep 16 bits of them.

    Raises:
        BadImageError: NaN, infinite, or outside of 0..1: such a file holds scene-referred light, not a picture to show.
    """
    broken = int(values.size - np.count_nonzero(np.isfinite(values)))
    if broken:
        raise BadImageError(
            f"{name} has {broken} values of {values.size} that are NaN or infinite",
            "find out which step before made them, and save the picture again",
        )
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise BadImageError(
            f"{name} has float values from {low:.4g} to {high:.4g}, not 0..1",
            "convert it to display-referred values first (tone map it), then save it as 16-bit TIFF",
        )
    rounded: Pixels = (values * values.dtype.type(65535) + values.dtype.type(0.5)).astype(np.uint16)
    return rounded


def _from_cmyk(image: Image) -> Planes:
    """Convert CMYK to sRGB, through its own profile when it has one."""
    from PIL import ImageCms

    name, note = getattr(image, "filename", "the picture"), "converted from CMYK to sRGB"
    if profile := image.info.get("icc_profile"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return Planes(np.array(converted), notes=(f"{name}: {note} through its profile",), is_converted=True)
        except (ImageCms.PyCMSError, OSError):
            note += " without its profile, which is damaged: its colours are a guess"
    else:
        note += " without a profile: its colours are a guess"
    return Planes(np.array(image.convert("RGB")), notes=(f"{name}: {note}",), is_converted=True)
