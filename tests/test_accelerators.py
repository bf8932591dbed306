from __future__ import annotations

import pytest

from viewfinder import accelerators, presets
from viewfinder.errors import UsageError


def test_names_lead_to_what_verifies_them():
    """A family's name means its usual configuration; Snapdragons are found as before."""
    assert accelerators.find("ethos-u85").config == "ethos-u85-1024"
    assert accelerators.find("Ethos_U55-64").config == "ethos-u55-64"
    assert accelerators.find("snapdragon-8-elite") == presets.npu("sm8750")
    assert accelerators.find("apple-coreml").adapter == accelerators.COREML


def test_what_cannot_run_says_what_is_needed():
    """Every target whose vendor keeps the SDK to itself has a reason and an artifact that it would take."""
    without = [one for one in accelerators.ACCELERATORS.values() if one.adapter == "litert_vendor"]
    assert {one.name for one in without} == {"mediatek", "google-tensor", "samsung"}
    assert all("SDK absent" in one.needs and one.takes for one in without)


def test_a_misspelled_name():
    """Names of both tables are offered."""
    with pytest.raises(UsageError, match="there is no processor") as error:
        accelerators.find("ethos-u86")
    assert "ethos-u85" in error.value.hint
    with pytest.raises(UsageError) as error:
        accelerators.find("snapdragon-8-elit")
    assert "snapdragon-8-elite" in error.value.hint
