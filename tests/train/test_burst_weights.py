"""The burst denoisers that ship: above the classical methods by what the card says, and measured again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from viewfinder import models
from viewfinder.train import burst_benchmark, cards, evaluate_bursts
from viewfinder.train.baselines import burst_denoising

DATA = Path(os.environ.get("VIEWFINDER_DATA", Path(__file__).parents[3] / "shared" / "data"))
MARGINS = {
    "kpn-lite": {"1": 0.5, "2": 0.5, "4": 0.5, "8": 0.2},
    "kpn": {"1": 0.5, "2": 0.5, "4": 0.4, "8": 0.1},
}
"""Least dB above the best classical method on CBSD68, by gain."""


def card_of(model):
    """Read the card of a model's default weights."""
    file = models.load(model).weights_file()
    return cards.read(file.with_name(f"{file.stem}.card.json"))


@pytest.mark.parametrize(("model", "gain"), [(model, gain) for model, gains in MARGINS.items() for gain in gains])
def test_networks_are_above_every_classical_method(model, gain):
    """Every method of the recorded table, with tuned strengths, by the margin of the gain."""
    network = card_of(model).scores[f"CBSD68, gain {gain}"]["network"]
    classical = evaluate_bursts.read().sets["CBSD68"][gain]
    assert set(classical) == set(burst_denoising.METHODS)
    assert set(network.per_picture) == set(classical["bm3d_merge"].per_picture)
    assert network.mean_db >= max(scores.mean_db for scores in classical.values()) + MARGINS[model][gain]


@pytest.mark.parametrize("model", ["kpn", "kpn-lite"])
def test_a_measurement_gives_what_the_card_says(model):
    """Two photographs of CBSD68, aligned, merged and denoised again at two gains, have the PSNR of the card."""
    folder = DATA / "test_cbsd68"
    if not folder.is_dir():
        pytest.skip("CBSD68 is not here: set VIEWFINDER_DATA to the folder that holds it")
    card, network = card_of(model), evaluate_bursts.network(model)
    assert torch.is_grad_enabled(), "measuring must not switch gradients off for whatever comes after it"
    for photo in burst_benchmark.pictures(folder)[:2]:
        for gain in (2, 8):
            burst = burst_benchmark.burst_of(photo, gain)
            made = network(gain)(burst_benchmark.case_of(burst))
            recorded = card.scores[f"CBSD68, gain {gain}"]["network"].per_picture[photo.stem]
            # Another processor adds up in another order; 0.02 dB is far more than that changes.
            assert burst_benchmark.quality_db(made, burst.truth[..., 0]) == pytest.approx(recorded, abs=0.02)
