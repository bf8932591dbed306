"""Find what explains an error: known mistakes are undone one by one, and the one that brings the picture back is named.

Every trial runs the artifact itself on the worst photograph; its evidence is PSNR against PyTorch's float output before
and after. A cause explains an error when undoing it takes away three quarters of it (6 dB) and nothing does better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from viewfinder.runtime.gate import resizing
from viewfinder.runtime.gate.outcome import Explanation
from viewfinder.runtime.gate.stand import Change, Picture, Stand
from viewfinder.runtime.metrics import psnr_db

EXPLAINS_DB = 6.0
FINE_DB = 60.0
"""Nothing is left to be explained above: the error is below the rounding to 8 bits."""
SQUEEZED = "lowres"
"""The input that sees the whole photograph squeezed to a square (pipeline ``bilateral_grid``)."""
SWAPS = tuple(sorted(set(permutations(range(3))) - {(0, 1, 2)}, key=lambda order: order != (2, 1, 0)))
"""Every other order of three channels; red and blue exchanged comes first, because it is the common mistake."""
SHIFTS = tuple((y, x) for y in (0, -1, 1) for x in (0, -1, 1) if (y, x) != (0, 0))


@dataclass(frozen=True)
class Trial:
    """A cause undone.

    Attributes:
        told: the cause in words.
        after: PSNR in dB with it undone.
    """

    cause: str
    told: str
    after: float


Tries = Callable[[Stand, Picture], Iterator[Trial]]


def explained(stand: Stand) -> Explanation | None:
    """Try the known causes on the photograph of the stand; return the one that explains its error, if any does."""
    output = stand.run()
    before = psnr_db(output, stand.photo.expected)
    if before >= FINE_DB:
        return None
    best: Trial | None = None
    for trial in _trials(stand, output):
        if best is None or trial.after > best.after + 0.5:  # the earlier of two equals is the simpler
            best = trial
        if best.after >= FINE_DB:
            break
    if best is None or best.after < before + EXPLAINS_DB:
        return None
    told = f"{best.told}: undone, {stand.photo.name} has {best.after:.1f} dB against PyTorch instead of {before:.1f} dB"
    return Explanation(best.cause, told, before, best.after)


def _trials(stand: Stand, output: Picture) -> Iterator[Trial]:
    """Try every cause, the cheap ones first: those that need no run."""
    of_output: Sequence[Tries] = (_swapped_output, _shifted_output, _ranged)
    of_input: Sequence[Tries] = (_resized, _swapped_input, _reordered_frames, _shifted_input)
    for one in (*of_output, *of_input):
        yield from one(stand, output)


def _psnr(stand: Stand, picture: Picture) -> float:
    """PSNR against PyTorch's output."""
    return psnr_db(picture, stand.photo.expected)


def _order(order: Sequence[int]) -> str:
    """Name an order of channels."""
    return "".join("RGB"[channel] for channel in order)


def _swapped_output(stand: Stand, output: Picture) -> Iterator[Trial]:
    """Reorder the channels of the result."""
    for order in SWAPS:
        told = f"the channels of the result come as {_order(order)} instead of RGB"
        yield Trial("channels-swapped", told, _psnr(stand, output[..., np.argsort(order)]))


def _swapped_input(stand: Stand, _output: Picture) -> Iterator[Trial]:
    """Reorder the channels of what the graphs see: of all pictures together, then of each alone."""
    names = stand.inputs()
    groups = [names, *([name] for name in names)] if len(names) > 1 else [names]
    for order in SWAPS:
        for group in groups:
            changed = stand.run(dict.fromkeys(group, _reordered(order)))
            where = " and ".join(group)
            told = f"the channels of the input {where} are read as {_order(order)} instead of RGB"
            yield Trial("channels-swapped", told, _psnr(stand, changed))


def _reordered(order: Sequence[int]) -> Change:
    """Make a change that undoes an order of channels."""
    return lambda picture: picture[..., np.argsort(order)]


def _reordered_frames(stand: Stand, _output: Picture) -> Iterator[Trial]:
    """Bring the frames of a burst into another order: turned round, moved on by one, or another one the reference."""
    for name in stand.frames():
        first = list(range(stand.fed[name].shape[2]))
        orders = [first[::-1], [*first[1:], 0], [first[-1], *first[:-1]]]
        orders += [[other, *first[1:other], 0, *first[other + 1 :]] for other in first[1:]]
        for order in orders:
            changed = stand.run({name: _reordered(order)})
            told = (
                f"the frames of the input {name} are read in the order {' '.join(map(str, order))}, the reference is 0"
            )
            yield Trial("frames-reordered", told, _psnr(stand, changed))


def _shifted_output(stand: Stand, output: Picture) -> Iterator[Trial]:
    """Move the result by one pixel, and compare where both pictures are."""
    for y, x in SHIFTS:
        moved, still = _overlap(output, y, x), _overlap(stand.photo.expected, -y, -x)
        if moved.size:
            told = f"the picture is shifted by one pixel ({_direction(y, x)})"
            yield Trial("shifted", told, psnr_db(moved, still))


def _overlap(picture: Picture, y: int, x: int) -> Picture:
    """Cut off the first rows (`y` above 0) or the last ones, and columns likewise."""
    height, width = picture.shape[:2]
    return picture[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]


def _direction(y: int, x: int) -> str:
    """Say where a picture was moved to."""
    words = [{1: "down", -1: "up"}.get(y, ""), {1: "right", -1: "left"}.get(x, "")]
    return " and ".join(word for word in words if word)


def _shifted_input(stand: Stand, _output: Picture) -> Iterator[Trial]:
    """Move single inputs by one pixel; their edge is repeated."""
    for name in (*stand.inputs(), *stand.frames()):
        for y, x in SHIFTS:
            told = f"the input {name} is shifted by one pixel ({_direction(y, x)})"
            yield Trial("shifted", told, _psnr(stand, stand.run({name: _moved_back(y, x)})))


def _moved_back(y: int, x: int) -> Change:
    """Make a change that undoes a shift by y rows and x columns."""
    pads = ((max(-y, 0), max(y, 0)), (max(-x, 0), max(x, 0)), (0, 0))

    def move(picture: Picture) -> Picture:
        """Move against the shift."""
        padded = np.pad(picture, pads, mode="edge")
        top, left = max(y, 0), max(x, 0)
        return padded[top : top + picture.shape[0], left : left + picture.shape[1]]

    return move


def _ranged(stand: Stand, output: Picture) -> Iterator[Trial]:
    """Fit a gain and an offset per channel (least squares)."""
    fitted, factors = np.empty_like(output), []
    for channel in range(3):
        seen, meant = output[..., channel].astype(np.float64), stand.photo.expected[..., channel].astype(np.float64)
        spread = float(seen.var())
        gain = float(((seen - seen.mean()) * (meant - meant.mean())).mean() / spread) if spread > 0 else 1.0
        offset = float(meant.mean() - gain * seen.mean())
        fitted[..., channel] = gain * seen + offset
        factors.append(f"{'RGB'[channel]} x {gain:.3f} {offset:+.4f}")
    told = f"range: the result differs by a gain and an offset per channel ({', '.join(factors)} would undo it)"
    yield Trial("range", told, _psnr(stand, fitted.clip(0, 1)))


def _resized(stand: Stand, _output: Picture) -> Iterator[Trial]:
    """Squeeze the whole photograph in every known way, in place of the pipeline's."""
    fed = stand.fed.get(SQUEEZED)
    if fed is None:
        return
    own = resizing.recognized(fed, stand.pixels)
    for name, way in resizing.WAYS.items():
        if name == own:
            continue
        after = _psnr(stand, stand.run({SQUEEZED: _replaced(way(stand.pixels, len(fed)))}))
        told = f"the input {SQUEEZED} is resized with {own or 'no known rule'}; expected is {name}"
        yield Trial("resized", told, after)


def _replaced(new: Picture) -> Change:
    """Make a change that puts another picture in."""
    return lambda _picture: new
