"""How a single-picture denoiser learns: clean photographs, white Gaussian noise drawn anew for every sample.

Zhang et al. 2017: noise of one deviation, or of one drawn for each sample (blind), in units of 8-bit codes; crops,
flips and quarter turns; half the squared error of the predicted noise. Noisy values are neither clipped nor rounded.
Here a sample's error is divided by its deviation, so that every noise level counts about as much in decibels: with a
deviation of 50 instead of 15 the published networks make 3.5 times the squared error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from viewfinder.errors import UsageError
from viewfinder.train.config import FitConfig
from viewfinder.train.networks.dncnn import DnCNN, fold, normalise, settle
from viewfinder.train.networks.revival import revive
from viewfinder.train.pairs import Pair
from viewfinder.train.sampling import FIXED_POINT
from viewfinder.train.scores import psnr_db

VALIDATION_SIDE = 160
"""Side of the middle of a validation photograph that is measured."""

SETTLING = 32
"""Batches over which means and variances are averaged before the network is measured or written."""

REVIVAL_STEPS, REVIVAL_SAMPLES = 1000, 128
"""Steps between two looks for filters that never open, and the crops of every noise level that they are shown."""

LAST_REVIVAL = 0.8
"""Share of the steps after which closed filters are left alone."""

LEAST_LEVEL = 5 / 255
"""Samples with less noise than this deviation count as if they had as much."""

CANDIDATES = 4
"""Crops among which the liveliest is chosen, where a run asks for texture."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""BT.601, as the grey benchmarks were made."""

Array = NDArray[np.float32]


def planes_of(image: NDArray[np.uint8], planes: int) -> Array:
    """Return ``[H, W, planes]`` in 0..1 of a picture ``[H, W, 3]``: its 8-bit luma for one plane, or its colours."""
    if planes == 1:
        return np.asarray(np.rint(image @ LUMA) / 255, np.float32)[..., None]
    return image.astype(np.float32) / np.float32(255)


class NoisyCrops(Dataset[dict[str, Tensor]]):
    """Sample number `index` of a seeded order over the photographs, the same in every run and after a resume."""

    def __init__(self, photos: Sequence[Pair], planes: int, config: FitConfig, length: int) -> None:
        """Draw `length` samples."""
        self._photos, self._planes, self._config, self._length = photos, planes, config, length

    def __len__(self) -> int:
        """Count the samples."""
        return self._length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Cut a crop, turn it, add noise.

        Returns:
            noisy and noise, both ``[planes, S, S]``, in `FIXED_POINT`: Fabric would cast floats to the precision.
        """
        epoch, place = divmod(index, len(self._photos))
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._photos))
        image = self._photos[int(order[place])].image
        rng = np.random.default_rng([self._config.seed, 1, index])
        clean = planes_of(self._crop(image, rng), self._planes)
        clean = np.rot90(clean[:, :: rng.choice((-1, 1))], int(rng.integers(4)))
        low, high = self._config.deviations
        noise = rng.standard_normal(clean.shape, np.float32) * np.float32(rng.uniform(low, high) / 255)
        return {"noisy": _to_fixed(clean + noise), "noise": _to_fixed(noise)}

    def _crop(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Cut a square out of a photograph ``[H, W, 3]``, shrunk first where the run asks for scales."""
        side = min(self._config.crop, *image.shape[:2])
        smallest, textured = self._config.smallest_scale, self._config.textured
        taken = side if smallest == 1 else min(round(side / rng.uniform(smallest, 1)), *image.shape[:2])
        candidates = CANDIDATES if textured and rng.uniform() < textured else 1
        cuts = []
        for _ in range(candidates):
            top, left = rng.integers(0, image.shape[0] - taken + 1), rng.integers(0, image.shape[1] - taken + 1)
            cuts.append(image[top : top + taken, left : left + taken])
        cut = cuts[0] if candidates == 1 else max(cuts, key=_liveliness)
        if taken == side:
            return cut
        return np.asarray(Image.fromarray(cut).resize((side, side), Image.Resampling.BICUBIC))


def _liveliness(cut: NDArray[np.uint8]) -> float:
    """Return the mean squared difference of neighbours in green ``[S, S, 3]``: texture has more of it than an edge."""
    green = cut[..., 1].astype(np.float32)
    return float(np.square(np.diff(green, axis=0)).mean() + np.square(np.diff(green, axis=1)).mean())


def _to_fixed(values: Array) -> Tensor:
    """Store ``[S, S, planes]`` as integers in units of `FIXED_POINT`, planes first."""
    return torch.from_numpy(np.rint(values.transpose(2, 0, 1) * np.float32(FIXED_POINT)).astype(np.int32))


class NoisePrediction(nn.Module):
    """A network with its loss, so that Fabric can wrap both."""

    def __init__(self, network: DnCNN) -> None:
        """Train `network`."""
        super().__init__()
        self.network = network

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return half the mean of squared errors over noise levels, and the mean squared error of the noise."""
        noisy, noise = (batch[name].float() / FIXED_POINT for name in ("noisy", "noise"))
        found = self.network.noise(noisy.to(memory_format=torch.channels_last))
        errors = (found.float() - noise).square().mean((1, 2, 3))
        level = noise.square().mean((1, 2, 3)).sqrt().clamp_min(LEAST_LEVEL)
        return (errors / level).mean() / 2, errors.mean().detach()


class DenoisingRecipe:
    """`viewfinder.train.trainers.Recipe` of every `DnCNN`."""

    def __init__(self, network: DnCNN, photos: Sequence[Pair], validation: Sequence[Pair], config: FitConfig) -> None:
        """Keep the photographs; give the network its normalisation back where the optimiser needs it."""
        self._photos, self._config = photos, config
        self._planes = network.planes
        # Fixed noise for the measurement: the middle of the range.
        deviation = float(np.mean(config.deviations)) / 255
        self._validation = [
            _noisy_middle(pair.image, network.planes, deviation, k) for k, pair in enumerate(validation)
        ]
        if config.optimizer == "adamw":
            examples = torch.stack([_first(noisy) for noisy, _ in self._validation[:4]])
            network = normalise(network, examples)
        # Muon does without, and each step is cheaper; `refresh` does for it what normalisation does by the way.
        self._network = network
        self.refresh(0)
        prediction = NoisePrediction(self._network)
        self.module: nn.Module = prediction.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def samples(self, length: int) -> NoisyCrops:
        """Return `length` noisy crops."""
        return NoisyCrops(self._photos, self._planes, self._config, length)

    def refresh(self, step: int) -> None:
        """Start filters that never open again, as long as there is time left to train them."""
        if step % REVIVAL_STEPS or step > LAST_REVIVAL * self._config.steps or self._network.normalised:
            return
        batches = -(-REVIVAL_SAMPLES // self._config.batch)
        revive(self._network, [(batch,) for batch in self._noisy(batches)], self._config.seed + step)

    def _noisy(self, batches: int) -> Iterator[Tensor]:
        """Yield the noisy crops of the first samples, the same every time."""
        batch, device = self._config.batch, next(self._network.parameters()).device
        crops = self.samples(batch * batches)
        for first in range(0, len(crops), batch):
            picked = torch.stack([crops[first + number]["noisy"] for number in range(batch)])
            yield picked.to(device, memory_format=torch.channels_last).float() / FIXED_POINT

    @torch.no_grad()
    def score(self) -> list[float]:
        """Denoise the middle of every validation photograph; returns PSNR in dB, clipped to 0..1."""
        self._settle()
        self._network.eval()
        device = next(self._network.parameters()).device
        found = []
        for noisy, clean in self._validation:
            shown = _first(noisy)[None].to(device, memory_format=torch.channels_last)
            result = self._network(shown).clamp(0, 1)[0].permute(1, 2, 0).cpu().numpy()
            found.append(psnr_db(result, clean))
        self._network.train()
        return found

    def _settle(self) -> None:
        """Average the normalisation's statistics over the same samples every time."""
        settle(self._network, self._noisy(SETTLING))

    def weights(self) -> dict[str, Tensor]:
        """Return the weights with the normalisation folded in."""
        self._settle()
        state = fold(self._network.cpu()).state_dict()
        return {name: value.contiguous() for name, value in state.items()}


def _first(picture: Array) -> Tensor:
    """Return ``[H, W, planes]`` with the planes first."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def _noisy_middle(image: NDArray[np.uint8], planes: int, deviation: float, number: int) -> tuple[Array, Array]:
    """Cut the middle out of a photograph and add the noise that belongs to its `number`; returns noisy and clean."""
    side = min(VALIDATION_SIDE, *image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    clean = planes_of(image[top : top + side, left : left + side], planes)
    noise = np.random.default_rng([7, number]).standard_normal(clean.shape, np.float32)
    return clean + noise * np.float32(deviation), clean


def recipe(network: Any, photos: Sequence[Pair], validation: Sequence[Pair], config: FitConfig) -> DenoisingRecipe:
    """Train any `DnCNN` to remove white Gaussian noise of the deviations in `config.sigma`."""
    if not isinstance(network, DnCNN):
        raise UsageError(f"{type(network).__name__} is no DnCNN", "this trainer needs a network that predicts noise")
    return DenoisingRecipe(network, photos, validation, config)
