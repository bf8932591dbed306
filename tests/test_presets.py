from __future__ import annotations

import pytest

from viewfinder import presets
from viewfinder.errors import Exit, UsageError


@pytest.mark.parametrize(
    ("name", "part", "soc_model", "arch"),
    [
        ("snapdragon-8-elite", "SM8750", 69, 79),
        ("Snapdragon 8 Gen 2", "SM8550", 43, 73),
        ("sm8650", "SM8650", 57, 75),
        ("snapdragon_888", "SM8350", 30, 68),
    ],
)
def test_processors_are_found_by_name_and_part(name, part, soc_model, arch):
    """Spaces, underscores and capitals do not matter; number and generation are those of Qualcomm's own table."""
    found = presets.npu(name)
    assert (found.part, found.soc_model, found.htp_arch) == (part, soc_model, arch)
    assert presets.of_soc(soc_model) == found


@pytest.mark.parametrize(
    ("name", "near"),
    [("snapdragon-8-elit", "snapdragon-8-elite"), ("snapdragon8gen2", "snapdragon-8-gen-2"), ("sm8755", "sm8750")],
)
def test_a_misspelled_name_is_answered_with_the_near_ones(name, near):
    """The command says what was probably meant, and ends as a usage error."""
    with pytest.raises(UsageError, match="there is no processor") as error:
        presets.npu(name)
    assert near in error.value.hint
    assert error.value.exit_code is Exit.USAGE


def test_a_name_like_no_other_is_answered_with_all():
    """All names are listed."""
    with pytest.raises(UsageError) as error:
        presets.npu("kirin")
    assert all(name in error.value.hint for name in presets.NPUS)


def test_the_table_is_sound():
    """No number or part twice, generations v68 to v81, and only the oldest computes float in float32."""
    every = list(presets.NPUS.values())
    assert len({one.soc_model for one in every}) == len({one.part for one in every}) == len(every)
    assert {one.htp_arch for one in every} == {68, 69, 73, 75, 79, 81}
    assert {one.htp_arch for one in every if one.computes_float_in == "float"} == {68}
    assert presets.of_soc(1) is None
