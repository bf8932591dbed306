"""Per-pixel kernels applied to frames, tap by tap: shifted pictures times maps, added up; never more than four axes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

KERNEL_SIDE = 5
"""Of every kernel here, as in Mildenhall et al. 2018."""

Moved = Callable[[int], Tensor]


class KernelApplication(nn.Module):
    """Apply kernels that live at half resolution to every frame, and add the frames up.

    Channels are tap-major: ``tap * frames + frame``, taps by rows; so one tap is one slice of channels that
    multiplies all frames. Enlarging goes tap by tap too: the whole map of 200 channels never stands at full size.
    """

    def __init__(self, frames: int, *, separable: bool = False) -> None:
        """Keep the number of frames; separable kernels are a column (first) times a row."""
        super().__init__()
        self.frames, self.separable = frames, separable

    @property
    def channels(self) -> int:
        """Channels of the map of kernels."""
        return self.frames * (2 * KERNEL_SIDE if self.separable else KERNEL_SIDE**2)

    @property
    def centres(self) -> tuple[tuple[int, int], ...]:
        """Slices ``(first, last)`` of channels whose product passes every frame unchanged where they are one."""
        middle = KERNEL_SIDE // 2
        taps = (middle, KERNEL_SIDE + middle) if self.separable else (KERNEL_SIDE**2 // 2,)
        return tuple((tap * self.frames, (tap + 1) * self.frames) for tap in taps)

    def forward(self, kernels: Tensor, frames: Tensor) -> Tensor:
        """Return ``[B, 1, H, W]``: the sum of `each`."""
        return self.each(kernels, frames).sum(1, keepdim=True)

    def each(self, kernels: Tensor, frames: Tensor) -> Tensor:
        """Filter every frame by its own kernels.

        Args:
            kernels: ``[B, channels, H / 2, W / 2]``, not normalised; enlarged bilinearly.
            frames: ``[B, frames, H, W]``; zero outside.

        Returns:
            ``[B, frames, H, W]``.
        """
        reach = KERNEL_SIDE // 2
        padded = F.pad(frames, (reach, reach, reach, reach))
        height, width = frames.shape[2], frames.shape[3]

        def moved(tap: int) -> Tensor:
            """Return all frames, moved to one tap."""
            row, column = divmod(tap, KERNEL_SIDE)
            return padded[:, :, row : row + height, column : column + width]

        return self._separably(kernels, moved) if self.separable else self._fully(kernels, moved)

    def _tap(self, kernels: Tensor, tap: int) -> Tensor:
        """Enlarge the maps of one tap: ``[B, frames, H, W]``."""
        part = kernels[:, tap * self.frames : (tap + 1) * self.frames]
        return F.interpolate(part, scale_factor=2.0, mode="bilinear", align_corners=False)

    def _fully(self, kernels: Tensor, moved: Moved) -> Tensor:
        """Add 25 products."""
        total = self._tap(kernels, 0) * moved(0)
        for tap in range(1, KERNEL_SIDE**2):
            total = total + self._tap(kernels, tap) * moved(tap)
        return total

    def _separably(self, kernels: Tensor, moved: Moved) -> Tensor:
        """Add five rows, each of five products."""
        rows = [self._tap(kernels, KERNEL_SIDE + column) for column in range(KERNEL_SIDE)]
        total: Tensor | None = None
        for row in range(KERNEL_SIDE):
            line = rows[0] * moved(row * KERNEL_SIDE)
            for column in range(1, KERNEL_SIDE):
                line = line + rows[column] * moved(row * KERNEL_SIDE + column)
            weighted = self._tap(kernels, row) * line
            total = weighted if total is None else total + weighted
        assert total is not None
        return total
