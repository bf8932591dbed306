"""ExecuTorch with the Vulkan delegate, for phones' GPUs: compiled only, because the wheel's runtime has no Vulkan."""

from __future__ import annotations

from typing import Any

from viewfinder.export.formats.executorch import SUFFIX, TOOLS, delegated
from viewfinder.export.request import Conversion

__all__ = ["PRECISIONS", "SUFFIX", "TOOLS", "convert"]

PRECISIONS = ("float",)


def convert(conversion: Conversion) -> dict[str, Any]:
    """Write a ``.pte`` file; see `viewfinder.export.formats.executorch.convert`."""
    from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

    return delegated(conversion, "vulkan", VulkanPartitioner())
