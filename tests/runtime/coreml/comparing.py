"""Small helpers of the tests of operations."""

from __future__ import annotations

import numpy as np


def same(got, want, tolerance=2e-6):
    """Compare with a reference, array or tensor."""
    np.testing.assert_allclose(got, np.asarray(want), atol=tolerance, rtol=tolerance)


def ints(*values):
    """Make an int32 constant."""
    return np.int32(values)


def rng():
    """Make weights."""
    return np.random.default_rng(7)
