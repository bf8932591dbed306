"""``viewfinder cache``: where made things are kept to be served again, and how to empty it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from viewfinder import files

CACHED = ("artifacts", "golden", "logs", "pairs", "verified")
"""Folders in the cache that can be made again; toolchains are removed with ``doctor --remove`` instead. Nothing else is
ever deleted, because `VIEWFINDER_CACHE` may name a folder with other people's files."""


@dataclass(frozen=True)
class CacheState:
    """What the cache holds."""

    folder: Path
    entries: dict[str, int]
    """Folder to bytes."""

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON data."""
        return asdict(self) | {"folder": str(self.folder), "size_bytes": sum(self.entries.values())}


def state() -> CacheState:
    """Measure the cache."""
    root = files.cache_folder()
    return CacheState(root, {name: files.size_bytes(root / name) for name in CACHED if (root / name).is_dir()})


def clean() -> CacheState:
    """Empty the cache; return what it held."""
    held = state()
    for name in held.entries:
        with files.explained(held.folder / name):
            shutil.rmtree(held.folder / name)
    return held
