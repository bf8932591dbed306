"""Orientation, EXIF and colour profile: applied, put right, or kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from viewfinder.photos.photo import Photo, Pixels

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

ORIENTATION = 0x0112
_EXIF_IFD = 0x8769
_EXIF_WIDTH, _EXIF_HEIGHT = 0xA002, 0xA003
_OF_THE_FILE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330, 338, 339}
    | {347, 513, 514, 529, 530, 531, 532, 700, 33723, 34377, 34675}
)
"""TIFF tags about how the pixels were stored (TIFF 6.0), or that travel on their own: profile, XMP, IPTC, Photoshop."""


@dataclass(frozen=True)
class Planes:
    """What a decoder gives: pixels as they lie in the file.

    Attributes:
        pixels: ``[H, W, 3]``, not yet upright.
        alpha: ``[H, W]`` or None.
        notes: sentences about what could not be kept.
        is_converted: the file's own profile no longer describes the pixels.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    notes: tuple[str, ...] = ()
    is_converted: bool = False


def turn(plane: Pixels, orientation: int) -> Pixels:
    """Turn and mirror ``[H, W, ...]`` as the EXIF `orientation` 1..8 asks; other values leave it as it is."""
    if not 2 <= orientation <= 8:
        return plane
    # 5..8 are 1..4 of the picture with rows and columns exchanged (Exif 2.32, table 6).
    turned = plane.swapaxes(0, 1) if orientation >= 5 else plane
    if orientation in {3, 4, 7, 8}:
        turned = turned[::-1]
    if orientation in {2, 3, 6, 7}:
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


def upright(planes: Planes, image: Image, path: Path) -> Photo:
    """Apply the orientation of `image` to its decoded `planes` and collect what is kept of its metadata."""
    exif, orientation, notes = _exif(image, path)
    pixels = turn(planes.pixels, orientation)
    profile, profile_notes = (b"", ()) if planes.is_converted else usable_profile(image.info.get("icc_profile"), path)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        notes += (f"{path} holds several pictures: only the first is used",)
    return Photo(
        pixels=pixels,
        alpha=None if planes.alpha is None else turn(planes.alpha, orientation),
        format="JPEG" if image.format == "MPO" else str(image.format),
        mode=image.mode,
        exif=put_right(exif, pixels.shape) if exif is not None else b"",
        icc=profile,
        notes=planes.notes + profile_notes + notes,
    )


def _exif(image: Image, path: Path) -> tuple[Exif | None, int, tuple[str, ...]]:
    """Return the EXIF of `image`, its orientation and notes; damaged EXIF is left out."""
    try:
        exif = image.getexif()
        orientation = exif.get(ORIENTATION, 1)
        exif.get_ifd(_EXIF_IFD)
        kept = exif if any(tag not in _OF_THE_FILE for tag in exif) else None
        return kept, orientation if isinstance(orientation, int) else 1, ()
    except Exception as error:  # noqa: BLE001 Pillow's EXIF parser raises whatever the damaged bytes lead to
        return None, 1, (f"{path}: its EXIF is damaged ({error}) and is left out",)


def put_right(exif: Exif, shape: tuple[int, ...]) -> bytes:
    """Return EXIF bytes for upright pixels ``[H, W, 3]``: orientation 1, true size, no thumbnail, no storage tags."""
    for tag in [tag for tag in exif if tag in _OF_THE_FILE]:
        del exif[tag]
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    camera = exif.get_ifd(_EXIF_IFD)
    for tag, size in ((_EXIF_WIDTH, shape[1]), (_EXIF_HEIGHT, shape[0])):
        if tag in camera:
            camera[tag] = size
    return exif.tobytes()


def usable_profile(profile: bytes | None, path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return a profile that describes RGB pixels, or none and why (its data colour space stands at byte 16, ICC.1)."""
    if not profile or profile[16:20] == b"RGB ":
        return profile or b"", ()
    space = profile[16:20].decode("ascii", "replace").strip()
    return b"", (f"{path}: its {space} colour profile does not fit RGB pixels and is left out",)
