"""One case of a gate under one limit."""

from __future__ import annotations

import pytest
from tests.runtime.gate.made import HEAD, of_section, section

from viewfinder.runtime.gate import policyfile
from viewfinder.runtime.gate.checks import Bench


@pytest.fixture
def bench(tmp_path):
    """Return a function that puts a case under one limit on the bench."""

    def make(limit, part=None, **changes):
        path = tmp_path / "gate.yaml"
        path.write_text(f"{HEAD}      {limit}\n")
        file = policyfile.load(path)
        own = part or section()
        return Bench(file, 0, file.policy.limits_for(file.policy.gates[0]), own, of_section(own), **changes)

    return make
