"""Whole messages of both vocabularies as mParticle could write them, and ways to bend them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

SECRET = "s3cret-of-the-account"
ACCOUNT = {"account_id": 4411, "account_settings": {"apiKey": SECRET, "more": [{"key": SECRET}]}}

Strategy = st.SearchStrategy[Any]

_floats = st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(max_size=6)
_words = st.sampled_from(["", "a", "Lyon", "42.5", "-1", "1e400", "\x00", "\ud800", "é", "True"])
_scalars = st.none() | st.booleans() | st.integers() | _floats | _texts
any_json = st.recursive(
    _scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(_texts, inside, max_size=3),
    max_leaves=8,
)
_int64 = st.integers(-(2**63), 2**64 - 1)
_ids = _int64 | _int64.map(str) | st.uuids().map(str)
_times = st.integers(1_700_000_000_000, 1_760_000_000_000) | st.sampled_from(
    [0, None, "1760000000000", 1_760_000_000, 171_155_600_000, 1.76e12]
)
_values = st.none() | _words | _scalars | st.lists(_words, max_size=3)
_attributes = st.none() | st.dictionaries(_words, _values, max_size=3)
_flags = st.booleans() | st.sampled_from([None, "true", "False", 0, 1])
_amounts = st.sampled_from([None, "", 0, 42.5, "7.08", 10**20]) | _floats


def _object(required: dict[str, Strategy], **optional: Strategy) -> Strategy:
    return st.fixed_dictionaries(required, optional=optional)


def _list(each: Strategy) -> Strategy:
    return st.none() | st.lists(each, max_size=3)


def _one(*words: str) -> Strategy:
    return st.sampled_from(words)


_identity_values = _one("lin@shop.example", "C-1009", "", "\x00") | _int64
_firehose_identity = _object(
    {
        "type": _one("email", "customer", "other", "other10", "facebook", "mobile_number", "new"),
        "value": _identity_values,
    },
    encoding=_one("raw", "md5", "SHA256"),
)
_batch_identity = _object(
    {
        "identity_type": _one("email", "customer_id", "CustomerID", "other_id_2", "alias"),
        "identity": st.none() | _identity_values,
    },
    timestamp_unixtime_ms=_times,
    created_this_batch=_flags,
)
_batch_identities = _list(_batch_identity) | st.dictionaries(
    _one("email", "customer_id", "other2"), _identity_values, max_size=3
)
_device_identity = _object(
    {
        "type": _one("android_id", "ios_vendor_id", "roku_publisher_id"),
        "value": _one("3A4B", "00000000-0000-0000-0000-000000000000"),
    }
)
_location = st.none() | _object({}, latitude=_amounts, longitude=_amounts, accuracy=_amounts)
_product = _object(
    {},
    id=_words,
    name=_words,
    price=_amounts,
    quantity=_amounts,
    total_amount=_amounts,
    total_product_amount=_amounts,
    position=st.integers(),
    attributes=_attributes,
    custom_attributes=_attributes,
)
_promotion = _object({}, id=_words, name=_words, creative=_words, position=_words)
_consent = st.none() | _object({"consented": st.booleans()}, document=_words, timestamp=_times)
_firehose_notification = _object(
    {"type": _one("gdpr_consent_state", "ccpa_consent_state")},
    purpose=_words,
    old_gdpr_consent_state=_consent,
    new_gdpr_consent_state=_consent,
    new_ccpa_consent_state=_consent,
)
_batch_notification = _object(
    {"type": _one("gdpr_change", "ccpa_change")},
    data=_object({}, purpose=_words, current=_consent, old=_consent),
)

_FIREHOSE_EVENTS: dict[str, dict[str, Strategy]] = {
    "session_start": {},
    "session_end": {"session_length_ms": st.integers()},
    "custom_event": {"name": _one("bought", "é")},
    "screen_view": {"screen_name": _words},
    "error": {"message": _words, "is_crash": _flags, "breadcrumbs": _list(_words)},
    "privacy_setting_change": {"setting": _words, "is_enabled": _flags},
    "user_attribute_change": {"added": _attributes, "removed": _attributes},
    "user_identity_change": {
        "added": _list(_firehose_identity),
        "removed": _list(_firehose_identity),
    },
    "push_subscription": {"action": _one("subscribe", "unsubscribe"), "token": _words},
    "push_message_receipt": {"payload": _words},
    "push_message_open": {"payload": _words},
    "application_state_transition": {"application_state": _one("install", "exit")},
    "product_action": {"action": _one("purchase", "view_detail"), "products": _list(_product)},
    "promotion_action": {"action": _one("view", "click"), "promotions": _list(_promotion)},
    "impression": {"impressions": _list(_object({"products": _list(_product)}))},
    "attribution": {"name": _words, "partner_name": _words},
    "of_the_future": {"what": any_json},
}
_BATCH_EVENTS: dict[str, dict[str, Strategy]] = {
    "session_start": {},
    "session_end": {"session_duration_ms": st.integers()},
    "custom_event": {"event_name": _one("bought", "é"), "custom_event_type": _words},
    "screen_view": {"screen_name": _words},
    "commerce_event": {
        "product_action": st.none()
        | _object({"action": _one("purchase", "refund")}, products=_list(_product)),
        "promotion_action": st.none()
        | _object({"action": _one("view", "click")}, promotions=_list(_promotion)),
        "product_impressions": _list(_object({"products": _list(_product)})),
        "shopping_cart": st.none() | _object({"products": _list(_product)}),
        "event_name": _words,
    },
    "crash_report": {"severity": _words, "exception_handled": _flags},
    "opt_out": {"is_opted_out": _flags},
    "first_run": {},
    "push_registration": {"register": st.booleans(), "registration_token": _words},
    "push_message": {"push_message_type": _words, "push_message_behavior": _words | st.integers()},
    "application_state_transition": {"application_transition_type": _words},
    "network_performance": {"url": _words, "response_code": _words | st.integers()},
    "breadcrumb": {"label": _words},
    "profile": {"previous_mpid": _int64, "current_mpid": _int64},
    "user_attribute_change": {
        "user_attribute_name": _one("city", "é"),
        "new": _values,
        "old": _values,
        "deleted": _flags,
    },
    "user_identity_change": {
        "new": st.none() | _batch_identity,
        "old": st.none() | _batch_identity,
    },
    "uninstall": {},
    "pre_attribution": {"what": any_json},
    "of_the_future": {"what": any_json},
}


def _firehose_event(type_: str) -> Strategy:
    return _object(
        {"type": st.just(type_), **_FIREHOSE_EVENTS[type_]},
        id=_ids,
        source_id=_ids,
        session_id=_int64,
        timestamp_ms=_times,
        location=_location,
        attributes=_attributes,
        custom_flags=_attributes,
    )


def _batch_event(type_: str) -> Strategy:
    data = _object(
        _BATCH_EVENTS[type_],
        event_id=_ids,
        source_message_id=_ids,
        session_id=_int64 | _int64.map(str),
        timestamp_unixtime_ms=_times,
        location=_location,
        custom_attributes=_attributes,
        custom_flags=_attributes,
    )
    return st.fixed_dictionaries({"event_type": st.just(type_), "data": data})


def _firehose(type_: str, **fields: Strategy) -> Strategy:
    envelope = {"type": st.just(type_), "account": st.just(ACCOUNT)}
    return _object(envelope, id=_ids, timestamp_ms=_times, firehose_version=_words, **fields)


_audience = _object(
    {"audience_id": _int64, "action": _one("add", "delete", "attribute_update")},
    audience_name=_words,
    audience_subscription_settings=_attributes,
    user_attributes=_list(
        st.just({})
        | _object(
            {"key": _one("city", "é"), "action": _one("upsert", "delete")},
            value=_values,
            list_value=_list(_words),
        )
    ),
)
_profile = _object(
    {},
    mpid=_ids,
    user_identities=_list(_firehose_identity),
    device_identities=_list(_device_identity),
    partner_identities=_list(_firehose_identity),
    audiences=_list(_audience),
    added_audiences=_list(_object({"audience_id": _int64}, audience_name=_words)),
    removed_audiences=_list(_object({"audience_id": _int64}, audience_name=_words)),
)
_subject = st.dictionaries(
    _one("email", "controller_customer_id", "ios_vendor_id", "mpid", "other6"),
    _object({"value": _identity_values}, encoding=st.just("raw")),
    max_size=3,
)

message = st.one_of(
    _firehose(
        "event_processing_request",
        mpid=_ids,
        events=_list(st.sampled_from(sorted(_FIREHOSE_EVENTS)).flatmap(_firehose_event)),
        user_identities=_list(_firehose_identity),
        partner_identities=_list(_firehose_identity),
        user_attributes=_attributes,
        user_attribute_lists=_attributes,
        runtime_environment=_object(
            {"type": _one("ios", "web")}, is_debug=_flags, identities=_list(_device_identity)
        ),
        source_channel=_one("native", "server_to_server"),
        device_application_stamp=_words,
        system_notifications=_list(_firehose_notification),
    ),
    _object(
        {"events": _list(st.sampled_from(sorted(_BATCH_EVENTS)).flatmap(_batch_event))},
        mpid=_ids,
        message_id=_ids,
        batch_id=_ids,
        timestamp_unixtime_ms=_times,
        environment=_one("production", "Development", "staging"),
        user_identities=_batch_identities,
        user_attributes=_attributes,
        deleted_user_attributes=_list(_words),
        device_info=_object({}, ios_idfv=_words, platform=_words),
        source_info=_object({}, channel=_one("native", "server_to_server"), is_historical=_flags),
        system_notifications=_list(_batch_notification),
    ),
    _firehose("audience_membership_change_request", user_profiles=_list(_profile)),
    _firehose("audience_subscription_request").flatmap(
        lambda request: _object(
            {name: st.just(each) for name, each in request.items()}
            | {"audience_id": _int64, "action": _one("add", "update", "remove")},
            audience_name=_words,
            audience_subscription_settings=_attributes,
        )
    ),
    _firehose(
        "dsr_processing_request",
        subject_request_id=_ids,
        submitted_time=_words,
        subject_identities=_subject,
        extensions=st.fixed_dictionaries(
            {"opendsr.mparticle.com": st.fixed_dictionaries({"subject_identities": _subject})}
        ),
    ),
)
"""One message that mParticle could write."""

messages = message | st.lists(message, max_size=3)


def _cases() -> list[Any]:
    """The messages of all cases, with secrets in their accounts."""
    cases = [json.loads(path.read_text()) for path in (Path(__file__).parent / "cases").iterdir()]
    written = [json.loads(case["text"]) if "text" in case else case["message"] for case in cases]
    return [{**each, "account": ACCOUNT} if isinstance(each, dict) else each for each in written]


def copied(node: Any) -> Any:
    return json.loads(json.dumps(node))


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every container in a message with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    below = [
        place for key in keys if isinstance(node[key], dict | list) for place in _places(node[key])
    ]
    return [(node, key) for key in keys] + below


def _drop(node: Any, key: Any, _: Any) -> None:
    del node[key]


def _retype(node: Any, key: Any, other: Any) -> None:
    node[key] = other


def _empty(node: Any, key: Any, _: Any) -> None:
    node[key] = None


def _nest(node: Any, key: Any, _: Any) -> None:
    node[key] = {"nested": node[key]}


def _enlist(node: Any, key: Any, _: Any) -> None:
    node[key] = [node[key]]


def _double(node: Any, key: Any, _: Any) -> None:
    copy = copied(node[key])
    if isinstance(node, list):
        node.insert(key, copy)
    elif key != "account_settings":  # by another name they would be no settings
        node[f"{key} again"] = copy


_BENDS: tuple[Callable[[Any, Any, Any], None], ...] = (
    _drop,
    _retype,
    _empty,
    _nest,
    _enlist,
    _double,
)
_sources = st.sampled_from(_cases()) | messages


@st.composite
def bent(draw: st.DrawFn) -> Any:
    """A message with up to four changes of its structure."""
    one = copied(draw(_sources))
    for _ in range(draw(st.integers(0, 4))):
        places = _places(one)
        if not places:
            break
        node, key = places[draw(st.integers(0, len(places) - 1))]
        draw(st.sampled_from(_BENDS))(node, key, draw(any_json))
    return one


def shuffled(node: Any, random: Random) -> Any:
    """The same with the keys of all objects in another order."""
    if isinstance(node, dict):
        items = [(name, shuffled(each, random)) for name, each in node.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(each, random) for each in node] if isinstance(node, list) else node


# Maps whose names are data, so that no name in them is unknown.
_MAPS = frozenset(
    {
        "account_settings",
        "added",
        "attributes",
        "audience_subscription_settings",
        "custom_attributes",
        "custom_flags",
        "partner_identities",
        "removed",
        "user_attribute_lists",
        "user_attributes",
        "user_identities",
    }
)


def objects(node: Any, name: str = "") -> Iterator[dict[str, Any]]:
    """Every object of a message in which a name can be unknown."""
    if isinstance(node, list):
        for each in node:
            yield from objects(each)
    if not isinstance(node, dict) or name in _MAPS or _says_what_it_likes(node):
        return
    if name != "subject_identities":
        yield node
    is_change = node.get("event_type") == "user_attribute_change"
    for inside, each in node.items():
        if is_change and isinstance(each, dict):
            yield each  # its values are attributes
        else:
            yield from objects(each, inside)


def _says_what_it_likes(node: dict[str, Any]) -> bool:
    return "what" in node or node.get("event_type") in ("pre_attribution", "of_the_future")
