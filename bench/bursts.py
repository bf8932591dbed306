"""``python -m bench.bursts``: bursts of 12 megapixels through ``viewfinder run``, in each way that a burst is given.

A photograph of the package, enlarged to 4000 x 3000 pixels, in 8 frames that lie up to 20 pixels apart, with the noise
of gain 4: as a folder of 8-bit PNG files, as one DNG, as an ``.npz`` of mosaics and as one of float RGB. Each run is a
process of its own, one thread, LiteRT. Exits 1 where one needs more memory than `MOST_MB`. Needs ``viewfinder[all]``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, Table, context
from bench.worker import MB, SIZES, memory_mb

FRAMES, GAIN, REACH, MOST_MB = 8, 4, 20, 2000.0
BLACK, WHITE = 600, 15_520


def frames() -> Iterator[NDArray[np.float32]]:
    """Yield the frames, ``[H, W, 3]`` in linear light."""
    from PIL import Image

    from viewfinder import demo, light
    from viewfinder.train.camera import noise

    (height, width), rng = SIZES["12 MP"], np.random.default_rng(0)
    with Image.open(demo.photos()[1]) as opened:
        large = opened.convert("RGB").resize((width + 2 * REACH, height + 2 * REACH), Image.Resampling.LANCZOS)
    scene = light.to_linear(np.asarray(large, np.float32) / 255)
    for number in range(FRAMES):
        top, left = rng.integers(0, 2 * REACH + 1, 2) if number else (REACH, REACH)
        yield noise.add(scene[top : top + height, left : left + width], noise.GAINS[GAIN], rng)


def mosaics() -> Iterator[NDArray[np.uint16]]:
    """Yield the frames as an RGGB sensor counts them, ``[H, W]``."""
    from viewfinder.train.camera import mosaic

    for frame in frames():
        codes = mosaic.unpack(mosaic.mosaic(frame)) * (WHITE - BLACK) + BLACK
        yield np.rint(codes).clip(0, 65535).astype(np.uint16)


def as_pictures(folder: Path) -> Path:
    """Write 8-bit PNG files."""
    from viewfinder import light, photos
    from viewfinder.photos import Photo

    for number, frame in enumerate(frames()):
        photos.write(folder / "png" / f"{number}.png", Photo(np.rint(light.to_display(frame) * 255).astype(np.uint8)))
    return folder / "png"


def as_raw(folder: Path) -> Path:
    """Write one DNG."""
    from tests.raw import dng

    return dng.write(folder / "burst.dng", mosaics())


def as_mosaics(folder: Path) -> Path:
    """Write an archive of the sensor's codes."""
    codes = np.stack(list(mosaics()))
    levels: dict[str, Any] = {"black": BLACK, "white": WHITE, "white_balance": (2.0, 1.0, 1.5)}
    np.savez(folder / "mosaics.npz", frames=codes, pattern=np.array("RGGB"), **levels)
    return folder / "mosaics.npz"


def as_light(folder: Path) -> Path:
    """Write an archive of float32 RGB."""
    np.savez(folder / "light.npz", frames=np.stack(list(frames())))
    return folder / "light.npz"


WAYS: dict[str, Callable[[Path], Path]] = {
    "png": as_pictures,
    "dng": as_raw,
    "npz": as_mosaics,
    "npz-float": as_light,
}


def merged(model: str, burst: Path) -> dict[str, float]:
    """Run one burst with what the command line runs; return seconds, processor seconds and the most megabytes."""
    from viewfinder.cli import main as viewfinder

    start = time.perf_counter()
    code = viewfinder(["run", model, str(burst), "-o", str(burst.with_suffix(".out.png")), "--gain", str(GAIN)])
    if code:
        raise SystemExit(f"viewfinder run {model} {burst} ended with {code}")
    return {"s": time.perf_counter() - start, "cpu_s": time.process_time(), "mb": memory_mb("VmHWM")}


def prepared(burst: Path) -> dict[str, float]:
    """Do natively what comes before the network; return processor seconds of each step, all planes together."""
    from viewfinder.bursts import preparation, reading
    from viewfinder.train.camera import noise

    level, spent = noise.GAINS[GAIN], dict.fromkeys(("read", "align", "lay over the reference", "merge"), 0.0)

    def counted(step: str, call: Callable[[], Any]) -> Any:
        """Add what a call takes to its step."""
        start = time.process_time()
        result = call()
        spent[step] += time.process_time() - start
        return result

    frames = counted("read", lambda: reading.read(burst, reading.Known(level)))
    moved = counted("align", lambda: preparation.motions(frames, level))
    for number in range(frames.planes):
        codes = counted("read", partial(frames.plane, number))
        plane = counted("lay over the reference", partial(preparation.Plane, codes, level, moved))
        counted("merge", partial(getattr, plane, "merged"))
    return spent


def alone(call: Callable[[], Any]) -> Any:
    """Call in a new process, whose memory is its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(call).result()


def measured(model: str, name: str, way: str, folder: Path) -> list[Figure]:
    """Make a burst and run it."""
    burst = alone(partial(WAYS[way], folder))
    steps = alone(partial(prepared, burst))
    found = alone(partial(merged, model, burst))
    how = f"{found['cpu_s']:.0f} s of CPU, LiteRT, 1 thread, reading and writing included"
    what = f"12 MP burst of {FRAMES} as {way} through {name}"
    return [
        *(Figure(f"{what}: {name}", seconds, "s", how="of CPU, NumPy") for name, seconds in steps.items()),
        Figure(what, found["s"], "s", how=how),
        Figure(
            f"{what}: memory", found["mb"], "MB", at_most=MOST_MB, how=f"peak RSS of the process, in {MB:.0e} bytes"
        ),
    ]


def main() -> int:
    """Measure; print the table; exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.bursts", description=main.__doc__)
    parser.add_argument("--model", default="kpn-lite", help="a burst network's name")
    parser.add_argument("--way", action="append", choices=WAYS, help="how the burst is given; may be repeated")
    arguments = parser.parse_args()
    facts, figures = context(), []
    with tempfile.TemporaryDirectory(prefix="viewfinder-bursts-") as work:
        place = Path(work)
        export = ["export", arguments.model, "--format", "tflite", "--no-golden", "--output", str(place / "export")]
        subprocess.run([sys.executable, "-m", "viewfinder", *export], check=True, stdout=subprocess.DEVNULL)
        for way in arguments.way or WAYS:
            figures += measured(str(place / "export/tflite-float"), arguments.model, way, place)
    table = Table(tuple(figures), facts)
    sys.stdout.write(table.markdown())
    return 1 if any(figure.holds is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
