"""What the ramps share: display levels and steps along the rows of a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from viewfinder.runtime.probes import CODES, Found, Picture, Quantity, Seen

CHANNELS = ("R", "G", "B")
LEVELS_KEPT = 0.9
STEP_GROWTH = 1.0
QUANTITIES: Mapping[str, Quantity] = {
    "levels": Quantity(
        "display levels kept",
        "levels",
        "distinct 8-bit display codes along a row of the ramp, median over the rows; the channel with the fewest, "
        "compared with float's; values 0..1 times 255, rounded",
        "a tenth of the levels may go, since rounding moves some; what loses more shows bands where float is smooth",
    ),
    "largest_step": Quantity(
        "largest step",
        "codes",
        "largest difference between neighbouring columns in 8-bit display codes, over all rows and channels; values "
        "0..1 times 255, rounded",
        "one code more than float's largest step; on a smooth ramp a step of two codes can be seen as an edge",
    ),
}


def codes(picture: Picture) -> NDArray[np.int32]:
    """Round to 8-bit display codes."""
    return np.rint(picture.clip(0, 1) * CODES).astype(np.int32)


def levels(picture: Picture) -> dict[str, float]:
    """Count the distinct codes of each channel along a row; the median over the rows."""
    shown = np.sort(codes(picture), axis=1)
    counts = 1 + np.count_nonzero(np.diff(shown, axis=1), axis=1)
    return {name: float(np.median(counts[:, channel])) for channel, name in enumerate(CHANNELS)}


def largest_steps(picture: Picture) -> dict[str, float]:
    """Return the largest step between neighbouring columns of each channel, in codes."""
    steps = np.abs(np.diff(codes(picture), axis=1)).max((0, 1))
    return {name: float(steps[channel]) for channel, name in enumerate(CHANNELS)}


def measure(seen: Seen) -> dict[str, Found]:
    """Count levels and steps of the artifact's output, with limits from float's."""
    kept, own = levels(seen.output), levels(seen.float_output)
    fewest = min(CHANNELS, key=lambda name: kept[name] / own[name])
    steps, float_step = largest_steps(seen.output), max(largest_steps(seen.float_output).values())
    return {
        "levels": Found(
            kept[fewest],
            minimum=float(np.ceil(LEVELS_KEPT * own[fewest])),
            per_sample=kept,
            said=f"float keeps {own[fewest]:.0f}",
        ),
        "largest_step": Found(
            max(steps.values()),
            maximum=float_step + STEP_GROWTH,
            per_sample=steps,
            said=f"float's largest step is {float_step:.0f}",
        ),
    }


def rows(values: NDArray[np.float64], height: int) -> Picture:
    """Repeat one row of grey values ``[W]`` over the height, in three channels."""
    picture = np.broadcast_to(values.astype(np.float32)[None, :, None], (height, len(values), 3))
    return np.ascontiguousarray(picture)
