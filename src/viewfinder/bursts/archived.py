"""Float frames of an ``.npz``, read anew for every plane: 8 frames of 12 megapixels in RGB are 1.2 GB of floats."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from viewfinder.bursts.burst import Array, BadBurstError, NoiseLevel, check_colours, check_shape, check_values

BROKEN = (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error)
"""What reading an archive raises that is none."""


@dataclass(frozen=True)
class Member:
    """An array of floats in an archive, as a list along its first axis of which one item stands in memory.

    Attributes:
        path: of the archive.
        name: of the array.
        shape: of it.
        dtype: of it.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, path: Path, name: str) -> Member | None:
        """Look at an array; None if it is no list of arrays of floats, or lies in the file by columns."""
        with zipfile.ZipFile(path) as opened, opened.open(f"{name}.npy") as stream:
            shape, by_columns, dtype = _header(stream)
        return cls(path, name, shape, dtype) if dtype.kind == "f" and len(shape) > 1 and not by_columns else None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        """Number of items."""
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the items.

        Raises:
            BadBurstError: the archive is broken, or was changed since it was looked at.
        """
        size = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        try:
            with zipfile.ZipFile(self.path) as opened, opened.open(f"{self.name}.npy") as stream:
                _header(stream)
                for _ in range(self.shape[0]):
                    yield np.frombuffer(stream.read(size), self.dtype).reshape(self.shape[1:])
        except BROKEN as error:
            raise BadBurstError(f"{self.path} cannot be read: {error}", "copy it from its source again") from error


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order by columns, and type of an array."""
    reader: Any = npy  # not typed in NumPy's stubs
    read = {(1, 0): reader.read_array_header_1_0, (2, 0): reader.read_array_header_2_0}
    shape, by_columns, dtype = read[reader.read_magic(stream)](stream)
    return shape, by_columns, dtype


@dataclass(frozen=True)
class ArchivedFrames:
    """Float frames as `viewfinder.bursts.frames.Frames`, of which one plane stands in memory.

    Attributes:
        each: yields the frames anew, ``[H, W, C]`` in linear light.
        shape: ``[N, H, W, C]``.
        noise: of every frame, None where it is not known.
        white_balance, matrix: as in `viewfinder.bursts.Burst`.
        name: of the file.
        metadata: further facts from the file.
    """

    each: Callable[[], Iterator[Array]]
    shape: tuple[int, ...]
    noise: NoiseLevel | None = None
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    matrix: tuple[tuple[float, float, float], ...] | None = None
    name: str = "burst"
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Refuse what cannot be merged.

        Raises:
            BadBurstError: as `viewfinder.bursts.Burst` does.
        """
        check_shape(self.name, self.shape)
        check_values(self.name, self.each())
        check_colours(self.name, self.white_balance, self.matrix)

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return self.shape[1], self.shape[2]

    @property
    def planes(self) -> int:
        """Number of planes."""
        return self.shape[3]

    def plane(self, number: int) -> Array:
        """Return one plane of every frame, as a new array."""
        found = np.empty((self.count, *self.size), np.float32)
        for place, frame in enumerate(self.each()):
            found[place] = frame[..., number]
        return found
