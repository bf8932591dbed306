"""Whole photographs in, whole photographs out, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from viewfinder.errors import BadImageError, CheckFailedError
from viewfinder.photos import Array, Pixels, white

OnProgress = Callable[[float], None]


class Rows(Protocol):
    """A pipeline with its graphs loaded."""

    scale: int
    """Output pixels per input pixel, along each axis."""

    def __call__(self, pixels: Pixels | Array) -> Iterator[Array]:
        """Yield the rows of the enhanced picture from the top, ``[n, scale * W, 3]``, not clipped.

        The arrays may be overwritten when the next ones are asked for.
        """


class PhotoRunner:
    """Runs photographs through an artifact."""

    def __init__(self, rows: Rows) -> None:
        """Run them through `rows`."""
        self._rows = rows

    def enhance(self, pixels: Pixels | Array) -> Array:
        """Enhance a picture without rounding: what a measurement looks at.

        Args:
            pixels: ``[H, W, 3]`` uint8, uint16, or float in 0..1.

        Returns:
            float32 ``[scale * H, scale * W, 3]``, clipped to 0..1.

        Raises:
            BadImageError: NaN or infinite values in `pixels`, or a shape that is not a picture's.
            CheckFailedError: the artifact gives NaN or infinite values.
        """
        result: Array = np.empty(self._shape(pixels), np.float32)
        top = 0
        for rows in self._checked(pixels):
            np.clip(rows, 0, 1, out=result[top : top + len(rows)])
            top += len(rows)
        return result

    def process(self, pixels: Pixels, on_progress: OnProgress | None = None) -> Pixels:
        """Enhance a picture and round it to its own type; needs little memory beyond the two pictures.

        Args:
            pixels: ``[H, W, 3]`` uint8 or uint16.
            on_progress: is told the share of rows done, 0..1.

        Returns:
            ``[scale * H, scale * W, 3]`` of the type of `pixels`.

        Raises:
            CheckFailedError: the artifact gives NaN or infinite values.
        """
        result: Pixels = np.empty(self._shape(pixels), pixels.dtype)
        largest, top = white(pixels), 0
        for rows in self._checked(pixels):
            codes = rows * np.float32(largest)
            codes += np.float32(0.5)
            result[top : top + len(rows)] = np.clip(codes, 0, largest, out=codes)
            top += len(rows)
            if on_progress is not None:
                on_progress(top / len(result))
        return result

    def _shape(self, pixels: Pixels | Array) -> tuple[int, int, int]:
        """Return the shape of the result, if `pixels` is a picture."""
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
            raise BadImageError(f"an array of shape {pixels.shape} is not a picture", "give [height, width, 3]")
        scale = self._rows.scale
        return pixels.shape[0] * scale, pixels.shape[1] * scale, 3

    def _checked(self, pixels: Pixels | Array) -> Iterator[Array]:
        """Yield the enhanced rows; neither what goes in nor what comes out may be NaN or infinite."""
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise BadImageError(
                "the picture has values that are NaN or infinite", "find out which step before made them"
            )
        top = 0
        for rows in self._rows(pixels):
            if not np.isfinite(rows).all():
                raise CheckFailedError(
                    f"the artifact gives NaN or infinite values in rows {top} to {top + len(rows) - 1} of the picture",
                    "verify it; with fp16 an overflow is likely: export it with --precision float",
                    code="not-finite",
                )
            yield rows
            top += len(rows)
