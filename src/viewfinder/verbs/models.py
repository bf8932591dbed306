"""``viewfinder models``: what can be built, with which weights, and how good they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import models as shipped
from viewfinder.task import Task


@dataclass(frozen=True)
class Weights:
    """Trained weights and what their card says.

    Attributes:
        psnr_db: test set to mean PSNR against the operator's own output, on photographs never trained on.
        licence: of the photographs that they were trained on.
        available: whether the file is there.
    """

    name: str
    operator: str
    available: bool
    psnr_db: Mapping[str, float] = field(default_factory=dict)
    licence: str = ""


@dataclass(frozen=True)
class Model:
    """One network."""

    name: str
    title: str
    parameters: int | None
    pipeline: str
    paper: str
    weights: tuple[Weights, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the model as JSON data."""
        return asdict(self)


def models() -> list[Model]:
    """Describe the shipped models, sorted by name; torch is not imported."""
    return [describe(shipped.load(name)) for name in shipped.names()]


def describe(task: Task) -> Model:
    """Describe one task."""
    return Model(
        name=task.name,
        title=task.title,
        parameters=task.parameter_count,
        pipeline=task.pipeline,
        paper=task.paper,
        weights=tuple(_weights(name, path, task.operators.get(name, "")) for name, path in task.weights.items()),
    )


def _weights(name: str, path: Path, operator: str) -> Weights:
    """Read the card beside a weights file; a file without a card has no figures."""
    card = card_of(path)
    psnr = {
        name: methods["network"]["mean_db"] for name, methods in card.get("scores", {}).items() if "network" in methods
    }
    licences = dict.fromkeys(source["licence"] for source in card.get("sources", ()))
    return Weights(name, operator, path.is_file(), psnr, "; ".join(licences))


def card_of(weights: Path) -> dict[str, Any]:
    """Return the card ``NAME.card.json`` beside ``NAME.safetensors``, or an empty one."""
    path = weights.with_suffix(".card.json")
    if not path.is_file():
        return {}
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card
