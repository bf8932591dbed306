from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from viewfinder.errors import UsageError
from viewfinder.verbs import train as verb


@pytest.fixture
def request_of(tiny_model, photo_folder, tmp_path):
    """Fill in a request for a tiny run."""

    def make(**changes):
        """Return the request with some settings changed."""
        settings = {
            "model": tiny_model,
            "output": tmp_path / "out",
            "photos": (photo_folder,),
            "operator": "photo-finish",
            "variants": 1,
            "steps": 4,
            "batch": 2,
            "pixels": 32,
            "checkpoint_interval": 2,
            "accelerator": "cpu",
            "threads": 1,
        }
        return verb.TrainRequest(**(settings | changes))

    return make


def test_training_writes_weights_and_a_record(request_of):
    """The folder holds weights, and what made them."""
    reports, steps = [], []
    result = verb.train(request_of(), reports.append, steps.append)
    record = json.loads(result.record.read_text())
    assert [report.step for report in reports] == [2, 4]
    assert steps == [1, 2, 3, 4]
    assert result.resumed_from == 0
    assert "predict" in " ".join(load_file(result.weights))
    assert record["operator"] == "photo-finish"
    assert record["data"]["training_photographs"] + len(record["data"]["validation_photographs"]) == 4
    assert record["validation_psnr_db"] == pytest.approx(result.progress.validation_psnr_db, abs=1e-3)
    assert record["command"].startswith("viewfinder train ")
    assert "--operator photo-finish" in record["command"]
    assert "--steps 4" in record["command"]


def test_a_finished_run_started_again_is_done_at_once(request_of):
    """Nothing is trained, the weights stay, the validation is measured again."""
    first = verb.train(request_of())
    before = first.weights.read_bytes()
    again = verb.train(request_of())
    assert again.resumed_from == 4
    assert again.weights.read_bytes() == before
    assert again.progress.validation_psnr_db == pytest.approx(first.progress.validation_psnr_db)


def test_ctrl_c_saves_and_the_same_command_goes_on(request_of, tmp_path):
    """The interrupt arrives after the checkpoint of the step; the resumed weights equal an uninterrupted run's."""

    def interrupt(step):
        """Press ctrl-C in the first step."""
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)  # a background job of a shell ignores it
    whole = verb.train(request_of(output=tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        verb.train(request_of(), on_step=interrupt)
    result = verb.train(request_of())
    assert result.resumed_from == 1
    assert result.weights.read_bytes() == whole.weights.read_bytes()
    assert signal.getsignal(signal.SIGINT) is before


def test_pairs_of_folders_train_too(request_of, photo_folder):
    """Two folders instead of an operator."""
    result = verb.train(request_of(photos=(), pairs=(photo_folder, photo_folder)))
    record = json.loads(result.record.read_text())
    assert record["operator"] is None
    assert "--pairs" in record["command"]


def test_training_starts_from_given_weights(request_of, tmp_path):
    """A foreign .pt is where the run begins, and the record's command says so."""
    first = verb.train(request_of())
    state = load_file(first.weights)
    state["guide.second.bias"] = torch.full_like(state["guide.second.bias"], 0.25)
    torch.save({"state_dict": state}, tmp_path / "foreign.pt")
    result = verb.train(request_of(init=tmp_path / "foreign.pt", output=tmp_path / "more", steps=1))
    assert float(load_file(result.weights)["guide.second.bias"]) == pytest.approx(0.25, abs=0.01)
    assert f"--init {tmp_path / 'foreign.pt'}" in json.loads(result.record.read_text())["command"]


def test_other_photographs_are_another_run(request_of, photo_folder):
    """A checkpoint is not gone on with after the photographs have changed."""
    verb.train(request_of())
    (photo_folder / "0.png").unlink()
    with pytest.raises(UsageError, match="made with other settings"):
        verb.train(request_of())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photos": ()}, "photographs or pairs, one of them"),
        ({"pairs": (Path(), Path())}, "photographs or pairs, one of them"),
        ({"photos": (), "pairs": (Path("nowhere"), Path())}, "nowhere is not a folder"),
        ({"variants": 0}, "--variants is 0"),
        ({"steps": 0}, "--steps is 0"),
        ({"operator": "blur"}, "no operator is called 'blur'"),
        ({"photos": (Path("nowhere"),)}, "nowhere does not exist"),
        ({"model": "hdrnet-pyramid"}, "hdrnet-pyramid names no trainer"),
        ({"init": Path("gone.pt")}, "there is no weights file gone.pt"),
    ],
)
def test_requests_that_cannot_train_are_explained(request_of, changes, message):
    """What is wrong is said before any step is made."""
    with pytest.raises(UsageError, match=message):
        verb.train(request_of(**changes))


def test_the_bar_shows_steps_and_psnr(request_of, capsys):
    """The progress bar is on standard error and ends with the last PSNR."""
    request = request_of()
    with verb.progress_bar(request) as (report, on_step):
        verb.train(request, report, on_step)
    captured = capsys.readouterr()
    assert "4/4" in captured.err
    assert "validation" in captured.err
    assert not captured.out
