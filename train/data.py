"""Where training pairs come from: photographs and an operator, or two folders; kept in the user's cache.

The cache key holds the content of every picture, the operator's source and the settings: what changed is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder import files, photos
from viewfinder.train import operators, pairs
from viewfinder.train.pairs import Array, PairStore

FORMAT = 2
"""Version of the stores and of the code that makes variants; another number makes every store again."""

_Source = Callable[[], Iterator[tuple[NDArray[np.uint8], Array]]]


@dataclass(frozen=True)
class TrainingData:
    """Pairs for training and for validation.

    Attributes:
        record: what went in, as JSON data: numbers of photographs, names of the validation ones, settings, key.
    """

    training: PairStore
    validation: PairStore
    record: dict[str, Any]


def _store(key: Sequence[Any], source: _Source) -> tuple[PairStore, str]:
    """Open the store with this key, making it first if it is not there; returns it with its key's hash."""
    return _stored(key, lambda folder: pairs.write(source(), folder))


def _stored(key: Sequence[Any], make: Callable[[Path], PairStore]) -> tuple[PairStore, str]:
    """Open the store with this key, or have it made in its folder."""
    digest = hashlib.sha256(json.dumps([FORMAT, *key]).encode()).hexdigest()[:24]
    folder = files.cache_folder("pairs", digest)
    return (PairStore(folder) if (folder / "index.json").exists() else make(folder)), digest


def _named_hashes(paths: Sequence[Path]) -> list[list[str]]:
    """List names and content hashes: the variants of a photograph depend on both."""
    return [[path.name, files.sha256(path)] for path in paths]


def from_photos(sources: Sequence[Path], operator: str, variants: int, seed: int) -> TrainingData:
    """Let an operator make the targets.

    Args:
        sources: photographs and folders of them.
        operator: a shipped name, or ``path/to/file.py``.
        variants: versions of each photograph in the training store, the first one as it is, the others with changed
            exposure, colour and gamma; validation photographs stay as they are.
        seed: of the changes.
    """
    apply, code = operators.load(operator), operators.digest(operator)
    training, validation = pairs.split(photos.find(sources))

    def store(chosen: Sequence[Path], count: int) -> tuple[PairStore, str]:
        """Make or open the store of some photographs."""
        key = ["photos", code, count, seed, _named_hashes(chosen)]
        return _store(key, lambda: pairs.imitate(chosen, apply, count, seed))

    (training_store, key), (validation_store, _) = store(training, variants), store(validation, 1)
    record = _record(training, validation, key) | {"operator": operator, "variants": variants}
    return TrainingData(training_store, validation_store, record)


def from_clean(sources: Sequence[Path]) -> TrainingData:
    """Keep photographs as they are, for trainers that spoil them themselves; the targets are empty."""
    training, validation = pairs.split(photos.find(sources))

    def store(chosen: Sequence[Path]) -> tuple[PairStore, str]:
        """Make or open the store of some photographs."""
        return _stored(["clean", _named_hashes(chosen)], lambda folder: pairs.write_clean(chosen, folder))

    (training_store, key), (validation_store, _) = store(training), store(validation)
    return TrainingData(training_store, validation_store, _record(training, validation, key))


def from_folders(inputs: Path, targets: Path) -> TrainingData:
    """Read pictures and their targets from two folders, matched by file name."""
    matched = dict(pairs.partners(inputs, targets))
    training, validation = pairs.split(list(matched))

    def store(chosen: Sequence[Path]) -> tuple[PairStore, str]:
        """Make or open the store of some pairs."""
        chosen_pairs = [(path, matched[path]) for path in chosen]
        key = ["folders", _named_hashes(chosen), _named_hashes([target for _, target in chosen_pairs])]
        return _store(key, lambda: pairs.read_pairs(chosen_pairs))

    (training_store, key), (validation_store, _) = store(training), store(validation)
    return TrainingData(training_store, validation_store, _record(training, validation, key))


def _record(training: Sequence[Path], validation: Sequence[Path], key: str) -> dict[str, Any]:
    """Say what went in."""
    return {
        "training_photographs": len(training),
        "validation_photographs": [path.name for path in validation],
        "pairs_key": key,
    }
