"""What becomes of names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sailthru.names import var_names


@pytest.mark.parametrize(
    ("name", "var"),
    [
        ("tier", "tier"),
        ("Tier", "Tier"),
        ("$City", "City"),
        ("favourite colour", "favourite_colour"),
        ("last-order.total%", "lastordertotal"),
        ("2nd_name", "_2nd_name"),
        ("-2nd", "_2nd"),
        ("²nd", "_²nd"),
        ("$", "_"),
        ("", "_"),
        ("Zoë's größe", "Zoë's_größe"),
        ("a" * 32, "a" * 32),
        ("a-" * 32, "a" * 32),
    ],
)
def test_name_alone_becomes_its_var(name: str, var: str) -> None:
    assert var_names([name]) == ({name: var}, 0)


def test_long_names_that_begin_alike_are_cut_and_stay_apart_wherever_they_come() -> None:
    one, other = "subscription_preferences_for_email", "subscription_preferences_for_emails"
    named, told_apart = var_names([one, other])
    assert named[one] != named[other]
    assert all(
        len(var) == 32 and var.startswith("subscription_preferences") for var in named.values()
    )
    assert told_apart == 0
    assert var_names([other])[0] == {other: named[other]}


@pytest.mark.parametrize(
    ("names", "keeps"),
    [
        (["City", "$City"], "$City"),
        (["fav-color", "favcolor", "fav.color"], "favcolor"),
        (["fav.color", "fav-color"], "fav-color"),
    ],
)
def test_of_names_that_become_one_the_same_one_keeps_it(names: list[str], keeps: str) -> None:
    named, told_apart = var_names(names)
    assert told_apart == len(names) - 1
    assert len(set(named.values())) == len(names)
    assert named[keeps] == keeps.strip("$").replace("-", "").replace(".", "")
    assert var_names(reversed(names)) == (named, told_apart)


alike = st.text(st.sampled_from("aA1 $%-._é"), max_size=40)


@given(st.sets(st.one_of(alike, st.text(max_size=60)), max_size=12))
def test_vars_are_as_many_as_names_and_always_as_sailthru_takes_them(names: set[str]) -> None:
    named, _ = var_names(names)
    assert named.keys() == names
    assert len(set(named.values())) == len(names)
    for var in named.values():
        assert 1 <= len(var) <= 32
        assert not var[0].isdigit()
        assert not set(var) & set("%-.$ ")
