"""A pytest plug-in: the fixture ``viewfinder_gate`` holds artifacts against a policy inside a team's own tests.

.. code-block:: python

    def test_the_model_still_looks_right(viewfinder_gate):
        viewfinder_gate("gate.yaml", artifacts="build/hdrnet/export")

A gate that is not green fails the test with the same words that the command prints; what could not be verified fails
too, because it is never a pass. Importing this module costs nothing: it is loaded into every run of pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from viewfinder.verbs.gate import GateResult

INI = "viewfinder_policy"
Gate = Callable[..., "GateResult"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the policy be named once for all tests."""
    parser.addini(INI, "policy of the fixture viewfinder_gate, relative to the root of the tests", default="gate.yaml")
    group = parser.getgroup("viewfinder")
    group.addoption("--viewfinder-policy", metavar="FILE", help="policy of the fixture viewfinder_gate")
    group.addoption("--viewfinder-output", metavar="FOLDER", help="where its reports go, instead of a temporary folder")


@pytest.fixture
def viewfinder_gate(request: pytest.FixtureRequest, tmp_path: Path) -> Gate:
    """Return a function that gates: ``viewfinder_gate(policy=None, *, artifacts=None, baseline=None, reports=())``."""

    def run(
        policy: str | PathLike[str] | None = None,
        *,
        artifacts: str | PathLike[str] | None = None,
        baseline: str | PathLike[str] | None = None,
        reports: tuple[str | PathLike[str], ...] = (),
    ) -> GateResult:
        """Gate, and fail the test if the gate is not green; paths are relative to the root of the tests."""
        from viewfinder.errors import ViewfinderError
        from viewfinder.verbs.gate import GateRequest, gate

        root = request.config.rootpath
        named = policy or request.config.getoption("--viewfinder-policy") or request.config.getini(INI)
        chosen = request.config.getoption("--viewfinder-output")
        output = root / chosen / tmp_path.name if chosen else tmp_path / "gate"
        try:
            result = gate(
                GateRequest(
                    policy=root / named,
                    artifacts=root / artifacts if artifacts else None,
                    baseline=root / baseline if baseline else None,
                    reports=tuple(root / one for one in reports),
                    output=output,
                    command=f"pytest {request.node.nodeid}",
                )
            )
        except ViewfinderError as error:
            pytest.fail(f"{error.message}\n{error.hint}", pytrace=False)
        if result.exit_code:
            from viewfinder.cli.gating import told

            pytest.fail(told(result), pytrace=False)
        return result

    return run
