"""The weights that ship: what their cards say is theirs, keeps its bar, and is what a measurement gives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from viewfinder import files, models
from viewfinder.train import cards, evaluate
from viewfinder.train.scores import measure

WEIGHTS = Path(evaluate.SOURCES).parent
CARDS = sorted(WEIGHTS.glob("*/*.card.json"))
IMITATORS = [path for path in CARDS if cards.read(path).operator]
BARS = {
    ("hdrnet-luma", "local-laplacian", "gb82"): 32.0,
    ("hdrnet-luma", "local-laplacian", "CBSD68"): 33.5,
    ("hdrnet-luma", "photo-finish", "gb82"): 46.0,
    ("hdrnet-luma", "photo-finish", "CBSD68"): 46.0,
    ("hdrnet", "local-laplacian", "gb82"): 31.0,
    ("hdrnet", "local-laplacian", "CBSD68"): 33.0,
}
"""Least mean PSNR in dB that a release may ship with."""

SETS = {"gb82": "ship_gb82_cc0", "CBSD68": "test_cbsd68"}
DATA = Path(os.environ.get("VIEWFINDER_DATA", Path(__file__).parents[3] / "shared" / "data"))


def named(path: Path) -> str:
    """Name a card in the test's id."""
    return f"{path.parent.name}-{path.name.removesuffix('.card.json')}"


@pytest.mark.parametrize("path", CARDS, ids=named)
def test_a_card_is_that_of_the_weights_beside_it(path):
    """Hash, model, operator and parameter count of the card are those of what ships."""
    card = cards.read(path)
    task = models.load(card.model)
    assert files.sha256(path.with_name(f"{card.weights}.safetensors")) == card.weights_sha256
    assert task.weights[card.weights] == path.with_name(f"{card.weights}.safetensors")
    assert task.operators.get(card.weights, "") == card.operator
    assert task.parameter_count == card.parameters


def test_every_weights_file_has_a_card():
    """No weights ship without their card."""
    shipped = {(path.parent.name, path.stem) for path in WEIGHTS.glob("*/*.safetensors")}
    assert {(path.parent.name, path.name.removesuffix(".card.json")) for path in CARDS} == shipped
    assert shipped


@pytest.mark.parametrize(("model", "weights", "name"), BARS, ids=["-".join(key) for key in BARS])
def test_the_recorded_quality_keeps_its_bar(model, weights, name):
    """Weights that got worse cannot be shipped unnoticed."""
    card = cards.read(WEIGHTS / model / f"{weights}.card.json")
    assert card.scores[name]["network"].mean_db >= BARS[model, weights, name]


@pytest.mark.parametrize("name", SETS)
def test_the_strong_operator_is_imitated_better_than_by_bilateral_upsampling(name):
    """The network beats the oracle that runs the operator on a small copy."""
    scores = cards.read(WEIGHTS / "hdrnet-luma" / "local-laplacian-strong.card.json").scores[name]
    assert scores["network"].mean_db > scores["bgu_oracle"].mean_db


@pytest.mark.slow
@pytest.mark.parametrize("path", IMITATORS, ids=named)
@pytest.mark.parametrize("name", SETS)
def test_a_measurement_gives_what_the_card_says(path, name):
    """Every third photograph of the published set, measured again, has the PSNR of the card."""
    from viewfinder import photos
    from viewfinder.train import operators

    folder = DATA / SETS[name]
    if not folder.is_dir():
        pytest.skip(
            f"the photographs of {name} are not here: set VIEWFINDER_DATA to the folder that holds {SETS[name]}"
        )
    card = cards.read(path)
    method, _ = evaluate.network_method(card.model, path.with_name(f"{card.weights}.safetensors"))
    again = measure({"network": method}, operators.load(card.operator), photos.find([folder])[::3])["network"]
    recorded = card.scores[name]["network"].per_picture
    # Another processor adds up in another order; 0.01 dB is a hundred times what that changes.
    assert again.per_picture == pytest.approx({key: recorded[key] for key in again.per_picture}, abs=0.01)
