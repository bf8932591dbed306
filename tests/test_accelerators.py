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
    """Every target without an adapter has a reason and an artifact that it would take."""
    absent = [one for one in accelerators.ACCELERATORS.values() if one.adapter == accelerators.ABSENT]
    assert {"mediatek", "google-tensor", "samsung", "qualcomm-ai-hub"} <= {one.name for one in absent}
    assert all(one.needs and one.takes for one in absent)
    assert all("SDK absent" in accelerators.find(name).needs for name in ("mediatek", "google-tensor", "samsung"))


def test_a_misspelled_name():
    """Names of both tables are offered."""
    with pytest.raises(UsageError, match="there is no processor") as error:
        accelerators.find("ethos-u86")
    assert "ethos-u85" in error.value.hint
    with pytest.raises(UsageError) as error:
        accelerators.find("snapdragon-8-elit")
    assert "snapdragon-8-elite" in error.value.hint
