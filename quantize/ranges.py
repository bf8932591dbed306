"""Ranges of 8-bit activations that training moves: what rounds while training, and how the range gets back.

Weights that are rounded so that their errors cancel leave little to train: of HDRNet's error in w8a8, 6 % are the
weights' and the rest is the rounding of activations, which only another range changes. So each end of a range is
trained too, as a factor (after Esser, McKinstry, Bablani, Appuswamy, Modha, 2020); tensors of which one is only the
other moved share their range, because runtimes move integers as they are.
"""

from __future__ import annotations

from typing import Any

_MOST = 3.0
"""Largest logarithm of a factor."""
_MOVING = ("view", "reshape", "flatten", "unsqueeze", "squeeze", "permute", "transpose", "slice", "expand", "pad")


class Trained:
    """The ranges of a prepared graph, trained in place of its observers' until `settle` puts them back."""

    def __init__(self, prepared: Any) -> None:
        """Replace every fake quantization of activations."""
        self._graph, self._kept = prepared, _quantizers(prepared)
        made: dict[str, Any] = {}
        for name, source in _sources(prepared, self._kept).items():
            if source not in made:
                made[source] = _module(self._kept[source])
            setattr(prepared, name, made[source])
        self.parameters = [one.factors for one in made.values()]

    def settle(self) -> None:
        """Put the observers back, with the ends as they are now."""
        import torch

        with torch.no_grad():
            for name, kept in self._kept.items():
                low, high = getattr(self._graph, name).ends()
                setattr(self._graph, name, kept)
                if bool(torch.isfinite(high - low)):
                    observer = kept.activation_post_process
                    observer.min_val.copy_(low)
                    observer.max_val.copy_(high)
                    scale, zero = observer.calculate_qparams()
                    kept.scale.copy_(scale)
                    kept.zero_point.copy_(zero)


def _quantizers(prepared: Any) -> dict[str, Any]:
    """Return the fake quantizations of activations by name."""
    return {
        name: module
        for name, module in prepared.named_modules(remove_duplicate=False)
        if hasattr(module, "enable_fake_quant") and not getattr(module, "is_per_channel", False)
        and hasattr(module.activation_post_process, "min_val") and _is_affine(module)
    }  # fmt: skip


def _is_affine(module: Any) -> bool:
    """Tell activations, whose zero may lie anywhere, from weights with one scale for the tensor."""
    return "affine" in str(module.qscheme)


def _sources(prepared: Any, known: dict[str, Any]) -> dict[str, str]:
    """Name for every quantizer the one whose values it sees moved; itself where there is none."""
    found: dict[str, str] = {}
    for node in prepared.graph.nodes:
        if node.op != "call_module" or node.target not in known:
            continue
        before = node.args[0]
        while any(f"aten.{word}" in str(before.target) for word in _MOVING):
            before = before.args[0]
        found[node.target] = found.get(before.target, node.target) if before.op == "call_module" else node.target
    return found


def _module(kept: Any) -> Any:
    """Make what rounds with a range of its own; a rounded value passes its gradient on as if it were not."""
    import torch

    observer = kept.activation_post_process
    low, high = float(observer.min_val.clamp(max=0)), float(observer.max_val.clamp(min=0))
    first, last = int(kept.quant_min), int(kept.quant_max)

    def stepped(value: Any) -> Any:
        """Round, with a gradient of one."""
        return value + (value.round() - value).detach()

    class Ranged(torch.nn.Module):
        """Rounds to 8 bits between two ends."""

        def __init__(self) -> None:
            """Start with the ends that were observed."""
            super().__init__()
            self.factors = torch.nn.Parameter(torch.zeros(2))

        def ends(self) -> tuple[Any, Any]:
            """Return the ends, at 0 or on either side of it."""
            below, above = self.factors.clamp(-_MOST, _MOST).exp()
            return low * below, high * above

        def forward(self, values: Any) -> Any:
            """Round values of any shape."""
            below, above = self.ends()
            step = ((above - below) / (last - first)).clamp(min=1e-12)
            zero = first - stepped(below / step)
            return (stepped((values / step + zero).clamp(first, last)) - zero) * step

    return Ranged()
