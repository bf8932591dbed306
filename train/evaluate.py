"""Measure weights and the baselines on folders of photographs, and write the model card.

``python -m viewfinder.train.evaluate WEIGHTS --model M --operator X --set NAME=DIR ... -o NAME.card.json``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder import files, models, photos
from viewfinder.errors import UsageError, ViewfinderError
from viewfinder.train import cards, loading, operators, overlap, pairs, scores
from viewfinder.train.baselines import global_fit
from viewfinder.train.operators.pyramid import Array

SOURCES = Path(__file__).parent / "weights" / "sources.json"


@dataclass(frozen=True)
class Evaluation:
    """What to measure.

    Attributes:
        weights: safetensors file.
        model: shipped name, or ``path/to/file.py:TASK``.
        operator: that the weights imitate.
        sets: name to folder of photographs to measure on.
        training: photographs that were trained on: to check that the sets hold none of them.
        pairs: folder of the training pairs, for the global baselines; None leaves them out unless `known` has them.
        known: baseline scores from an earlier run, operator to set to method, that are not measured again.
        run: what ``run.json`` of the training says.
    """

    weights: Path
    model: str
    operator: str
    sets: Mapping[str, Path]
    training: tuple[Path, ...] = ()
    pairs: Path | None = None
    known: Mapping[str, Any] | None = None
    run: Mapping[str, Any] | None = None


def network_method(model: str, weights: Path) -> tuple[scores.Method, int]:
    """Return the network as a method on pictures, and the number of its parameters."""
    import torch

    network = models.load(model).build().eval()
    loading.load_into(network, weights)
    side = models.load(model).inputs[0].shape[-1]

    def enhance(image: Array) -> Array:
        """Run the network on ``[H, W, 3]`` in 0..1 as `viewfinder run` does."""
        lowres = photos.squeeze(image, side)
        with torch.no_grad():
            tensors = [torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None] for x in (lowres, image)]
            result: Array = network(*tensors).clamp(0, 1)[0].permute(1, 2, 0).numpy()
        return result

    return enhance, sum(parameter.numel() for parameter in network.parameters())


def baseline_methods(evaluation: Evaluation) -> dict[str, scores.Method]:
    """Return the classical methods by name; the global ones are fitted here."""
    methods = scores.oracles(operators.load(evaluation.operator))
    if evaluation.pairs is not None:
        methods.update(global_fit.fit_globals(pairs.PairStore(evaluation.pairs)))
    return methods


def evaluate(evaluation: Evaluation) -> cards.Card:
    """Measure everything and fill the card.

    Raises:
        UsageError: no such model, weights, operator or folder; weights that do not fit.
    """
    network, parameters = network_method(evaluation.model, evaluation.weights)
    operator, found = operators.load(evaluation.operator), {}
    known = (evaluation.known or {}).get(evaluation.operator, {})
    baselines: dict[str, scores.Method] | None = None
    for name, folder in evaluation.sets.items():
        pictures = photos.find([folder])
        measured = scores.measure({"network": network}, operator, pictures)
        if name in known:
            earlier = {method: scores.Scores.from_dict(data) for method, data in known[name].items()}
            found[name] = measured | earlier
            continue
        baselines = baselines or baseline_methods(evaluation)
        found[name] = measured | scores.measure(baselines, operator, pictures)
    return cards.Card(
        model=models.load(evaluation.model).name,
        weights=evaluation.weights.stem,
        operator=evaluation.operator,
        parameters=parameters,
        weights_sha256=files.sha256(evaluation.weights),
        sources=tuple(json.loads(SOURCES.read_text())) if evaluation.training else (),
        run=evaluation.run or {},
        scores=found,
        held_out=overlap.held_out(evaluation.sets, evaluation.training),
    )


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m viewfinder.train.evaluate", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--operator", required=True)
    parser.add_argument("--set", action="append", required=True, metavar="NAME=DIR", dest="sets")
    parser.add_argument("--training", action="append", type=Path, default=[], help="photographs that were trained on")
    parser.add_argument("--pairs", type=Path, help="folder of the training pairs, for the global baselines")
    parser.add_argument("--baselines", type=Path, help="JSON of baseline scores measured earlier")
    parser.add_argument("--run", type=Path, help="run.json of the training")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="NAME.card.json")
    return parser.parse_args(words)


def named_folders(words: Sequence[str]) -> dict[str, Path]:
    """Read ``NAME=DIR`` words."""
    for word in words:
        if "=" not in word:
            raise UsageError(f"--set {word} has no name", "write --set NAME=DIR")
    return {name: Path(folder) for name, _, folder in (word.partition("=") for word in words)}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = _arguments(words)
    try:
        evaluation = Evaluation(
            given.weights,
            given.model,
            given.operator,
            named_folders(given.sets),
            tuple(given.training),
            given.pairs,
            given.baselines and json.loads(given.baselines.read_text()),
            given.run and json.loads(given.run.read_text()),
        )
        card = evaluate(evaluation)
        cards.write(card, given.output)
    except ViewfinderError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    sys.stdout.write(cards.markdown(card))
    return 0


if __name__ == "__main__":
    sys.exit(main())
