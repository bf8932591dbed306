"""Where the software Vulkan driver lies, as the variables that show it to a program."""

from __future__ import annotations

import os
from pathlib import Path

from viewfinder.devices import toolchains

NAME = "lavapipe"
_DRIVER = "usr/share/vulkan/icd.d/lvp_icd.json"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


def environment(name: str = NAME) -> dict[str, str] | None:
    """Return our variables with those that have a program find the private driver and no other; None without it."""
    root = toolchains.root(name)
    if root is None:
        return None
    libraries = [str(root / _LIBRARIES), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    driver = str(Path(root) / _DRIVER)
    return {
        **os.environ,
        # The older name is what loaders before 1.3.207 know; both keep a graphics card of this machine out of it.
        "VK_DRIVER_FILES": driver,
        "VK_ICD_FILENAMES": driver,
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }
