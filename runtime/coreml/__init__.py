"""Core ML packages on any system: read an ``.mlpackage`` and compute what its program says, with numpy alone."""

from viewfinder.runtime.coreml.evaluator import Evaluator

__all__ = ["Evaluator"]
