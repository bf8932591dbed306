"""Find the parts of an ``.mlpackage`` folder: the specification, and the weights it refers to.

Weight file: 64 bytes per description (sentinel, type, size, offset), values at 64-byte borders, little-endian.
Source: coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from viewfinder.errors import BadArtifactError

_SENTINEL = 0xDEADBEEF
_DESCRIPTION = struct.Struct("<IIQQ")
_MODEL_FOLDER = "@model_path/"
_AGAIN = "the package is damaged or incomplete; export the model again"


class Package:
    """An ``.mlpackage`` on disk. Weight files are read once, when first needed."""

    def __init__(self, folder: Path) -> None:
        """Find the specification through the package's manifest."""
        self.folder = folder
        self.specification = self._find_specification()
        self._files: dict[str, memoryview] = {}

    def _find_specification(self) -> Path:
        """Read ``Manifest.json``; its paths must stay inside the package."""
        manifest = self.folder / "Manifest.json"
        try:
            data = json.loads(manifest.read_text(encoding="utf-8"))
            item = data["itemInfoEntries"][data["rootModelIdentifier"]]["path"]
            return self._inside(self.folder / "Data", item)
        except FileNotFoundError as error:
            raise BadArtifactError(
                f"{self.folder} has no Manifest.json: it is not a Core ML package", _AGAIN
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadArtifactError(f"{manifest} cannot be read: {error}", _AGAIN) from error

    def _inside(self, folder: Path, name: str) -> Path:
        """Join a name from the package, which may not lead out of it."""
        path = (folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise BadArtifactError(f"{self.folder} refers to {name!r}, which is outside of it", _AGAIN)
        return path

    def program_bytes(self) -> memoryview:
        """Return the serialized specification."""
        return self._read(self.specification)

    def _read(self, path: Path) -> memoryview:
        """Read a file of the package."""
        try:
            return memoryview(path.read_bytes())
        except OSError as error:
            raise BadArtifactError(f"{path} cannot be read: {error.strerror}", _AGAIN) from error

    def blob(self, name: str, offset: int) -> memoryview:
        """Return the bytes of the weight that is described at `offset` of the weight file `name`."""
        if name not in self._files:
            relative = name.removeprefix(_MODEL_FOLDER)
            self._files[name] = self._read(self._inside(self.specification.parent, relative))
        data = self._files[name]
        if offset + _DESCRIPTION.size > len(data):
            raise BadArtifactError(f"{self.folder}: {name} ends before byte {offset}", _AGAIN)
        sentinel, _, size, start = _DESCRIPTION.unpack_from(data, offset)
        if sentinel != _SENTINEL or start + size > len(data):
            raise BadArtifactError(f"{self.folder}: {name} has no weight at byte {offset}", _AGAIN)
        return data[start : start + size]
