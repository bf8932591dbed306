"""A test that hangs must not hold the suite for ever."""

from __future__ import annotations

import signal

import pytest
from tests import conftest


def _left_s():
    """Seconds until pytest-timeout's alarm rings."""
    return signal.getitimer(signal.ITIMER_REAL)[0]


def test_a_test_has_five_minutes(pytestconfig):
    """The alarm is set while a test runs, and before the process is given up."""
    limit = float(pytestconfig.getini("timeout"))
    assert limit - 200 < _left_s() <= limit == 300
    assert float(pytestconfig.getini("faulthandler_timeout")) > conftest.BOARDS_S


def test_boards_have_longer(request):
    """Markers of boards lengthen it, but not what a test says itself."""
    board, own, plain = (pytest.Function.from_parent(request.node.parent, name="_left_s") for _ in range(3))
    for item in (board, own):
        item.add_marker(pytest.mark.arm64)
    own.add_marker(pytest.mark.timeout(5))
    conftest.pytest_collection_modifyitems([board, own, plain])
    limits = [item.get_closest_marker("timeout") for item in (board, own, plain)]
    assert [limit and limit.args[0] for limit in limits] == [conftest.BOARDS_S, 5, None]
