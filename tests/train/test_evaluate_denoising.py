from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from viewfinder.errors import MissingToolError, UsageError
from viewfinder.train import cards, evaluate_denoising
from viewfinder.train.baselines import burst_denoising
from viewfinder.train.evaluate_denoising import Evaluation
from viewfinder.train.networks.dncnn import DnCNN

MODEL = """
from viewfinder.task import Task, TensorSpec


def build():
    from viewfinder.train.networks.dncnn import DnCNN

    return DnCNN(1, 3)


X = (TensorSpec("x", (1, 1, 64, 64)),)
TASK = Task("shallow", "shallow", build, X, X, trainer="denoising", parameter_count=5)
"""


@pytest.fixture
def network(tmp_path):
    """A shallow network that removes nothing: its last layer is zero."""
    (tmp_path / "shallow.py").write_text(MODEL)
    plain = DnCNN(1, 3)
    torch.nn.init.zeros_(list(plain.convolutions())[-1].weight)
    save_file(plain.state_dict(), tmp_path / "blind.safetensors")
    return f"{tmp_path / 'shallow.py'}:TASK={tmp_path / 'blind.safetensors'}"


def test_noise_is_the_same_every_time_and_of_its_size(photo_folder):
    """A picture's noise repeats, differs between levels, and has the deviation; grey is the 8-bit luma."""
    photo = photo_folder / "1.png"
    (spoilt, clean), (again, _) = (evaluate_denoising.noisy(photo, 1, 25) for _ in range(2))
    assert np.array_equal(spoilt, again)
    assert float((spoilt - clean).std()) * 255 == pytest.approx(25, rel=0.03)
    other, _ = evaluate_denoising.noisy(photo, 1, 50)
    assert abs(np.corrcoef((other - clean).ravel(), (spoilt - clean).ravel())[0, 1]) < 0.05
    luma = np.asarray(Image.open(photo).convert("L"), np.float32) / 255
    assert np.abs(clean[..., 0] - luma).max() <= 1 / 255 + 1e-6


def test_a_card_has_every_level_and_says_where_it_stands(photo_folder, network, tmp_path, monkeypatch):
    """Columns by set and sigma; earlier scores of BM3D, who is above, what was published."""
    monkeypatch.setattr(burst_denoising, "bm3d", lambda picture, deviation: (picture + np.roll(picture, 1, 0)) / 2)
    known = tmp_path / "known.json"
    evaluate_denoising.main(["--set", f"Set12={photo_folder}", "--bm3d", "--sigma", "25", "50", "-o", str(known)])
    words = ["--set", f"Set12={photo_folder}", "--network", network, "--sigma", "25", "50", "--known", str(known)]
    assert evaluate_denoising.main([*words, "-o", str(tmp_path / "blind.card.json")]) == 0
    card = cards.read(tmp_path / "blind.card.json")
    assert set(card.scores) == {"Set12, sigma 25", "Set12, sigma 50"}
    row = card.scores["Set12, sigma 25"]
    assert row["network"].mean_db == pytest.approx(row["noisy"].mean_db, abs=0.01)
    assert row["noisy"].mean_db == pytest.approx(20.4, abs=0.7)
    assert row["bm3d"].mean_db > row["noisy"].mean_db + 1
    text = (tmp_path / "blind.card.md").read_text()
    for part in ("Removes noise", "dB below BM3D, on 4 pictures", "DnCNN-S 32.86 / 30.44 / 27.18", "CID22"):
        assert part in text
    assert json.loads((tmp_path / "blind.card.json").read_text())["definition"] == evaluate_denoising.DEFINITION


def test_scores_of_other_pictures_are_not_taken_over(photo_folder, network, tmp_path):
    """BM3D on some pictures is not put beside the network on others."""
    table = evaluate_denoising.measure(Evaluation({"mine": photo_folder}, sigmas=(25,), every=2))
    known = {column: {"bm3d": row["noisy"].to_dict()} for column, row in table.items()}
    card = evaluate_denoising.card(Evaluation({"mine": photo_folder}, network, sigmas=(25,)), {}, known)
    assert set(card.scores["mine, sigma 25"]) == {"noisy", "network"}
    half = evaluate_denoising.card(Evaluation({"mine": photo_folder}, network, sigmas=(25,), every=2), {}, known)
    assert set(half.scores["mine, sigma 25"]["network"].per_picture) == {"0", "2"}
    assert "bm3d" in half.scores["mine, sigma 25"]


def test_a_model_of_another_kind_is_refused(photo_folder, capsys):
    """An enhancer is no denoiser; the command says so and exits 2."""
    assert evaluate_denoising.main(["--set", f"mine={photo_folder}", "--network", "hdrnet"]) == 2
    assert "hdrnet is no single-picture denoiser" in capsys.readouterr().err


def test_bm3d_is_asked_for_where_it_is_missing(monkeypatch):
    """Without the package the message says why it does not come along."""
    monkeypatch.setattr(burst_denoising, "has_bm3d", lambda: False)
    with pytest.raises(MissingToolError, match="non-commercial use only"):
        burst_denoising.bm3d(np.zeros((8, 8, 1), np.float32), 0.1)
    assert "bm3d_merge" not in burst_denoising.available()


def test_bm3d_beats_a_mean_of_neighbours(pictures):
    """The package, where it is installed: a noisy photograph comes back 5 dB better."""
    pytest.importorskip("bm3d", reason="BM3D's licence allows non-commercial use only: pip install bm3d")
    clean = pictures[1][:40, :48, 1:2]
    spoilt = clean + np.random.default_rng(0).standard_normal(clean.shape, np.float32) * np.float32(25 / 255)
    cleaned = burst_denoising.bm3d(spoilt, 25 / 255)
    assert cleaned.shape == clean.shape
    assert evaluate_denoising.psnr_db(cleaned, clean) > evaluate_denoising.psnr_db(spoilt, clean) + 5


def test_colours_are_cleaned_together(pictures):
    """CBM3D on three channels: better than each of them alone by what colours share."""
    pytest.importorskip("bm3d", reason="BM3D's licence allows non-commercial use only: pip install bm3d")
    clean = pictures[1][:40, :48]
    spoilt = clean + np.random.default_rng(0).standard_normal(clean.shape, np.float32) * np.float32(25 / 255)
    together = burst_denoising.bm3d(spoilt, 25 / 255)
    alone = np.concatenate([burst_denoising.bm3d(spoilt[..., c : c + 1], 25 / 255) for c in range(3)], axis=2)
    assert evaluate_denoising.psnr_db(together, clean) > evaluate_denoising.psnr_db(alone, clean) + 0.5


def test_a_set_without_name_is_refused(capsys):
    """``--set DIR`` names what to write."""
    assert evaluate_denoising.main(["--set", "somewhere"]) == 2
    assert "write --set NAME=DIR" in capsys.readouterr().err


def test_the_published_rows_are_those_of_their_sets():
    """Only sets with a published table get sentences."""
    assert len(evaluate_denoising.published(["BSD68", "mine"])) == 3
    with pytest.raises(UsageError):
        evaluate_denoising.load("dncnn=nowhere.safetensors")
