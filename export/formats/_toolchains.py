"""Where the packages of converters with an environment of their own lie."""

from __future__ import annotations

from pathlib import Path

from viewfinder import files
from viewfinder.errors import MissingToolError

PYTHON = (3, 11)
"""What the toolchains are made for."""


def packages(toolchain: str, module: str) -> Path:
    """Return the folder that holds a toolchain's `module`.

    Raises:
        MissingToolError: the toolchain is not installed.
    """
    folder = files.cache_folder("toolchains", toolchain, "lib", "python{}.{}".format(*PYTHON), "site-packages")
    if not (folder / module).is_dir():
        raise MissingToolError(
            f"the toolchain {toolchain} is not installed", f"viewfinder doctor --install {toolchain}"
        )
    return folder
