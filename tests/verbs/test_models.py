"""What `viewfinder models` tells."""

from __future__ import annotations

import json
from pathlib import Path

from viewfinder.task import Task, TensorSpec
from viewfinder.verbs.models import describe, models


def test_figures_come_from_the_card(tmp_path):
    """PSNR and licences are those of the card beside the weights; weights without a card have none."""
    for name in ("first", "second"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    scores = {"gb82": {"network": {"mean_db": 32.5}, "identity": {"mean_db": 20.0}}, "other": {"identity": {}}}
    card = {"scores": scores, "sources": [{"licence": "CC0"}, {"licence": "research"}, {"licence": "CC0"}]}
    (tmp_path / "first.card.json").write_text(json.dumps(card))
    spec = TensorSpec("image", (1, 3, 8, 8))
    weights = {name: Path(tmp_path / f"{name}.safetensors") for name in ("first", "second", "gone")}
    task = Task("t", "t", lambda: None, (spec,), (spec,), weights=weights, operators={"first": "sharpen"})
    first, second, gone = describe(task).weights
    assert (first.psnr_db, first.licence, first.operator) == ({"gb82": 32.5}, "CC0; research", "sharpen")
    assert (second.psnr_db, second.licence, second.available) == ({}, "", True)
    assert not gone.available


def test_the_published_network_has_the_published_size():
    """HDRNet as published has 482,080 parameters, and its paper is named."""
    found = {model.name: model for model in models()}
    assert found["hdrnet"].parameters == 482_080
    assert "Deep Bilateral Learning" in found["hdrnet"].paper
