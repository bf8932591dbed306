"""Model cards: what weights were trained on, how well they do on photographs never trained on, how to make them again.

A card is ``NAME.card.json`` beside ``NAME.safetensors``; ``NAME.card.md`` says the same to people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from viewfinder import files
from viewfinder.errors import UsageError
from viewfinder.train.scores import DEFINITION, Scores

SCHEMA_VERSION = 1

METHODS = {
    "network": "this network",
    "noisy": "picture with its noise",
    "bm3d": "BM3D, told the noise",
    "reference": "reference frame",
    "average": "plain average",
    "aligned": "aligned average",
    "merge": "HDR+-style Wiener merge of aligned frames",
    "nlm": "non-local means on the reference",
    "bm3d_reference": "BM3D on the reference",
    "bm3d_merge": "BM3D on the Wiener merge of aligned frames",
    "bm3d_strong_merge": "BM3D on a merge that averages more",
    "identity": "picture unchanged",
    "affine": "global 3x4 matrix, fitted on the training pairs",
    "affine_then_curve": "global matrix, then a curve per channel",
    "curve_then_affine": "curve per channel, then a global matrix",
    "bgu_oracle": "bilateral-guided upsampling, an oracle: runs the operator at 256 px on the test picture",
    "grid_ceiling_every_4th": "ceiling of a luma-guided grid, fitted to the full-size truth (every 4th picture)",
}
"""Methods in the order of the card's table, with what they are."""


@dataclass(frozen=True)
class Card:
    """Everything a user of weights has to know.

    Attributes:
        model, weights, operator: names; no operator means that the network removes noise.
        parameters: of the network as it is used.
        weights_sha256: of the safetensors file.
        sources: data sets with name, photographs, licence, credit.
        run: how it was trained: settings, wall_seconds, machine, command, validation_psnr_db.
        scores: set name to method name to scores; the sets were neither trained on nor used to choose anything.
        held_out: evidence of that, one sentence per set.
        notes: further sentences.
        definition: of the numbers.
    """

    model: str
    weights: str
    operator: str
    parameters: int
    weights_sha256: str
    sources: tuple[Mapping[str, Any], ...]
    run: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, Scores]]
    held_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    definition: str = DEFINITION

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON data."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Card:
        """Read a card that `to_dict` made."""
        plain = {key: value for key, value in data.items() if key != "schema_version"}
        for name in ("sources", "held_out", "notes"):
            plain[name] = tuple(plain[name])
        plain["scores"] = {
            name: {method: Scores.from_dict(scores) for method, scores in methods.items()}
            for name, methods in plain["scores"].items()
        }
        return cls(**plain)


def write(card: Card, path: Path) -> None:
    """Write the JSON card to `path` (``NAME.card.json``) and the text beside it (``NAME.card.md``)."""
    files.write_text(path, json.dumps(card.to_dict(), indent=1) + "\n")
    files.write_text(path.with_suffix(".md"), markdown(card))


def read(path: Path) -> Card:
    """Read a card.

    Raises:
        UsageError: it is missing, damaged, or of another version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema_version"] == SCHEMA_VERSION:
            return Card.from_dict(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "make it with python -m viewfinder.train.evaluate"
        raise UsageError(f"{path} is not a model card: {error}", hint) from error
    found = data["schema_version"]
    raise UsageError(f"{path} has card version {found}", f"this program reads version {SCHEMA_VERSION}")


def markdown(card: Card) -> str:
    """Write the card for people."""
    settings = ", ".join(f"{name} {value}" for name, value in card.run.get("settings", {}).items())
    lines = [
        f"# {card.model}, weights `{card.weights}`",
        "",
        f"{_purpose(card)}; {card.parameters:,} parameters; sha256 `{card.weights_sha256}`.",
        "",
        "## Trained on",
        "",
        "| data | photographs | licence | credit |",
        "|---|---|---|---|",
        *(f"| {s['name']} | {s['photographs']} | {s['licence']} | {s['credit']} |" for s in card.sources),
        "",
        f"Settings: {settings}.",
        _measured(card.run),
        "",
        "Made again with:",
        "",
        f"    {card.run.get('command', '')}",
        "",
        "## On photographs never trained on nor used to choose",
        "",
        *_table(card),
        "",
        f"Mean / worst picture in dB. {card.definition}.",
        "",
        *(f"- {sentence}" for sentence in (*card.held_out, *card.notes)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _purpose(card: Card) -> str:
    """Say what the network is for."""
    return f"Imitates the operator `{card.operator}`" if card.operator else "Removes noise"


def _measured(run: Mapping[str, Any]) -> str:
    """Say how long the run took, where, and what it reached on its validation pictures."""
    seconds, machine = run.get("wall_seconds", "unknown"), run.get("machine", "an unrecorded machine")
    return f"Wall time {seconds} s on {machine}; validation {run.get('validation_psnr_db', 'unknown')} dB."


def _table(card: Card) -> list[str]:
    """List the rows of the table of scores."""
    sets = list(card.scores)
    rows = [f"| method | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for method, meaning in METHODS.items():
        cells = [_cell(card.scores[name].get(method)) for name in sets]
        if any(cells):
            rows.append(f"| {meaning} | {' | '.join(cells)} |")
    return rows


def _cell(scores: Scores | None) -> str:
    """Write one cell of the table; empty if the method was not measured."""
    return f"{scores.mean_db:.2f} / {scores.worst_db:.2f}" if scores else ""
