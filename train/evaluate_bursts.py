"""Measure burst denoisers and the classical methods, and print the table.

``python -m viewfinder.train.evaluate_bursts --set NAME=DIR ... [--tune DIR] [--network MODEL[=WEIGHTS]] [-o FILE]``

Classical rows come from the recorded table; ``--tune DIR`` measures them again, with strengths tuned on photographs of
DIR, and ``-o`` records everything.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder import files, models
from viewfinder.errors import UsageError, ViewfinderError
from viewfinder.train import burst_benchmark as benchmark
from viewfinder.train.baselines import burst_denoising
from viewfinder.train.evaluate import named_folders
from viewfinder.train.scores import Scores

RECORDED = Path(__file__).parent / "weights" / "burst_baselines.json"
"""Classical rows, measured once."""

SCHEMA_VERSION = 1
SIDE_UNIT = 32
"""Networks get frames whose sides are multiples of this, continued by their mirror image."""


@dataclass
class Record:
    """Measured tables and what they rest on.

    Attributes:
        strengths: of the classical methods, tuned.
        tuned_on: names of the photographs.
        packages: versions of what computed them.
        sets: set name to gain to method to scores.
        motions: set name to gain to photograph to motion class.
    """

    strengths: benchmark.Strengths = field(default_factory=dict)
    tuned_on: list[str] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    sets: dict[str, benchmark.Table] = field(default_factory=dict)
    motions: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        sets = {
            name: {gain: {method: scores.to_dict() for method, scores in row.items()} for gain, row in table.items()}
            for name, table in self.sets.items()
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "definition": benchmark.DEFINITION,
            **{key: getattr(self, key) for key in ("strengths", "tuned_on", "packages", "motions")},
            "sets": sets,
        }


def read(path: Path = RECORDED) -> Record:
    """Read a record.

    Raises:
        UsageError: it is missing, damaged or of another version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"version {data['schema_version']}, this program reads {SCHEMA_VERSION}")  # noqa: TRY301
        sets = {
            name: {gain: {m: Scores.from_dict(s) for m, s in row.items()} for gain, row in table.items()}
            for name, table in data["sets"].items()
        }
        rest = {key: data[key] for key in ("strengths", "tuned_on", "packages", "motions")}
        return Record(sets=sets, **rest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "make it with python -m viewfinder.train.evaluate_bursts --tune DIR --set NAME=DIR -o FILE"
        raise UsageError(f"{path} is no table of burst denoisers: {error}", hint) from error


def measure_baselines(sets: Mapping[str, Path], tuning: Path) -> Record:
    """Tune the classical methods on photographs of `tuning` and measure them on the sets."""
    methods = burst_denoising.available()
    tuned_on = benchmark.tuning_pictures(tuning)
    if not tuned_on:
        raise UsageError(f"{tuning} has too few photographs", f"give at least {benchmark.TUNING_FIRST + 1}")
    strengths = benchmark.tune(tuned_on, methods)
    names = ("numpy", "scikit-image", *(("bm3d", "bm4d") if burst_denoising.has_bm3d() else ()))
    record = Record(strengths, [path.name for path in tuned_on], {name: version(name) for name in names})
    for name, folder in sets.items():
        paths = benchmark.pictures(folder)
        record.sets[name] = benchmark.measure(paths, {m: benchmark.baseline(m, strengths) for m in methods})
        record.motions[name] = benchmark.motions(paths)
    return record


def network(name: str) -> Callable[[int], benchmark.Denoiser]:
    """Return a burst network as a method; `name` is a model, or ``MODEL=WEIGHTS`` with a safetensors file.

    Raises:
        UsageError: no such model or weights, or a model without weights or of another kind.
    """
    from viewfinder.train import loading
    from viewfinder.train.burst_samples import BurstSample
    from viewfinder.train.trainers import burst

    model, _, weights = name.partition("=")
    task = models.load(model)
    file = Path(weights) if weights else task.weights_file()
    if task.trainer != "burst" or file is None:
        raise UsageError(f"{model} is no burst denoiser with weights", "name one as kpn-lite, or MODEL=WEIGHTS")
    built = task.build().eval()
    loading.load_into(built, file)

    def denoise(case: burst_denoising.Case) -> benchmark.Array:
        """Align, continue to whole units, run."""
        height, width = case.frames.shape[1:]
        around = ((0, 0), (0, -height % SIDE_UNIT), (0, -width % SIDE_UNIT))
        frames = np.pad(case.aligned, around, "reflect")
        return burst.denoise(built, BurstSample(frames, frames[0], case.level))[:height, :width]

    return lambda _: denoise


def markdown(record: Record) -> str:
    """Write one table per set: methods by gain, mean PSNR (steady / unsteady bursts apart)."""
    lines = [f"{benchmark.DEFINITION}.", ""]
    for name, table in record.sets.items():
        gains = list(table)
        count = max(len(scores.per_picture) for scores in table[gains[0]].values())
        lines += [f"{name}, {count} photographs: mean (steady, unsteady)", ""]
        lines += [f"| method | {' | '.join(f'gain {gain}' for gain in gains)} |", "|---" * (len(gains) + 1) + "|"]
        for method in table[gains[0]]:
            cells = [_cell(table[gain][method], record.motions.get(name, {}).get(gain, {})) for gain in gains]
            measured = min(len(table[gain][method].per_picture) for gain in gains)
            part = "" if measured == count else f", {measured} of {count} photographs"
            lines.append(f"| {burst_denoising.METHODS.get(method, method)}{part} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(scores: Scores, motions: Mapping[str, str]) -> str:
    """Write the mean, and the means of the motion classes."""
    parts = []
    for wanted in ("steady", "unsteady"):
        values = [value for name, value in scores.per_picture.items() if motions.get(name) == wanted]
        parts.append(f"{np.mean(values):.2f}" if values else "-")
    return f"{scores.mean_db:.2f} ({parts[0]}, {parts[1]})"


def evaluate(
    sets: Mapping[str, Path], networks: Sequence[str], tuning: Path | None, recorded: Path = RECORDED
) -> Record:
    """Put networks beside the classical methods, which are measured again if `tuning` is given.

    Raises:
        UsageError: a set that the recorded table does not have; what `network` and `read` raise.
    """
    record = measure_baselines(sets, tuning) if tuning else read(recorded)
    record.sets = {name: table for name, table in record.sets.items() if name in sets}
    for name in sets:
        if name not in record.sets:
            raise UsageError(f"{recorded} has no set {name!r}", "measure its classical rows with --tune DIR")
    methods = {name.partition("=")[0]: network(name) for name in networks}
    for name, folder in sets.items():
        for gain, row in (benchmark.measure(benchmark.pictures(folder), methods) if methods else {}).items():
            record.sets[name][gain].update(row)
    return record


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m viewfinder.train.evaluate_bursts", description=__doc__)
    parser.add_argument("--set", action="append", required=True, metavar="NAME=DIR", dest="sets")
    parser.add_argument("--network", action="append", default=[], metavar="MODEL[=WEIGHTS]", dest="networks")
    parser.add_argument("--tune", type=Path, metavar="DIR", help="training photographs; measures the classical rows")
    parser.add_argument("--baselines", type=Path, default=RECORDED, help="recorded table")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="record everything here, as JSON")
    given = parser.parse_args(words)
    try:
        record = evaluate(named_folders(given.sets), given.networks, given.tune, given.baselines)
        if given.output:
            files.write_text(given.output, json.dumps(record.to_dict(), indent=1) + "\n")
    except ViewfinderError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(markdown(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
