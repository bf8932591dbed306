"""Finished results on disk, one file each: what a farm that is started again need not do again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viewfinder import files

_FOLDER = "results"
_KEY = re.compile(r"[0-9a-f]{24}")


def key_of(facts: Mapping[str, Any]) -> str:
    """Return the name of the result of a job: everything that it depends on, hashed."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def keep(folder: Path, key: str, value: Mapping[str, Any]) -> None:
    """Write a result, whole or not at all."""
    files.write_text(folder / _FOLDER / f"{key}.json", json.dumps({"key": key, "value": value}, indent=1) + "\n")


def kept(folder: Path) -> dict[str, Any]:
    """Read all results; a file that is damaged or of another name counts as none, and the job is done again."""
    found = {}
    for path in sorted((folder / _FOLDER).glob("*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(data, dict) and data.get("key") == path.stem and _KEY.fullmatch(path.stem):
            found[path.stem] = data.get("value")
    return found
