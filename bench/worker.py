"""The measurements that run graphs: each call of this module is one process and prints one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder import artifact
from viewfinder.runtime import engines, pipelines
from viewfinder.runtime.pipelines import lanes
from viewfinder.runtime.pipelines.bilateral_grid import column_passes, hat_weights, positions

SIZES = {"1080p": (1080, 1920), "12 MP": (3000, 4000)}
GRID = (1, 96, 16, 16)
REPEATS = 15
ROUNDS = 10
MB = 1e6


def photograph(height: int, width: int) -> Any:
    """Return a photograph of the package as uint8 ``[height, width, 3]``."""
    from PIL import Image

    from viewfinder import demo

    with Image.open(demo.photos()[0]) as image:
        return np.asarray(image.convert("RGB").resize((width, height)))


def memory_mb(key: str) -> float:
    """Read VmRSS or VmHWM of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024 / MB
    raise SystemExit(f"this system does not tell {key}")


def reset_peak() -> None:
    """Let VmHWM begin again at what is used now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def best_ms(call: Callable[[], Any]) -> float:
    """Time `call` after one warm-up; return the best of `REPEATS`: what else runs on the machine only adds."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def best_in_turn_ms(calls: Mapping[str, Callable[[], Any]], often: Mapping[str, int]) -> dict[str, float]:
    """Time several calls in turn, `ROUNDS` times, those in `often` more than once a round; return the best of each.

    Neighbours on a shared machine slow it down for minutes: what is compared has to be timed in the same minutes.
    """
    for call in calls.values():
        call()
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            for _ in range(often.get(name, 1)):
                start = time.perf_counter()
                call()
                best[name] = min(best[name], (time.perf_counter() - start) * 1e3)
    return best


def strips(folder: str, engine: str, threads: int, size: str) -> Callable[[], Any]:
    """Return the slice stage of an artifact over a whole picture: guide, slice and apply, strip by strip.

    The strips are cut before, as the plain form's picture is made before: what is timed are the calls of the engine
    with the copies that it makes itself. `whole_photo` times everything.
    """
    made = artifact.load(Path(folder))
    graph = next(graph for graph in made.graphs if graph.name == "strip")
    runners = lanes.of(pipelines.open_graph(made, graph, engines.load(engine), threads))
    height, width = SIZES[size]
    rows = int(made.parameters["strip_rows"])
    grid = np.random.default_rng(0).normal(0, 1, graph.inputs[0].shape).astype(np.float32)
    columns = column_passes(width, _sizes(made))[0].weights
    padding = -height % rows
    weights = np.pad(hat_weights(positions(height, 16), 16), ((0, padding), (0, 0)))
    photo = np.pad(photograph(height, width), ((0, padding), (0, 0), (0, 0))).transpose(2, 0, 1)[None] / np.float32(255)
    cut = [slice(top, top + rows) for top in range(0, height, rows)]
    inputs: list[dict[str, Any]] = [
        {"grid": grid, "row_weights": weights[part], "column_weights": columns, "image": photo[:, :, part].copy()}
        for part in cut
    ]

    def all_strips() -> None:
        for _ in lanes.in_order(runners, inputs):
            pass

    return all_strips


def _sizes(made: artifact.Artifact) -> Any:
    """Return the sizes that the pipeline reads from the manifest."""
    from viewfinder.runtime.pipelines import bilateral_grid

    return bilateral_grid._sizes(made)  # noqa: SLF001 the same reading of the manifest as the pipeline's


def plain(path: str) -> Callable[[], Any]:
    """Return the plain form, 5-D GridSample on the whole picture, in ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    height, width = SIZES["1080p"]
    image = photograph(height, width).transpose(2, 0, 1)[None].astype(np.float32) / 255
    inputs = {"grid": np.random.default_rng(0).normal(0, 1, GRID).astype(np.float32), "image": image}
    return lambda: session.run(None, inputs)


def growth_mb(call: Callable[[], Any]) -> dict[str, float]:
    """Measure how far the memory grows while `call` runs the first three times."""
    reset_peak()
    before = memory_mb("VmRSS")
    for _ in range(3):
        call()
    return {"growth_mb": memory_mb("VmHWM") - before}


def slice_growth(folder: str, engine: str) -> dict[str, float]:
    """Measure the growth of the slice stage."""
    return growth_mb(strips(folder, engine, 1, "1080p"))


def plain_growth(path: str) -> dict[str, float]:
    """Measure the growth of the plain form."""
    return growth_mb(plain(path))


def slice_race(path: str, folder: str, engine: str) -> dict[str, float]:
    """Time the plain form and the slice stage at 1080p in turn, one thread each."""
    return best_in_turn_ms({"plain": plain(path), "strips": strips(folder, engine, 1, "1080p")}, {"strips": 5})


def thread_race(folder: str, engine: str) -> dict[str, float]:
    """Time the slice stage at 1080p on one thread and on two in turn."""
    calls = {name: strips(folder, engine, count, "1080p") for name, count in (("one", 1), ("two", 2))}
    return best_in_turn_ms(calls, {"one": 2, "two": 2})


def whole_photo(folder: str, engine: str, threads: int, size: str) -> dict[str, float]:
    """Run a whole photograph, 8 bit in and 8 bit out; measure time, and memory beyond the two pictures."""
    made = artifact.load(Path(folder))
    runner = pipelines.open(made, engine, threads)
    photo = photograph(*SIZES[size])
    runner.process(photo[:64])
    reset_peak()
    before = memory_mb("VmRSS")
    milliseconds = best_ms(lambda: runner.process(photo))
    return {"ms": milliseconds, "growth_mb": memory_mb("VmHWM") - before - photo.nbytes / MB}


CASES: dict[str, Callable[..., dict[str, float]]] = {
    "slice_growth": slice_growth,
    "plain_growth": plain_growth,
    "slice_race": slice_race,
    "thread_race": thread_race,
    "whole_photo": whole_photo,
}


def main() -> None:
    """Run the case that the only argument describes."""
    parameters = json.loads(sys.argv[1])
    result = CASES[parameters.pop("case")](**parameters)
    sys.stdout.write(f"\n{json.dumps(result)}\n")


if __name__ == "__main__":
    main()
