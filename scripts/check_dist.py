"""Look into the built wheel and sdist: real files, the package data, and nothing but ``viewfinder`` at the top."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

FOLDERS = ("train", "export", "quantize", "runtime", "devices")
SYMLINK = 0o120000
DATA = (".safetensors", ".card.json", ".jpg", ".jinja", ".css", ".lock", "py.typed")
"""Endings of which the wheel needs at least one file: weights, cards, photographs, page, locks, type marker."""


def problems_of_wheel(path: Path) -> list[str]:
    """List what is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        entries = wheel.infolist()
    names = [entry.filename for entry in entries]
    top = {name.split("/")[0] for name in names}
    strangers = sorted(name for name in top if name != "viewfinder" and not name.endswith(".dist-info"))
    links = [entry.filename for entry in entries if (entry.external_attr >> 16) & 0o170000 == SYMLINK]
    missing = [folder for folder in FOLDERS if not any(name.startswith(f"viewfinder/{folder}/") for name in names)]
    absent = [ending for ending in DATA if not any(name.endswith(ending) for name in names)]
    return [
        *(f"{path.name}: top-level {name}" for name in strangers),
        *(f"{path.name}: link {name}" for name in links),
        *(f"{path.name}: no viewfinder/{folder}" for folder in missing),
        *(f"{path.name}: no file ends with {ending}" for ending in absent),
    ]


def problems_of_sdist(path: Path) -> list[str]:
    """List what is wrong with a source distribution."""
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    links = [member.name for member in members if member.issym() or member.islnk()]
    names = [member.name.partition("/")[2] for member in members]
    missing = [folder for folder in FOLDERS if not any(name.startswith(f"src/viewfinder/{folder}/") for name in names)]
    return [
        *(f"{path.name}: link {name}" for name in links),
        *(f"{path.name}: no src/viewfinder/{name}" for name in missing),
    ]


def main() -> int:
    """Check every distribution in the folder that is named."""
    folder = Path(sys.argv[1])
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    problems = [] if wheels and sdists else [f"{folder} holds no wheel or no sdist"]
    for wheel in wheels:
        problems += problems_of_wheel(wheel)
    for sdist in sdists:
        problems += problems_of_sdist(sdist)
    for path in (*wheels, *sdists):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    print("\n".join(problems) or "distributions are in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
