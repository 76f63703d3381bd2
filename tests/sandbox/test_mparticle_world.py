"""The demo's traffic has what real accounts send; each fact's source is in docs/sources.md."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import pytest

from sandbox.mparticle import NEVER_SENT
from tests.sandbox.mparticle_reader import is_development, objects
from tests.sandbox.mparticle_runs import NOW_MS, generated_run, handwritten_run

Body: TypeAlias = dict[str, Any]

YEAR_MS = 365 * 86_400_000


class Event(NamedTuple):
    """An event's own fields, and the message that it came in."""

    kind: str
    data: Body
    body: Body


@cache
def bodies() -> tuple[Body, ...]:
    return tuple(objects([*generated_run().messages, *handwritten_run().messages]))


@cache
def events() -> tuple[Event, ...]:
    return tuple(event for body in bodies() for event in _events(body))


def _events(body: Body) -> Iterator[Event]:
    listed = body.get("events")
    for event in listed if isinstance(listed, list) else ():
        data = event.get("data", event)
        yield Event(str(event.get("type", event.get("event_type"))), data, body)


def batches() -> list[Body]:
    return [body for body in bodies() if "schema_version" in body and body.get("events")]


def shared() -> list[Body]:
    listed = [body.get("user_profiles") for body in bodies()]
    return [profile for profiles in listed if isinstance(profiles, list) for profile in profiles]


def a_kind_that_tells_tokens(kind: str) -> Callable[[], bool]:
    return lambda: any(event.kind == kind and NEVER_SENT in str(event.data) for event in events())


def a_batch_from(channel: str | None) -> Callable[[], bool]:
    def has() -> bool:
        return any(
            (body.get("source_info") or {}).get("channel") == channel
            and body.get("user_attributes")
            for body in batches()
        )

    return has


def a_calculated_attribute_in_no_event() -> bool:
    name = "Days since last visit"
    told = {event.data.get("user_attribute_name") for event in events()}
    return name not in told and any(name in (b.get("user_attributes") or {}) for b in batches())


def attributes_before_an_address() -> bool:
    waiting: set[str] = set()
    for body in bodies():
        mpid, has_address = str(body.get("mpid")), "@" in str(body.get("user_identities"))
        if has_address and mpid in waiting and body.get("user_attributes"):
            return True
        if not has_address and body.get("user_attributes"):
            waiting.add(mpid)
    return False


def an_address_that_no_event_tells() -> bool:
    waiting: set[str] = set()
    for body in bodies():
        mpid, has_address = str(body.get("mpid")), "@" in str(body.get("user_identities"))
        if has_address and mpid in waiting and "identity_change" not in str(body.get("events")):
            return True
        waiting = waiting - {mpid} if has_address else waiting | {mpid}
    return False


def deleted_attributes_beside_events() -> bool:
    return any(body.get("deleted_user_attributes") for body in batches())


def an_audience_that_shares_a_part() -> bool:
    audiences = [each for profile in shared() for each in profile.get("audiences", ())]
    return any(len(each.get("user_attributes", ())) == 1 for each in audiences)


def texts_that_are_booleans() -> bool:
    requests = [body for body in bodies() if body.get("type") == "event_processing_request"]
    return any("false" in (body.get("user_attributes") or {}).values() for body in requests)


def an_attribute_called(name: str) -> Callable[[], bool]:
    return lambda: (
        any(name in (body.get("user_attributes") or {}) for body in bodies())
        or any(name == event.data.get("user_attribute_name") for event in events())
    )


def a_flag_for_one_partner() -> bool:
    return any(NEVER_SENT in str(event.data.get("custom_flags")) for event in events())


def an_event_field(name: str) -> Callable[[], bool]:
    return lambda: any(name in event.data for event in events())


def a_modified_batch() -> bool:
    return any(body.get("modified") is True for body in bodies())


def several_people_with_mpid_0() -> bool:
    nobody = [body for body in bodies() if str(body.get("mpid")) == "0"]
    return len({str(body["user_identities"]) for body in nobody}) > 1


def an_event_uploaded_twice() -> bool:
    seen: dict[tuple[object, ...], str] = {}
    for _, data, body in events():
        if data.get("source_message_id"):
            place = (data["source_message_id"], str(data.get("timestamp_unixtime_ms")))
            upload = f"{data['event_id']} {body.get('batch_id')}"
            if seen.setdefault(place, upload) != upload:
                return True
    return False


def a_time_with(digits: int) -> Callable[[], bool]:
    return lambda: any(
        len(str(event.data.get("timestamp_unixtime_ms"))) == digits for event in events()
    )


def a_time_in_words() -> bool:
    return any(str(event.data.get("timestamp_unixtime_ms")).endswith("Z") for event in events())


def a_clock_a_year_ahead() -> bool:
    times = [event.data.get("timestamp_unixtime_ms") for event in events()]
    return any(isinstance(at, int) and NOW_MS < at - YEAR_MS / 2 < NOW_MS + YEAR_MS for at in times)


def a_clock_two_years_behind() -> bool:
    times = [event.data.get("timestamp_unixtime_ms") for event in events()]
    return any(isinstance(at, int) and 10**12 < at < NOW_MS - 1.9 * YEAR_MS for at in times)


def a_membership_of_the_far_future() -> bool:
    return any(body.get("user_profiles") and body["timestamp_ms"] > 2 * NOW_MS for body in bodies())


def an_address_changed_by_two_events() -> bool:
    return any(
        event.kind == "user_identity_change"
        and event.data.get("removed")
        and not event.data.get("added")
        for event in events()
    )


def a_digest_of_the_address_before() -> bool:
    removed = [each for event in events() for each in event.data.get("removed") or ()]
    return any(isinstance(each, dict) and each.get("encoding") == "sha256" for each in removed)


def a_digest_without_its_encoding() -> bool:
    identities = [each for body in bodies() for each in body.get("user_identities") or ()]
    return any(
        isinstance(each, dict) and each.get("type") == "email" and "encoding" not in each
        for each in identities
    )


def an_event_called(name: str) -> Callable[[], bool]:
    return lambda: any(
        name in (event.data.get("event_name"), event.data.get("name")) for event in events()
    )


def an_event_attribute_called(name: str) -> Callable[[], bool]:
    return lambda: any(
        name in (event.data.get("custom_attributes") or event.data.get("attributes") or {})
        for event in events()
        if "attributes" not in event.data or isinstance(event.data["attributes"], dict)
    )


def a_name_used_again() -> bool:
    owners: dict[str, int] = {}
    for body in bodies():
        if "audience_name" in body and "audience_id" in body:
            id_ = body["audience_id"]
            if owners.setdefault(body["audience_name"], id_) != id_:
                return True
    return False


def a_name_of_blanks() -> bool:
    return any(
        str(each.get("audience_name")).isspace()
        for profile in shared()
        for each in profile.get("audiences", ())
    )


def development_data() -> bool:
    return any(is_development(body) for body in bodies())


def a_setting_that_is_off() -> bool:
    settings = [event.data for event in events() if event.kind == "privacy_setting_change"]
    return {each.get("is_enabled") for each in settings} >= {True, False}


def an_event_attribute_without_a_value() -> bool:
    said = [event.data.get("custom_attributes") or {} for event in events()]
    return any(None in attributes.values() for attributes in said)


def a_batch_of_attributes_alone() -> bool:
    return any(
        "user_attributes" in body and not {"events", "user_identities", "type"} & body.keys()
        for body in bodies()
    )


def a_change_of_consent() -> bool:
    return any(body.get("system_notifications") for body in bodies())


def a_subject_that_is_listed() -> bool:
    return any(isinstance(body.get("subject_identities"), list) for body in bodies())


FACTS: dict[str, Callable[[], bool]] = {
    "a batch of a feed": a_batch_from("partner"),
    "a batch of an unknown channel": a_batch_from("unknown"),
    "a batch without Include Metadata": a_batch_from(None),
    "a batch of an app": a_batch_from("native"),
    "a batch of a site": a_batch_from("javascript"),
    "calculated attributes": a_calculated_attribute_in_no_event,
    "attributes before the address": attributes_before_an_address,
    "an address that no event tells": an_address_that_no_event_tells,
    "deleted attributes beside events": deleted_attributes_beside_events,
    "an audience that shares a part": an_audience_that_shares_a_part,
    "texts that are booleans": texts_that_are_booleans,
    "mParticle's names in lower case": an_attribute_called("$city"),
    "mParticle's names in upper case": an_attribute_called("$FIRSTNAME"),
    "a switch of the SDKs": an_attribute_called("$NoTargeting"),
    "an attribute that is called email": an_attribute_called("email"),
    "an attribute that is called profile": an_attribute_called("profile"),
    "flags for one partner": a_flag_for_one_partner,
    "a token in an address": a_kind_that_tells_tokens("network_performance"),
    "a token of push by batch": a_kind_that_tells_tokens("push_registration"),
    "a token of push by Firehose": a_kind_that_tells_tokens("push_subscription"),
    "a crash report": a_kind_that_tells_tokens("crash_report"),
    "a breadcrumb": a_kind_that_tells_tokens("breadcrumb"),
    "an opt-out": an_event_field("is_opted_out"),
    "an opt-out by Firehose": a_setting_that_is_off,
    "an event attribute without a value": an_event_attribute_without_a_value,
    "a batch that leaves out what is empty": a_batch_of_attributes_alone,
    "a change of consent": a_change_of_consent,
    "a data-subject request as OpenDSR has it": a_subject_that_is_listed,
    "a page's address": an_event_field("page_url"),
    "time on the site": an_event_field("active_time_on_site_ms"),
    "a modified batch": a_modified_batch,
    "several people with mpid 0": several_people_with_mpid_0,
    "an event uploaded twice": an_event_uploaded_twice,
    "seconds": a_time_with(10),
    "a digit too few": a_time_with(12),
    "microseconds": a_time_with(16),
    "nanoseconds": a_time_with(19),
    "ISO 8601": a_time_in_words,
    "a clock a year ahead": a_clock_a_year_ahead,
    "a clock two years behind": a_clock_two_years_behind,
    "a membership of the far future": a_membership_of_the_far_future,
    "an address changed by two events": an_address_changed_by_two_events,
    "a digest of the address before": a_digest_of_the_address_before,
    "a digest without its encoding": a_digest_without_its_encoding,
    "an event with outer blanks": an_event_called(" purchase"),
    "a reserved name in capitals": an_event_called("OPEN"),
    "signs in names": an_event_attribute_called("~campaign"),
    "an audience's name used again": a_name_used_again,
    "an audience's name of blanks": a_name_of_blanks,
    "development data": development_data,
}


@pytest.mark.parametrize("has", FACTS.values(), ids=FACTS)
def test_the_default_traffic_has(has: Callable[[], bool]) -> None:
    assert has()
