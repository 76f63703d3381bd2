"""What an operator allows and denies by patterns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.patterns import Allowed, one_of, patterns

TEXTS = st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "globs"),
    [
        ("", []),
        (" , ,", []),
        ("viewed lookbook", ["viewed lookbook"]),
        ("a*, kind:screen_view ,b?", ["a*", "kind:screen_view", "b?"]),
    ],
)
def test_commas_part_patterns(text: str, globs: list[str]) -> None:
    assert patterns(text) == globs


@given(TEXTS.filter(lambda text: not set(text) & set("*?")))
def test_every_character_but_two_stands_for_itself(name: str) -> None:
    pattern = one_of([name])
    assert pattern.fullmatch(name)
    assert not pattern.fullmatch(name + "x")
    assert not pattern.fullmatch("x" + name)


@given(TEXTS, TEXTS, TEXTS)
def test_a_star_stands_for_any_text_and_a_question_mark_for_one_character(
    before: str, any_text: str, after: str
) -> None:
    plain = [text.replace("*", "").replace("?", "") for text in (before, after)]
    star, mark = (one_of([sign.join(plain)]) for sign in "*?")
    assert star.fullmatch(any_text.join(plain))
    assert star.fullmatch("".join(plain))
    assert mark.fullmatch(any_text[0].join(plain))
    assert not mark.fullmatch("".join(plain))


@pytest.mark.parametrize(
    ("allow", "deny", "name", "verdict"),
    [
        ("", "", "VIP", None),
        ("vip", "", " VIP ", None),
        ("v*", "", "VIP [2025]", None),
        ("VIP [2025]", "", "VIP [2025]", None),
        ("VIP [2025]", "", "VIP 2", "not_allowed"),
        ("vip", "", "VIPs", "not_allowed"),
        ("", "vip*", "VIPs", "denied"),
        ("*", "vip*", "VIPs", "denied"),
        ("other", "vip*", "VIPs", "denied"),
    ],
)
def test_who_denies_has_the_last_word(
    allow: str, deny: str, name: str, verdict: str | None
) -> None:
    assert Allowed(allow, deny).verdict(name) == verdict


def test_one_of_several_names_suffices_to_allow_and_to_deny() -> None:
    assert Allowed("901", "").verdict("901", "VIP") is None
    assert Allowed("VIP", "").verdict("901", "VIP") is None
    assert Allowed("901", "VIP").verdict("901", "VIP") == "denied"
