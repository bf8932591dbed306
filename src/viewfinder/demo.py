"""The photographs that come with the package (authors and licences: ``demo_photos/ATTRIBUTION.md``)."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from viewfinder.errors import MissingToolError
from viewfinder.photos import find


def folder() -> Path:
    """Return the folder of the demo photographs.

    Raises:
        MissingToolError: the package was installed without its data, or into a zip file.
    """
    path = resources.files("viewfinder") / "demo_photos"
    if not isinstance(path, Path) or not path.is_dir():
        raise MissingToolError(f"the demo photographs are missing: {path}", "install viewfinder again, from its wheel")
    return path


def photos() -> list[Path]:
    """List the four demo photographs, sorted by name: 0.9 to 1.9 megapixels, two of odd size."""
    return find([folder()])
