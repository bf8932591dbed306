"""Measure everything and write the table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import baseline, process
from bench.figures import Figure, Table, context

MODEL = "hdrnet"
LUMA_ALONE = f"{Path(__file__).parent / 'luma_alone.py'}:TASK"
STAGES = {"slice form": LUMA_ALONE, "hdrnet-luma strips": "hdrnet-luma", "hdrnet strips": "hdrnet"}
"""What is compared with 5-D GridSample, with the same guide on both sides: one channel of luma, luma's 10 trained
channels, the 10 that the paper's 48 come to. No form of slicing makes a guide cheaper."""

UNBOUND = {"hdrnet-luma strips"}
"""Measured for information: its strips take as long as hdrnet's, but the plain form of its guide is cheaper."""

ENGINES = {"tflite": "litert", "onnx": "onnxruntime", "executorch": "executorch"}


def start_up() -> list[Figure]:
    """CPU time of the help."""
    seconds = min(process.command(["-m", "viewfinder", "--help"]).cpu_s for _ in range(5))
    return [Figure("CPU time of `viewfinder --help`", seconds, "s", at_most=0.3, how="best of 5")]


def builds(folder: Path) -> list[Figure]:
    """Cold and warm build of every format."""
    environment = {"VIEWFINDER_CACHE": str(folder / "cache")}
    arguments = ["-m", "viewfinder", "build", MODEL, "--output", str(folder / "build")]
    cold, warm = process.command(arguments, environment), process.command(arguments, environment)
    return [
        Figure(f"cold `build {MODEL}`", cold.wall_s, "s", at_most=240, how=f"{cold.cpu_s:.0f} s of CPU, empty cache"),
        Figure(f"warm `build {MODEL}`", warm.wall_s, "s", at_most=10, how=f"{warm.cpu_s:.0f} s of CPU, from the cache"),
    ]


def slicing(folder: Path) -> list[Figure]:
    """The chosen slice form against 5-D GridSample at 1080p, with each guide."""
    figures = []
    for stage, model in STAGES.items():
        place = folder / stage.replace(" ", "-")
        place.mkdir()
        baseline.write(model, place / "gridsample.onnx")
        formats = [word for name in ENGINES for word in ("--format", name)]
        process.command(
            ["-m", "viewfinder", "export", model, *formats, "--no-golden", "--output", str(place / "export")]
        )
        plain = str(place / "gridsample.onnx")
        growth = process.worker("plain_growth", path=plain)["growth_mb"]
        for name, engine in ENGINES.items():
            figures += _against((plain, growth), stage, str(place / f"export/{name}-float"), engine)
    return figures


def _against(plain: tuple[str, float], stage: str, folder: str, engine: str) -> list[Figure]:
    """Compare one stage in one engine with the plain form; in LiteRT also two threads with one."""
    path, plain_growth = plain
    race = process.worker("slice_race", path=path, folder=folder, engine=engine)
    growth = process.worker("slice_growth", folder=folder, engine=engine)["growth_mb"]
    name = f"1080p {stage} in {engine}"
    how = f"GridSample in onnxruntime {race['plain']:.0f} ms, strips {race['strips']:.1f} ms; 1 thread, in turn, best"
    how_grown = f"peak RSS beyond pictures and model; GridSample {plain_growth:.0f} MB"
    times, gain = (None, None) if stage in UNBOUND else (20, 1.5)
    figures = [
        Figure(f"{name}: times faster", race["plain"] / race["strips"], "x", at_least=times, how=how),
        Figure(f"{name}: growth", growth, "MB", at_most=60, how=how_grown),
    ]
    if engine == "litert":
        threads = process.worker("thread_race", folder=folder, engine=engine)
        how = f"{threads['one']:.1f} ms on one thread, {threads['two']:.1f} ms on two; in turn, best"
        figures.append(Figure(f"{name}: two threads", threads["one"] / threads["two"], "x", at_least=gain, how=how))
    return figures


def photographs(folder: Path) -> list[Figure]:
    """Whole photographs, 8 bit in and out: time for information, memory with its bound at 12 MP."""
    figures = []
    for name, engine in ENGINES.items():
        where = {"folder": str(folder / f"build/export/{name}-float"), "engine": engine, "threads": 1}
        small = process.worker("whole_photo", size="1080p", **where)
        large = process.worker("whole_photo", size="12 MP", **where)
        figures += [
            Figure(
                f"1080p photograph in {engine}", small["ms"] / 1e3, "s", how="8 bit in and out, 1 thread, best of 15"
            ),
            Figure(
                f"12 MP photograph in {engine}", large["ms"] / 1e3, "s", how="8 bit in and out, 1 thread, best of 15"
            ),
            Figure(
                f"12 MP photograph in {engine}: growth beyond the pictures",
                large["growth_mb"],
                "MB",
                at_most=100,
                how="peak RSS less input and output",
            ),
        ]
    return figures


def main() -> int:
    """Measure, write, print; exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="folder for bench.md and bench.json")
    folder = parser.parse_args().output
    facts = context()
    with tempfile.TemporaryDirectory(prefix="viewfinder-bench-") as work:
        place = Path(work)
        figures = [*start_up(), *builds(place), *slicing(place), *photographs(place)]
    table = Table(tuple(figures), facts)
    table.write(folder)
    sys.stdout.write(table.markdown())
    return 1 if any(figure.holds is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
