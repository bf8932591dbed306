from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from viewfinder import models
from viewfinder.errors import UsageError
from viewfinder.train import deepen, fit, pairs, trainers
from viewfinder.train.config import FitConfig
from viewfinder.train.networks.dncnn import DnCNN, fold, normalise, settle
from viewfinder.train.pairs import Pair
from viewfinder.train.sampling import FIXED_POINT
from viewfinder.train.trainers import denoising
from viewfinder.verbs import train as verb

TINY = FitConfig(
    steps=30, batch=4, crop=24, sigma="25", accelerator="cpu", threads=1, checkpoint_interval=30, warmup_steps=5
)


@pytest.fixture
def photographs(pictures):
    """The small photographs as clean training data, two to learn from and two to measure."""
    clean = [Pair(np.rint(p * 255).astype(np.uint8), np.empty((0, 0, 3), np.float16)) for p in pictures]
    return clean[:2], clean[2:]


@pytest.fixture
def shallow():
    """Four layers, so that a test trains in a second."""
    torch.manual_seed(0)
    return DnCNN(1, 4)


def count(network):
    """Count parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("planes", "depth", "published"), [(1, 17, 556_097), (1, 20, 667_073), (3, 20, 669_379)])
def test_the_published_networks_have_their_parameters(planes, depth, published):
    """17 grey layers, 20 grey ones, 20 in colour, with their normalisation."""
    assert count(DnCNN(planes, depth, normalised=True)) == published


@pytest.mark.parametrize("name", ["dncnn", "dncnn-colour"])
def test_the_tasks_count_what_they_build(name):
    """Parameter count, planes and halo of a task are those of its network."""
    task = models.load(name)
    network = task.build()
    assert count(network) == task.parameter_count
    assert task.inputs[0].shape[1] == network.planes
    assert task.pipeline_options["halo"] == network.depth


def test_the_network_looks_as_far_as_it_has_layers():
    """One output pixel of the 17 layers sees 35x35 pixels: a change beyond the halo is not noticed, one inside is."""
    torch.manual_seed(0)
    network, picture = DnCNN(1, 17).eval(), torch.rand(1, 1, 48, 48)
    with torch.no_grad():
        before = network.noise(picture)[0, 0, 24, 24]
        for place, noticed in ((24 + 17, True), (24 + 18, False)):
            changed = picture.clone()
            changed[..., place, :] += 5
            assert bool((network.noise(changed)[0, 0, 24, 24] != before).item()) == noticed


def test_folding_changes_nothing(shallow):
    """With trained-looking statistics the folded network computes the same picture within rounding."""
    network = normalise(shallow, torch.rand(2, 1, 24, 24))
    for norm in network.norms:
        norm.weight.data.uniform_(0.5, 2)
        norm.bias.data.normal_()
        norm.running_var.uniform_(0.5, 2)
    picture = torch.rand(1, 1, 30, 34)
    with torch.no_grad():
        assert torch.allclose(fold(network.eval())(picture), network(picture), atol=1e-5)
    assert not any(name.startswith("norms") for name in fold(network).state_dict())


def test_settling_forgets_the_last_batches(shallow):
    """Statistics that a strange batch has spoilt are those of the given batches again; training goes on."""
    network = normalise(shallow, torch.rand(4, 1, 24, 24))
    batches = list(torch.rand(3, 4, 1, 24, 24))
    settle(network, batches)
    before = [norm.running_mean.clone() for norm in network.norms]
    network.train()
    network.noise(torch.rand(4, 1, 24, 24) * 50)
    assert not torch.allclose(network.norms[0].running_mean, before[0], atol=0.1)
    settle(network, batches)
    assert all(torch.allclose(norm.running_mean, mean) for norm, mean in zip(network.norms, before, strict=True))
    assert network.training
    assert network.norms[0].momentum == 0.1


@pytest.mark.parametrize("depth", [4, 5, 9])
def test_a_deeper_network_computes_the_same(shallow, depth, tmp_path, capsys):
    """New layers change nothing at first; a shallower one than before, or a file of something else, is refused."""
    source, output = tmp_path / "shallow.safetensors", tmp_path / "deep.safetensors"
    save_file(shallow.state_dict(), source)
    assert deepen.main([str(source), "--layers", str(depth), "-o", str(output)]) == 0
    network, picture = DnCNN(1, depth), torch.rand(1, 1, 30, 34)
    network.load_state_dict(load_file(output))
    with torch.no_grad():
        # Identity layers see no more than the shallow network: zero padding adds nothing to zeros.
        assert torch.allclose(network(picture), shallow(picture), atol=1e-6)
    output.unlink()
    assert deepen.main([str(source), "--layers", "3", "-o", str(output)]) == 2
    save_file({"weight": torch.ones(2)}, source)
    assert deepen.main([str(source), "-o", str(output)]) == 2
    assert "holds no DnCNN" in capsys.readouterr().err
    assert not output.exists()


def test_training_starts_from_the_given_network(shallow):
    """Normalisation put into a trained network leaves what it computes; another seed computes something else."""
    picture = torch.rand(1, 1, 30, 34)
    again = normalise(shallow, torch.rand(4, 1, 24, 24)).eval()
    with torch.no_grad():
        assert torch.allclose(again(picture), shallow(picture), atol=1e-5)
        assert not torch.allclose(DnCNN(1, 4)(picture), shallow(picture), atol=1e-2)


@pytest.mark.parametrize(("sigma", "low", "high"), [("25", 25, 25), ("0:55", 0, 55)])
def test_samples_have_the_noise_that_was_asked_for(photographs, sigma, low, high):
    """Noisy less noise is a piece of a photograph; the deviations of 80 samples cover the range and no more."""
    crops = denoising.NoisyCrops(photographs[0], 1, FitConfig(crop=40, sigma=sigma), 80)
    samples = [crops[number] for number in range(80)]
    clean = torch.stack([(one["noisy"] - one["noise"]).float() / FIXED_POINT for one in samples])
    assert clean.shape == (80, 1, 40, 40)
    assert torch.allclose(clean * 255, (clean * 255).round(), atol=1e-3)
    found = np.array([float(one["noise"].float().std()) / FIXED_POINT * 255 for one in samples])
    assert found.min() >= low * 0.92
    assert found.max() <= high * 1.08
    assert np.ptp(found) > 0.8 * (high - low)
    assert torch.equal(crops[3]["noisy"], samples[3]["noisy"])


@pytest.mark.parametrize("asked", [{"smallest_scale": 0.5}, {"textured": 1.0}], ids=["shrunk", "textured"])
def test_crops_of_finer_texture(photographs, asked):
    """Shrunk photographs and the liveliest of four crops have more texture than plain ones; shape and codes stay."""
    plain, livelier = (
        [
            ((one["noisy"] - one["noise"]).float() / FIXED_POINT * 255)[0]
            for one in map(
                denoising.NoisyCrops(photographs[0], 1, FitConfig(crop=24, sigma="25", **more), 80).__getitem__,
                range(80),
            )
        ]
        for more in ({}, asked)
    )
    assert all(crop.shape == (24, 24) and torch.allclose(crop, crop.round(), atol=1e-3) for crop in livelier)
    texture = [np.mean([float(crop.diff(dim=0).square().mean()) for crop in crops]) for crops in (plain, livelier)]
    assert texture[1] > 1.15 * texture[0]


@pytest.mark.parametrize(
    "wrong", [{"smallest_scale": 0.0}, {"smallest_scale": 1.5}, {"textured": -0.1}, {"textured": 2.0}]
)
def test_shares_outside_their_range_are_refused(wrong):
    """The option is named as it is typed."""
    with pytest.raises(UsageError, match=f"--{next(iter(wrong)).replace('_', '-')} is"):
        FitConfig(**wrong)


def test_colour_samples_keep_three_planes(photographs):
    """A colour network sees red, green and blue, each with its own noise."""
    sample = denoising.NoisyCrops(photographs[0], 3, TINY, 4)[0]
    assert sample["noisy"].shape == (3, 24, 24)
    assert not torch.equal(sample["noise"][0], sample["noise"][1])


def test_training_denoises_photographs(photographs, shallow, tmp_path):
    """Thirty steps of four layers take noise off photographs that were not trained on: 3 dB at least."""
    recipe = trainers.make("denoising", shallow, photographs, TINY)
    run = fit.Fit(fit.launch(TINY, tmp_path), recipe, TINY, tmp_path)
    noisy = [denoising.psnr_db(spoilt, clean) for spoilt, clean in recipe._validation]
    (progress,) = run.run()
    assert np.mean(noisy) == pytest.approx(20.2, abs=0.4)
    assert progress.validation_psnr_db > np.mean(noisy) + 3
    shallow.load_state_dict(load_file(run.export_weights()))
    spoilt, clean = recipe._validation[0]
    with torch.no_grad():
        again = shallow(denoising._first(spoilt)[None])[0].clamp(0, 1).permute(1, 2, 0).numpy()
    assert denoising.psnr_db(again, clean) == pytest.approx(recipe.score()[0], abs=0.01)


def test_the_verb_trains_on_clean_photographs(photo_folder, tmp_path):
    """No operator is run: record and command say so; pairs and operators are refused."""
    model = tmp_path / "shallow.py"
    model.write_text(
        "from viewfinder.task import Task, TensorSpec\n"
        "def build():\n    from viewfinder.train.networks.dncnn import DnCNN\n    return DnCNN(1, 3)\n"
        "X = (TensorSpec('x', (1, 1, 64, 64)),)\n"
        "TASK = Task('shallow', 'shallow', build, X, X, trainer='denoising')\n"
    )
    settings = {"steps": 2, "batch": 2, "crop": 16, "accelerator": "cpu", "threads": 1, "sigma": "25"}
    request = verb.TrainRequest(model=f"{model}:TASK", output=tmp_path / "out", photos=(photo_folder,), **settings)
    result = verb.train(request)
    record = json.loads(result.record.read_text())
    assert record["operator"] is None
    assert "--sigma 25" in record["command"]
    assert "--operator" not in record["command"]
    assert set(load_file(result.weights)) == {f"layers.{n}.{part}" for n in range(3) for part in ("weight", "bias")}
    for wrong in ({"photos": (), "pairs": (photo_folder, photo_folder)}, {"operator": "photo-finish"}):
        with pytest.raises(UsageError, match="shallow learns from clean photographs"):
            verb.train(verb.TrainRequest(**vars(request) | wrong))


def test_a_store_of_clean_photographs_has_no_targets(photo_folder, tmp_path):
    """Pictures come back as they are; targets are empty."""
    from viewfinder import photos

    found = photos.find([photo_folder])
    store = pairs.write_clean(found, tmp_path / "store")
    assert len(store) == len(found)
    assert np.array_equal(store[1].image, photos.read(found[1]).pixels)
    assert store[1].target.shape == (0, 0, 3)
    assert not (tmp_path / "store" / "targets.f16").exists()


@pytest.mark.parametrize("sigma", ["", "a", "30:20", "-1", "0", "300", "nan"])
def test_noise_that_is_none_is_refused(sigma):
    """A wrong deviation is named, with how to write it."""
    with pytest.raises(UsageError, match="--sigma is"):
        FitConfig(sigma=sigma)


def test_a_network_of_another_kind_is_refused():
    """The trainer says which networks it can train."""
    with pytest.raises(UsageError, match="Linear is no DnCNN"):
        trainers.make("denoising", torch.nn.Linear(2, 2), ([], []), TINY)
