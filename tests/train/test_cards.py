from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from viewfinder import models, photos
from viewfinder.errors import UsageError
from viewfinder.train import cards, evaluate, overlap, pairs
from viewfinder.train.operators import photo_finish


@pytest.fixture
def weights(tiny_model, tmp_path):
    """A file with the initial weights of the tiny model."""
    torch.manual_seed(0)
    state = models.load(tiny_model).build().state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "photo-finish.safetensors")
    return tmp_path / "photo-finish.safetensors"


@pytest.fixture
def evaluation(tiny_model, weights, photo_folder):
    """Measure on two of the photographs, having trained on the other two."""
    folders = {}
    for name, numbers in (("seen", "01"), ("held out", "23")):
        folders[name] = photo_folder.parent / name
        folders[name].mkdir()
        for number in numbers:
            (photo_folder / f"{number}.png").rename(folders[name] / f"{number}.png")
    made = pairs.imitate(photos.find([folders["seen"]]), photo_finish.apply, 1, 0)
    pairs.write(made, photo_folder.parent / "store")
    return evaluate.Evaluation(
        weights,
        tiny_model,
        "photo-finish",
        {"mine": folders["held out"]},
        training=(folders["seen"],),
        pairs=photo_folder.parent / "store",
    )


def test_a_card_has_the_network_and_the_baselines(evaluation):
    """Every method is measured on every picture of every set."""
    card = evaluate.evaluate(evaluation)
    found = card.scores["mine"]
    assert set(found) == {"network", "identity", "affine", "affine_then_curve", "curve_then_affine", "bgu_oracle"}
    assert set(found) < set(cards.METHODS)
    assert all(set(scores.per_picture) == {"2", "3"} for scores in found.values())
    assert found["bgu_oracle"].mean_db > found["identity"].mean_db
    assert card.parameters == sum(p.numel() for p in models.load(evaluation.model).build().parameters())


def test_known_baselines_are_not_measured_again(evaluation, monkeypatch):
    """Scores of an earlier run are taken over; the network is measured."""
    first = evaluate.evaluate(evaluation)
    known = {"photo-finish": {"mine": {"identity": first.scores["mine"]["identity"].to_dict()}}}
    monkeypatch.setattr(evaluate, "baseline_methods", None)
    again = evaluate.evaluate(replace(evaluation, known=known))
    assert again.scores["mine"] == {name: first.scores["mine"][name] for name in ("network", "identity")}


def test_overlap_with_the_training_photographs_is_told(evaluation):
    """A set that was trained on says so; one that was not says how near it comes."""
    clean = evaluate.evaluate(evaluation).held_out[0]
    assert clean.startswith("mine: 0 of 2 files")
    assert clean.endswith("no common scene.")
    folder = evaluation.training[0]
    (dirty,) = overlap.held_out({"mine": folder}, evaluation.training)
    assert dirty.startswith("mine: 2 of 2 files")
    assert "differs in 0 of 240 hash bits: the same scene" in dirty


def test_a_reduced_copy_is_still_the_same_scene(pictures, tmp_path):
    """The hash survives resizing; different photographs are far apart."""
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(paths[-1])
    Image.open(paths[0]).resize((60, 50), Image.Resampling.LANCZOS).save(tmp_path / "copy.jpg")
    found = overlap.nearest([tmp_path / "copy.jpg"], paths)
    assert (found.training, found.bits <= overlap.ALIKE_BITS) == ("0.png", True)
    assert overlap.nearest(paths[:1], paths[1:]).bits > overlap.ALIKE_BITS


def test_cards_are_read_back(evaluation, tmp_path):
    """JSON and back is the same card, and the text beside it has the numbers."""
    run = {"settings": {"steps": 4}, "wall_seconds": 3.5, "machine": "Linux", "command": "viewfinder train tiny"}
    card = replace(evaluate.evaluate(evaluation), run=run, notes=("A note.",))
    cards.write(card, tmp_path / "photo-finish.card.json")
    assert cards.read(tmp_path / "photo-finish.card.json") == card
    text = (tmp_path / "photo-finish.card.md").read_text()
    network = card.scores["mine"]["network"]
    for part in (f"{network.mean_db:.2f} / {network.worst_db:.2f}", "viewfinder train tiny", "BSD432", "A note."):
        assert part in text


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 1}', "[]"])
def test_what_is_no_card_is_refused(tmp_path, text):
    """A damaged card is named, with the command that makes one."""
    path = tmp_path / "x.card.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"x\.card\.json is not a model card") as caught:
        cards.read(path)
    assert "viewfinder.train.evaluate" in caught.value.hint


def test_a_card_of_another_version_is_refused(tmp_path):
    """A later version is not guessed at."""
    (tmp_path / "x.card.json").write_text('{"schema_version": 2}')
    with pytest.raises(UsageError, match="card version 2"):
        cards.read(tmp_path / "x.card.json")


def test_the_command_writes_the_card(evaluation, tmp_path, capsys):
    """The command of evaluate.py: exit 0 and a card; a wrong word is exit 2 and a sentence."""
    words = [str(evaluation.weights), "--model", evaluation.model, "--operator", "photo-finish"]
    folder = evaluation.sets["mine"]
    output = tmp_path / "card" / "a.card.json"
    assert evaluate.main([*words, "--set", f"mine={folder}", "-o", str(output)]) == 0
    assert "this network" in capsys.readouterr().out
    assert json.loads(output.read_text())["scores"]["mine"]["network"]
    assert evaluate.main([*words, "--set", str(folder), "-o", str(output)]) == 2
    assert "write --set NAME=DIR" in capsys.readouterr().err


def test_the_shipped_sources_say_their_licences():
    """Every training source has a name, a number, a licence and a credit; BSD's says research."""
    sources = {source["name"]: source for source in json.loads(evaluate.SOURCES.read_text())}
    assert all(source["licence"] and source["credit"] and source["photographs"] for source in sources.values())
    assert "research" in sources["BSD432"]["licence"]


def test_shipped_weights_have_cards_that_fit():
    """Every safetensors file in train/weights has a card with its hash, that beats what it has to beat."""
    for name in models.names():
        task = models.load(name)
        for weights, path in task.weights.items():
            card = cards.read(path.with_name(f"{weights}.card.json"))
            assert (card.model, card.weights, card.operator) == (name, weights, task.operators.get(weights, ""))
            assert card.weights_sha256 == evaluate.files.sha256(path)
            assert card.sources
            assert card.held_out
