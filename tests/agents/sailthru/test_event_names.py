"""What events are called at Sailthru."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sailthru.event_names import event_name
from sandbox.sailthru.users import RESERVED_EVENTS


@pytest.mark.parametrize(
    ("kind", "name", "called"),
    [
        ("custom_event", "viewed_lookbook", "viewed_lookbook"),
        ("custom_event", " Viewed lookbook ", "Viewed lookbook"),
        ("custom_event", "screen_view", "screen_view"),
        ("custom_event", "custom_order", "custom_order"),
        ("custom_event", "purchase", "custom_purchase"),
        ("custom_event", "Purchase", "custom_Purchase"),
        ("custom_event", " OPEN ", "custom_OPEN"),
        ("custom_event", "custom_open", "custom_custom_open"),
        ("custom_event", "mp_screen_view", "custom_mp_screen_view"),
        ("custom_event", "MP_Session_Start", "custom_MP_Session_Start"),
        ("custom_event", "  ", "mp_custom_event"),
        ("session_start", "session_start", "mp_session_start"),
        ("screen_view", "screen_view", "mp_screen_view"),
        ("product_action", "add_to_cart", "mp_add_to_cart"),
        ("product_action", "purchase", "mp_purchase"),
        ("promotion_action", "promotion_click", "mp_promotion_click"),
        ("moon_landed", "moon_landed", "mp_moon_landed"),
    ],
)
def test_built_in_events_have_a_prefix_and_custom_ones_their_name(
    kind: str, name: str, called: str
) -> None:
    assert event_name(kind, name) == called


def folded(name: str) -> str:
    return name.strip().casefold()


custom = st.lists(
    st.sampled_from(["custom_", "mp_", "open", "Click", "screen_view", " ", "x"]), max_size=4
).map("".join)
built_in = st.sampled_from(["open", "click", "screen_view", "purchase", "custom_event"])


@given(custom, custom)
def test_two_custom_events_share_a_name_only_where_they_differ_in_case_and_outer_spaces(
    one: str, other: str
) -> None:
    same = folded(one) == folded(other)
    called = [folded(event_name("custom_event", name)) for name in (one, other)]
    assert (called[0] == called[1]) == same


@given(custom.filter(str.strip), built_in)
def test_no_custom_event_is_called_like_a_built_in_one_or_like_one_of_sailthrus(
    own: str, kind: str
) -> None:
    called = folded(event_name("custom_event", own))
    assert called != folded(event_name(kind if kind != "custom_event" else "x", kind))
    assert called not in RESERVED_EVENTS
