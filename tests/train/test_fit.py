from __future__ import annotations

import csv
import itertools
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tests.train.conftest import TINY

from viewfinder.errors import UsageError
from viewfinder.train import fit, trainers
from viewfinder.train.config import FitConfig
from viewfinder.train.networks.hdrnet import HDRNet

CONFIG = FitConfig(steps=7, batch=2, pixels=64, checkpoint_interval=3, accelerator="cpu", threads=1, seed=2)


@pytest.fixture
def start(pairs):
    """Set a run up as a new process would: fresh network from the seed, then whatever the folder holds."""

    def make(folder, config=CONFIG, subject=""):
        """Return the run, resumed if there is a checkpoint."""
        torch.manual_seed(config.seed)
        recipe = trainers.make("imitation", HDRNet("luma", TINY), (pairs[:3], pairs[3:]), config)
        run = fit.Fit(fit.launch(config, folder), recipe, config, folder, subject)
        run.resume()
        return run

    return make


def finish(run):
    """Train to the end and return the weights."""
    list(run.run())
    return load_file(run.export_weights())


def equal(first, second):
    """Tell whether two sets of weights are the same, bit by bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("precision", "optimizer"), [("32-true", "adamw"), ("bf16-mixed", "adamw"), ("32-true", "muon")]
)
def test_a_killed_run_ends_with_the_same_weights(start, tmp_path, precision, optimizer):
    """Killed between two checkpoints and started again: bit by bit the weights of a run that was never killed."""
    config = replace(CONFIG, precision=precision, optimizer=optimizer)
    whole = finish(start(tmp_path / "whole", config))
    killed = start(tmp_path / "killed", config)
    seen: list[int] = []
    steps = killed.run(seen.append)
    next(steps)  # the checkpoint at step 3; then two more steps that are lost
    killed._train_step(next(iter(killed._loader())))
    again = start(tmp_path / "killed", config)
    assert (seen[-1], again.step) == (3, 3)
    assert equal(finish(again), whole)


def test_a_kill_while_saving_leaves_the_old_checkpoint(start, tmp_path, monkeypatch):
    """The checkpoint is written beside the old one and takes its name at the end."""
    run = start(tmp_path)
    steps = run.run()
    next(steps)
    before = (tmp_path / fit.CHECKPOINT).read_bytes()

    def broken(path, state):
        """Write half a file, then die."""
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(run.fabric, "save", broken)
    with pytest.raises(KeyboardInterrupt):
        next(steps)
    assert (tmp_path / fit.CHECKPOINT).read_bytes() == before
    assert start(tmp_path).step == 3


def test_a_full_disk_is_a_sentence(start, tmp_path, monkeypatch):
    """Running out of space while saving names the file and the way out."""
    run = start(tmp_path)

    def full(path, state):
        """Fail as a full disk does."""
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.fabric, "save", full)
    with pytest.raises(UsageError, match=r"cannot write .*last\.ckpt: no space left"):
        list(run.run())


def test_a_stopped_run_saves_and_goes_on(start, tmp_path):
    """Asked to stop (ctrl-C), the run saves after its step, wherever that is, and loses nothing."""
    whole = finish(start(tmp_path / "whole"))
    run = start(tmp_path / "stopped")

    def stop_at_two(step):
        """Ask for a stop in the second step."""
        run.stop_requested = step == 2

    reports = list(run.run(stop_at_two))
    assert [report.step for report in reports] == [2]
    again = start(tmp_path / "stopped")
    assert again.step == 2
    assert equal(finish(again), whole)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(start, tmp_path):
    """Two runs agree bit by bit, with samples loaded in another process too; another seed differs."""
    first = finish(start(tmp_path / "a"))
    assert equal(finish(start(tmp_path / "b", replace(CONFIG, workers=1))), first)
    assert not equal(finish(start(tmp_path / "c", replace(CONFIG, seed=3))), first)


def test_training_gets_better(start, tmp_path):
    """Sixty steps on three small photographs bring the validation picture closer to its target."""
    run = start(tmp_path, replace(CONFIG, steps=60, checkpoint_interval=60, pixels=512))
    before = run.report().validation_psnr_db
    (after,) = run.run()
    assert after.validation_psnr_db > before + 0.5
    assert after.step == after.steps == 60


def test_other_settings_are_refused(start, tmp_path):
    """A checkpoint of another recipe or another subject is not gone on with; where it runs may change."""
    next(start(tmp_path, subject="a").run())
    with pytest.raises(UsageError, match="made with other settings"):
        start(tmp_path, replace(CONFIG, steps=9), subject="a")
    with pytest.raises(UsageError, match="made with other settings: a "):
        start(tmp_path, subject="b")
    assert start(tmp_path, replace(CONFIG, workers=1, checkpoint_interval=5), subject="a").step == 3


def test_a_damaged_checkpoint_is_named(start, tmp_path):
    """A file that is no checkpoint is an error that says what to do."""
    (tmp_path / fit.CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"last\.ckpt cannot be read") as caught:
        start(tmp_path)
    assert "delete this file" in caught.value.hint


def test_the_weights_are_those_of_the_plain_network(start, tmp_path):
    """Names and shapes are the network's own: nothing of the training parametrisation is left."""
    weights = finish(start(tmp_path))
    plain = HDRNet("luma", TINY).state_dict()
    assert {name: value.shape for name, value in weights.items()} == {name: v.shape for name, v in plain.items()}


def test_the_log_has_every_report(start, tmp_path):
    """One CSV per start, one row per checkpoint."""
    list(itertools.islice(start(tmp_path).run(), 1))
    list(start(tmp_path).run())
    steps = [
        [int(row["step"]) for row in csv.DictReader((tmp_path / "log" / version / "metrics.csv").open())]
        for version in ("version_0", "version_1")
    ]
    assert steps == [[3], [6, 7]]


def test_tensorboard_is_a_logger_too(start, tmp_path):
    """The event file is written."""
    finish(start(tmp_path, replace(CONFIG, logger="tensorboard", steps=2)))
    assert list((tmp_path / "log").rglob("events.out.tfevents.*"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "--steps is 0"),
        ({"checkpoint_interval": 0}, "--checkpoint-interval is 0"),
        ({"seed": -1}, "--seed is -1"),
        ({"logger": "wandb"}, "--logger is 'wandb'\nuse one of csv, tensorboard"),
        ({"precision": "fp8"}, "--precision is 'fp8'"),
        ({"strategy": "fsdp"}, "--strategy is 'fsdp'"),
    ],
)
def test_settings_that_cannot_train_are_refused(settings, message):
    """Each wrong number or word is named, with what is right."""
    with pytest.raises(UsageError, match=message):
        replace(CONFIG, **settings)


def test_an_accelerator_that_is_not_there_is_explained(tmp_path):
    """Asking for a GPU that the machine has not, or for one that nobody makes, is a sentence."""
    with pytest.raises(UsageError, match="training cannot start with accelerator 'abacus'"):
        fit.launch(replace(CONFIG, accelerator="abacus"), tmp_path)


def test_the_rate_warms_up_and_ends_low():
    """Linear over the warm-up, a cosine after it, the last share at the end."""
    config = FitConfig(steps=1000, warmup_steps=100, last_rate_share=0.01)
    assert config.rate_share(0) == pytest.approx(0.01, rel=1e-3)
    assert config.rate_share(500) == pytest.approx(0.505)
    assert config.rate_share(1000) == pytest.approx(0.01)
    assert max(map(config.rate_share, range(1001))) <= 1


def test_a_network_of_another_kind_is_refused():
    """The imitation trainer says which networks it can train."""
    with pytest.raises(UsageError, match="Linear is no HDRNet"):
        trainers.make("imitation", torch.nn.Linear(2, 2), ([], []), CONFIG)
