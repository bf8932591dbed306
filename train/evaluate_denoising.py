"""Measure single-picture denoisers on photographs with white noise, beside BM3D and the published table; write a card.

``python -m viewfinder.train.evaluate_denoising --set Set12=DIR ... [--network dncnn[=FILE]] [--bm3d] [-o FILE]``
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import files, models, photos
from viewfinder.errors import UsageError, ViewfinderError
from viewfinder.train import cards, overlap
from viewfinder.train.baselines import burst_denoising
from viewfinder.train.evaluate import SOURCES, named_folders
from viewfinder.train.scores import Scores, psnr_db
from viewfinder.train.trainers.denoising import planes_of

Array = NDArray[np.float32]
Denoiser = Callable[[Array, float], Array]
"""Makes a picture ``[H, W, planes]`` of a noisy one and its deviation (white 1)."""

SEED, SIGMAS = 15_2550, (15, 25, 50)

DEFINITION = (
    "PSNR in dB, peak 1, display-referred, output clipped to 0..1, no crop, mean over pictures; white Gaussian noise "
    "of the given deviation in 8-bit codes, neither clipped nor rounded"
)

PUBLISHED: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "BSD68": {
        "BM3D": (31.07, 28.57, 25.62),
        "DnCNN-S": (31.73, 29.23, 26.23),
        "DnCNN-B": (31.61, 29.16, 26.23),
    },
    "Set12": {"DnCNN-S": (32.859, 30.436, 27.178), "DnCNN-B": (32.680, 30.362, 27.206)},
    "CBSD68": {"CBM3D": (33.52, 30.71, 27.38), "CDnCNN-B": (33.89, 31.23, 27.92)},
}
"""Mean PSNR at sigma 15, 25, 50 as others print it: cszn/DnCNN's README (BSD68), SaoYan/DnCNN-PyTorch's (Set12), the
table in cszn/FFDNet (CBSD68)."""


@dataclass(frozen=True)
class Evaluation:
    """What to measure.

    Attributes:
        sets: name to folder.
        network: model, or ``MODEL=WEIGHTS``; "" for none.
        with_bm3d: measure BM3D too (seconds per picture).
        every: measure every so many pictures of a set, sorted by name, from the first one on.
        sigmas: deviations in 8-bit codes.
        planes: 1 for grey, 3 for colour, where no network says it.
        training: photographs that were trained on, to say how far the sets are from them.
    """

    sets: Mapping[str, Path]
    network: str = ""
    with_bm3d: bool = False
    every: int = 1
    sigmas: tuple[int, ...] = SIGMAS
    planes: int = 1
    training: tuple[Path, ...] = ()


def noisy(photo: Path, planes: int, sigma: int) -> tuple[Array, Array]:
    """Return a photograph ``[H, W, planes]`` in 0..1 with its noise, always the same one, and without."""
    clean = planes_of(_eight_bits(photos.read(photo).pixels), planes)
    rng = np.random.default_rng((SEED, sigma, zlib.crc32(photo.stem.encode())))
    return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(sigma / 255), clean


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return 8-bit pixels of 8- or 16-bit ones."""
    return pixels if pixels.dtype == np.uint8 else (pixels // 257).astype(np.uint8)


def load(name: str) -> tuple[Denoiser, int, Path]:
    """Return a network as a denoiser, its number of planes, and its weights file; `name` is MODEL or MODEL=FILE.

    Raises:
        UsageError: no such model or weights, or a model of another kind.
    """
    import torch

    from viewfinder.train import loading

    model, _, given = name.partition("=")
    task = models.load(model)
    file = Path(given) if given else task.weights_file()
    if task.trainer != "denoising" or file is None:
        raise UsageError(f"{model} is no single-picture denoiser with weights", "name one as dncnn, or MODEL=WEIGHTS")
    network = task.build().eval()
    loading.load_into(network, file)

    def denoise(picture: Array, _: float) -> Array:
        """Run the network on the whole picture."""
        with torch.no_grad():
            shown = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
            result = network(shown.to(memory_format=torch.channels_last))[0]
        made: Array = result.permute(1, 2, 0).numpy()
        return made

    return denoise, int(network.planes), file


def measure(evaluation: Evaluation) -> dict[str, dict[str, Scores]]:
    """Return scores by ``SET, sigma N`` and method."""
    methods: dict[str, Denoiser] = {"noisy": lambda picture, _: picture}
    planes = evaluation.planes
    if evaluation.network:
        methods["network"], planes, _ = load(evaluation.network)
    if evaluation.with_bm3d:
        methods["bm3d"] = burst_denoising.bm3d
    table = {}
    for name, folder in evaluation.sets.items():
        paths = photos.find([folder])[:: evaluation.every]
        for sigma in evaluation.sigmas:
            found: dict[str, dict[str, float]] = {method: {} for method in methods}
            for path in paths:
                spoilt, clean = noisy(path, planes, sigma)
                for method, denoise in methods.items():
                    found[method][path.stem] = psnr_db(np.clip(denoise(spoilt, sigma / 255), 0, 1), clean)
            table[f"{name}, sigma {sigma}"] = {method: Scores.of(values) for method, values in found.items()}
    return table


def published(sets: Sequence[str]) -> tuple[str, ...]:
    """Write the published numbers of the sets as sentences."""
    sentences = []
    for name in sets:
        for method, values in PUBLISHED.get(name, {}).items():
            numbers = " / ".join(f"{value:.2f}" for value in values)
            sentences.append(f"Published, {name}, whole set, sigma 15 / 25 / 50: {method} {numbers}.")
    return tuple(sentences)


def against_bm3d(table: Mapping[str, Mapping[str, Scores]]) -> tuple[str, ...]:
    """Say for every column with both whether the network is above BM3D."""
    sentences = []
    for column, row in table.items():
        if "network" in row and "bm3d" in row:
            gap = row["network"].mean_db - row["bm3d"].mean_db
            verdict = "above" if gap > 0 else "below"
            sentences.append(f"{column}: {abs(gap):.2f} dB {verdict} BM3D, on {len(row['bm3d'].per_picture)} pictures.")
    return tuple(sentences)


def card(evaluation: Evaluation, run: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> cards.Card:
    """Measure a network and fill its card; `known` scores (column, method) are taken over, if for the same pictures."""
    table = measure(evaluation)
    for column, row in known.items():
        for method, data in row.items():
            scores = Scores.from_dict(data)
            if column in table and set(scores.per_picture) == set(table[column]["network"].per_picture):
                table[column].setdefault(method, scores)
    model = evaluation.network.partition("=")[0]
    _, _, file = load(evaluation.network)
    used = {"BSD432", "CID22"}
    return cards.Card(
        model=model,
        weights=file.stem,
        operator="",
        parameters=models.load(model).parameter_count or 0,
        weights_sha256=files.sha256(file),
        sources=tuple(source for source in json.loads(SOURCES.read_text()) if source["name"] in used),
        run=run,
        scores=table,
        notes=(*against_bm3d(table), *published(list(evaluation.sets))),
        definition=DEFINITION,
        held_out=overlap.held_out(evaluation.sets, evaluation.training),
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m viewfinder.train.evaluate_denoising", description=__doc__)
    parser.add_argument("--set", action="append", required=True, metavar="NAME=DIR", dest="sets")
    parser.add_argument("--network", default="", metavar="MODEL[=WEIGHTS]")
    parser.add_argument("--bm3d", action="store_true", help="measure BM3D too (pip install bm3d)")
    parser.add_argument("--planes", type=int, choices=(1, 3), default=1, help="grey or colour, where no network says")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="measure every N-th picture")
    parser.add_argument("--sigma", type=int, nargs="+", default=list(SIGMAS), metavar="N")
    parser.add_argument("--known", type=Path, help="JSON of scores measured earlier, as -o writes it without --network")
    parser.add_argument("--run", type=Path, help="run.json of the training")
    parser.add_argument("--training", action="append", type=Path, default=[], help="photographs that were trained on")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="card (NAME.card.json), or scores alone")
    given = parser.parse_args(words)
    try:
        sets = named_folders(given.sets)
        asked = Evaluation(
            sets,
            given.network,
            given.bm3d,
            max(1, given.every),
            tuple(given.sigma),
            given.planes,
            training=tuple(given.training),
        )
        run, known = (json.loads(path.read_text()) if path else {} for path in (given.run, given.known))
        text = _carded(asked, run, known, given.output) if asked.network else _scored(asked, given.output)
    except ViewfinderError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(text)
    return 0


def _carded(asked: Evaluation, run: Mapping[str, Any], known: Mapping[str, Any], output: Path | None) -> str:
    """Measure a network; returns its card as text."""
    made = card(asked, run, known)
    if output is not None:
        cards.write(made, output)
    return cards.markdown(made)


def _scored(asked: Evaluation, output: Path | None) -> str:
    """Measure what needs no network; returns one line per column and method."""
    table = measure(asked)
    if output is not None:
        data = {column: {name: scores.to_dict() for name, scores in row.items()} for column, row in table.items()}
        files.write_text(output, json.dumps(data, indent=1) + "\n")
    return "".join(f"{c}: {name} {scores.mean_db:.2f}\n" for c, row in table.items() for name, scores in row.items())


if __name__ == "__main__":
    sys.exit(main())
