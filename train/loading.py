"""Read weights, our own and foreign ones, without running code that a file may hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from viewfinder.errors import UsageError
from viewfinder.task import Task

_WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "params_ema", "params", "module")
"""Keys under which training scripts keep the weights in a checkpoint."""

_PREFIXES = ("module.", "_orig_mod.", "network.", "model.")
"""What DataParallel, torch.compile and Lightning modules put before every name."""


def build(task: Task, seed: int) -> nn.Module:
    """Build the network of `task` with the initial values that `seed` gives."""
    torch.manual_seed(seed)
    network: nn.Module = task.build()
    return network


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, or a ``.pt``/``.pth``/``.ckpt`` that holds only tensors and plain values.

    Raises:
        UsageError: no such file, a damaged one, one with pickled code, or one without tensors.
    """
    if not path.is_file():
        raise UsageError(f"there is no weights file {path}", "check the path", code="no-such-weights")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _state_of(_read_pickle(path), path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        message = f"{path} cannot be read as safetensors: {error}"
        raise UsageError(message, "take the file from its source again", code="bad-weights") from error
    return found


def _read_pickle(path: Path) -> Any:
    """Unpickle tensors and plain values; anything that would run code is refused by torch itself."""
    import pickle

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path} holds more than weights: loading it would run code from the file, so it was not loaded",
            "have its author save state_dict() alone, or convert it to safetensors where you trust it",
            code="unsafe-weights",
        ) from error
    except Exception as error:  # a damaged file raises whatever the unpickler meets
        message = f"{path} cannot be read as PyTorch weights: {error}"
        raise UsageError(message, "take the file from its source again", code="bad-weights") from error


def _state_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """Find the tensors in what a checkpoint holds, and strip the prefixes that wrappers add."""
    if isinstance(loaded, Mapping):
        for key in _WRAPPERS:
            if isinstance(loaded.get(key), Mapping):
                return _state_of(loaded[key], path)
        state = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
        if state:
            return _without_prefix(state)
    raise UsageError(f"{path} holds no tensors by name", "give a file with a state_dict", code="bad-weights")


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Strip a wrapper's prefix when every name has it, repeatedly."""
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            return _without_prefix({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def load_into(network: nn.Module, path: Path) -> None:
    """Give `network` the weights of a file; every name and shape has to fit.

    Raises:
        UsageError: as `read_weights`, or the names or shapes differ; the first few are listed.
    """
    state, own = read_weights(path), network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in state]
    wrong += [f"{name} is not in the network" for name in state if name not in own]
    wrong += [
        f"{name} is {list(state[name].shape)}, not {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        message = f"{path} does not fit {type(network).__name__}: {'; '.join(wrong[:4])}{more}"
        raise UsageError(message, "give weights of the same model", code="bad-weights")
    network.load_state_dict(state)
