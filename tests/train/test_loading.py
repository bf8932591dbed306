from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file
from tests.train.conftest import TINY

from viewfinder.errors import UsageError
from viewfinder.train import loading
from viewfinder.train.networks.hdrnet import HDRNet


class Evil:
    """What a hostile checkpoint holds: an object whose unpickling calls a function."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture
def other():
    """Another network of the same sizes."""
    torch.manual_seed(9)
    return HDRNet("luma", TINY)


def same(first, second):
    """Tell whether two networks have the same weights."""
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def wrap(state, how):
    """Put a state_dict where training scripts put it."""
    if how == "lightning":
        return {"epoch": 3, "state_dict": {f"model.{name}": value for name, value in state.items()}}
    if how == "parallel":
        return {f"module.{name}": value for name, value in state.items()}
    if how == "compiled":
        return {"model": {f"_orig_mod.module.{name}": value for name, value in state.items()}}
    return state


def test_safetensors_are_loaded(tiny_network, other, tmp_path):
    """What was saved is what is there."""
    save_file({k: v.contiguous() for k, v in other.state_dict().items()}, tmp_path / "w.safetensors")
    loading.load_into(tiny_network, tmp_path / "w.safetensors")
    assert same(tiny_network, other)


@pytest.mark.parametrize("how", ["plain", "lightning", "parallel", "compiled"])
def test_foreign_checkpoints_are_loaded(tiny_network, other, tmp_path, how):
    """The weights are found in the usual wrappings."""
    torch.save(wrap(other.state_dict(), how), tmp_path / "w.pt")
    loading.load_into(tiny_network, tmp_path / "w.pt")
    assert same(tiny_network, other)


def test_a_checkpoint_with_code_is_refused_and_does_not_run(tmp_path):
    """The file's code never runs, and the message says why it was not loaded."""
    mark, file = tmp_path / "ran", tmp_path / "evil.pt"
    torch.save({"state_dict": Evil(str(mark))}, file)
    with pytest.raises(UsageError, match="would run code from the file") as caught:
        loading.read_weights(file)
    assert caught.value.code == "unsafe-weights"
    assert not mark.exists()


def test_a_plain_pickle_is_refused_and_does_not_run(tmp_path):
    """An old-style pickle without a zip around it is no safer."""
    mark, file = tmp_path / "ran", tmp_path / "evil.pth"
    file.write_bytes(pickle.dumps(Evil(str(mark))))
    with pytest.raises(UsageError):
        loading.read_weights(file)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_damaged_files_are_named(tmp_path, name, content):
    """An empty or wrong file is an error with its name."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=name):
        loading.read_weights(tmp_path / name)


def test_a_truncated_file_is_named(other, tmp_path):
    """A download that broke off is an error with its name."""
    save_file({k: v.contiguous() for k, v in other.state_dict().items()}, tmp_path / "w.safetensors")
    data = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(UsageError, match="cannot be read as safetensors"):
        loading.read_weights(tmp_path / "w.safetensors")


def test_a_missing_file_is_named(tmp_path):
    """The path is in the message."""
    with pytest.raises(UsageError, match=r"there is no weights file .*gone\.pt"):
        loading.read_weights(tmp_path / "gone.pt")


def test_a_file_without_tensors_is_refused(tmp_path):
    """A checkpoint that holds only numbers has no weights."""
    torch.save({"epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="holds no tensors by name"):
        loading.read_weights(tmp_path / "w.pt")


def test_what_does_not_fit_is_listed(tiny_network, other, tmp_path):
    """Missing and unknown names and other shapes are in the message, the first few of them."""
    state = other.state_dict()
    state["guide.first.weight"] = torch.zeros(5, 3, 1, 1)
    state["extra"] = state.pop("guide.first.bias")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UsageError) as caught:
        loading.load_into(tiny_network, tmp_path / "w.pt")
    for part in ("guide.first.bias is missing", "extra is not in", "guide.first.weight is [5, 3, 1, 1], not [16, 3"):
        assert part in caught.value.message
