"""What becomes of calls at Sailthru, and how the sink judges what it hears."""

import asyncio

import pytest

from agents.sailthru.sink import SailthruSink
from models.audience import Audience
from sandbox.faults import Answer, Delay, EffectWithoutAnswer, Fault, Hang
from streams.outcomes import (
    Delivered,
    Dropped,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Transient,
)
from tests.agents.sailthru.factories import (
    EMAIL,
    NOW_MS,
    OTHER_USER,
    USER,
    attributes,
    audience,
    common,
    event,
    identities,
    membership,
    moved,
)
from tests.agents.sailthru.simulated import (
    KEY,
    SECRET,
    Simulated,
    deliver,
    lane,
    settings,
    simulated,
)
from tests.streams.delivery.requests import send_all

NEW = "user17.new@shop.example"
NEWEST = "user17.newest@shop.example"


def test_endpoints_have_their_published_ceilings() -> None:
    assert SailthruSink.limits == {
        "user": 300 * 60,
        "event": 40 * 60,
        "list": 40 * 60,
        "list GET": 300 * 60,
        "purchase": 40 * 60,
        "purchase GET": 300 * 60,
    }


async def test_profile_has_vars_lists_and_events_but_no_event_vars(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"), membership())
        await deliver(sink, event(attributes={"page": "3"}))
    profile = sailthru.profiles()[EMAIL]
    assert profile["vars"] == {"tier": "gold"}
    assert list(profile["lists"]) == ["Lapsed buyers"]
    assert [each["event"] for each in profile["events"]] == ["viewed_lookbook"]
    assert profile["events"][0]["vars"]["page"] == "3"


async def test_left_list_is_left(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, membership())
        await deliver(sink, membership(joined=False))
    assert sailthru.profiles()[EMAIL]["lists"] == {}
    assert sailthru.list_names() == ["Lapsed buyers"]


# Lists.


async def test_list_is_made_once_for_all_who_join_at_the_same_moment(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        requests = []
        for number in range(20):
            joined = membership(f"user{number}@shop.example")
            requests.append(sink.fold(lane(sink, joined), [joined]).request)
        outcomes = await asyncio.gather(*(send_all(sink, each) for each in requests))
    assert outcomes == [Delivered()] * 20
    assert sailthru.list_names() == ["Lapsed buyers"]
    assert sailthru.requests() == {"GET list": 1, "POST list": 1, "POST user": 20}


@pytest.mark.parametrize("spelling", ["Lapsed buyers", "Lapsed buyers ", "LAPSED BUYERS"])
async def test_who_leaves_one_audience_stays_in_another_of_that_name(spelling: str) -> None:
    """An account where the service ignores case."""
    async with simulated(list_name_case="ignored") as sailthru, sailthru.sink() as sink:
        await deliver(sink, membership(audience_id="901"))
        await deliver(sink, membership(audience_id="902", audience=spelling))
        await deliver(sink, membership(audience_id="901", joined=False))
        [profile] = sailthru.profiles().values()
    assert list(profile["lists"]) == [f"{spelling.strip()} (902)"]


async def test_list_that_is_there_is_not_made_and_asked_for_once(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, audience())
    async with sailthru.sink() as later:
        await deliver(later, membership())
        await deliver(later, membership("user18@shop.example"))
        placed = later.place(audience(change="updated"), USER, NOW_MS)
    # Without a request nothing is said of the service: it would take a block for mended.
    assert placed == Dropped("list_is_there")
    assert sailthru.requests() == {"GET list": 2, "POST list": 1, "POST user": 2}
    [made] = sailthru.lists()
    assert (made["type"], made["primary"]) == ("normal", 0)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Answer(endpoint="GET list", status=503, count=1), RetryRecord("server_error")),
        (Answer(endpoint="POST list", status=500, count=1), RetryRecord("server_error")),
        (
            EffectWithoutAnswer(endpoint="POST list", count=1),
            # It may still be made, which nobody is to look at before a request is over.
            RetryRecord("connection_lost", after=10),
        ),
        (
            Answer(endpoint="POST list", status=429, body={"error": 43}, count=1),
            # The endpoint "user" itself is not asked to wait.
            Throttled("rate_limited"),
        ),
    ],
)
async def test_nobody_is_posted_to_a_list_that_could_not_be_made(
    sailthru: Simulated, fault: Fault, outcome: Outcome
) -> None:
    sailthru.service.set_faults([fault])
    async with sailthru.sink() as sink:
        assert await deliver(sink, membership()) == [outcome]
        assert "POST user" not in sailthru.requests()
        assert await deliver(sink, membership()) == [Delivered()]
    assert sailthru.list_names() == ["Lapsed buyers"]


async def test_list_that_someone_removed_is_looked_for_again(sailthru: Simulated) -> None:
    unknown = Answer(endpoint="POST user", status=404, body={"error": 15}, count=1)
    async with sailthru.sink() as sink:
        await deliver(sink, audience())
        sailthru.service.set_faults([unknown])
        assert await deliver(sink, membership()) == [RetryRecord("unknown_list")]
        assert await deliver(sink, membership()) == [Delivered()]
    assert sailthru.requests()["GET list"] == 2


async def test_who_gives_up_does_not_take_the_list_from_the_others() -> None:
    async with simulated(list_creation_delay=0.2) as sailthru, sailthru.sink() as sink:
        request = sink.fold(lane(sink, audience()), [audience()]).request
        first = asyncio.create_task(send_all(sink, request))
        second = asyncio.create_task(send_all(sink, request))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == Delivered()
        assert first.cancelled()
        assert sailthru.requests() == {"GET list": 1, "POST list": 1}


async def test_name_of_a_list_is_the_first_that_was_known_of_its_audience(
    sailthru: Simulated,
) -> None:
    known = Audience(
        **common(None, mpid=None), audience_id="901", name="Lapsed buyers", state="connected"
    )
    async with sailthru.sink() as sink:
        sink.learn(known)
        sink.learn(known.model_copy(update={"name": "Lost buyers"}))
        sink.recall(audience("Lost buyers", change="updated"), USER)
        await deliver(sink, membership(audience="Lost buyers"))
        await deliver(sink, membership(audience=None, joined=False))
    assert sailthru.list_names() == ["Lapsed buyers"]
    assert sailthru.profiles()[EMAIL]["lists"] == {}


async def test_name_of_a_list_follows_its_audience_by_setting(sailthru: Simulated) -> None:
    async with sailthru.sink(list_on_rename="follow") as sink:
        await deliver(sink, audience())
        await deliver(sink, membership(audience="Lost buyers"))
    assert sailthru.list_names() == ["Lapsed buyers", "Lost buyers"]


# Changes of address.


async def test_changed_address_keeps_the_profile_and_its_history(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"), membership())
        await deliver(sink, event())
        before = sailthru.profiles()[EMAIL]
        await deliver(sink, moved(EMAIL, NEW))
        [(email, after)] = sailthru.profiles().items()
    assert email == NEW
    assert all(after[part] == before[part] for part in ("sid", "vars", "lists", "events"))


async def test_profile_that_has_the_new_address_is_merged(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(NEW, tier="gold", age=37), at=OTHER_USER)
        await deliver(sink, attributes(tier="silver"))
        await deliver(sink, moved(EMAIL, NEW))
    assert {email: each["vars"] for email, each in sailthru.profiles().items()} == {
        NEW: {"tier": "silver", "age": 37}
    }


async def test_what_still_carries_the_old_address_goes_to_the_present_one(
    sailthru: Simulated,
) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"), moved(EMAIL, NEW), moved(NEW, NEWEST))
        await deliver(sink, event("from before"))
        await deliver(sink, membership(NEW))
        [(email, profile)] = sailthru.profiles().items()
    assert email == NEWEST
    assert [each["event"] for each in profile["events"]] == ["from before"]
    assert list(profile["lists"]) == ["Lapsed buyers"]


async def test_other_user_with_the_old_address_keeps_it(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"), moved(EMAIL, NEW))
        await deliver(sink, attributes(tier="silver"), at=OTHER_USER)
    assert {email: each["vars"] for email, each in sailthru.profiles().items()} == {
        NEW: {"tier": "gold"},
        EMAIL: {"tier": "silver"},
    }


async def test_change_that_failed_is_tried_again_as_it_was(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"))
        sid = sailthru.profiles()[EMAIL]["sid"]
        change = moved(EMAIL, NEW)
        sailthru.service.set_faults([Answer(endpoint="POST user", status=503, count=1)])
        [failed] = [await send_all(sink, sink.fold(lane(sink, change), [change]).request)]
        assert failed == RetryRecord("server_error")
        # Nothing has moved, so nothing may be sent to where it has not moved.
        await deliver(sink, event("meanwhile"))
        assert list(sailthru.profiles()) == [EMAIL]
        await deliver(sink, change)
        [(email, profile)] = sailthru.profiles().items()
    assert (email, profile["sid"]) == (NEW, sid)
    assert [each["event"] for each in profile["events"]] == ["meanwhile"]


async def test_change_whose_answer_got_lost_ends_right(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"), membership())
        sailthru.service.set_faults([EffectWithoutAnswer(endpoint="POST user", count=1)])
        change = moved(EMAIL, NEW)
        assert await deliver(sink, change) == [RetryRecord("connection_lost")]
        assert await deliver(sink, change) == [Delivered()]
        [(email, profile)] = sailthru.profiles().items()
    assert email == NEW
    assert profile["vars"] == {"tier": "gold"}
    assert list(profile["lists"]) == ["Lapsed buyers"]


async def test_delivered_change_that_comes_again_makes_no_profile_for_the_old_address(
    sailthru: Simulated,
) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"))
        sid = sailthru.profiles()[EMAIL]["sid"]
        await deliver(sink, moved(EMAIL, NEW), moved(NEW, NEWEST))
        await deliver(sink, moved(EMAIL, NEW), moved(NEW, NEWEST))
        [(email, profile)] = sailthru.profiles().items()
    # Merged into a new profile it would have another id.
    assert (email, profile["sid"]) == (NEWEST, sid)


async def test_address_that_comes_back_is_the_present_one(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"), moved(EMAIL, NEW), moved(NEW, EMAIL))
        await deliver(sink, event(), event(email=NEW))
        [(email, profile)] = sailthru.profiles().items()
    assert email == EMAIL
    assert len(profile["events"]) == 2


async def test_changes_that_ended_at_another_worker_are_known(sailthru: Simulated) -> None:
    async with sailthru.sink() as first:
        await deliver(first, attributes(tier="gold"), moved(EMAIL, NEW), moved(NEW, NEWEST))
    async with sailthru.sink() as second:
        for record in (attributes(), moved(EMAIL, NEW), moved(NEW, NEWEST)):
            second.recall(record, USER)
        await deliver(second, event())
        await deliver(second, moved(EMAIL, NEW))
    assert list(sailthru.profiles()) == [NEWEST]


async def test_change_waits_for_the_event_that_is_on_its_way_to_the_old_address(
    sailthru: Simulated,
) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"))
        sailthru.service.set_faults([Delay(endpoint="POST event", seconds=0.2, count=1)])
        await asyncio.gather(deliver(sink, event()), deliver(sink, moved(EMAIL, NEW)))
        [(email, profile)] = sailthru.profiles().items()
    assert email == NEW
    assert len(profile["events"]) == 1


async def test_event_waits_for_the_change_that_is_on_its_way(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"))
        sailthru.service.set_faults([Delay(endpoint="POST user", seconds=0.2, count=1)])
        await asyncio.gather(deliver(sink, moved(EMAIL, NEW)), deliver(sink, event()))
        [(email, profile)] = sailthru.profiles().items()
    assert email == NEW
    assert len(profile["events"]) == 1


# Who is found by what.


async def test_profiles_of_an_extid_and_of_an_address_become_one(sailthru: Simulated) -> None:
    customer = identities(customer_id="C-17")
    known = attributes(None, tier="gold").model_copy(update={"identities": customer})
    added = moved(None, EMAIL)
    named = added.model_copy(update={"identities": (*customer, *added.identities)})
    async with sailthru.sink(identity_key="email,extid", extid_from="customer_id") as sink:
        await deliver(sink, known, named, attributes(age=37))
    [profile] = sailthru.profiles().values()
    assert (profile["keys"]["email"], profile["keys"]["extid"]) == (EMAIL, "C-17")
    assert profile["vars"] == {"tier": "gold", "age": 37}


@pytest.mark.parametrize(
    ("identity_key", "mailed_at_once"), [("email,extid", True), ("extid,email", False)]
)
async def test_a_user_who_is_met_first_in_an_audience_can_be_mailed_from_the_first_update_on(
    sailthru: Simulated, identity_key: str, *, mailed_at_once: bool
) -> None:
    """And at once where the address is the first key."""
    who = identities(email=EMAIL, customer_id="C-17")
    met = membership().model_copy(update={"identities": who})
    updated = attributes(tier="gold").model_copy(update={"identities": who})
    async with sailthru.sink(identity_key=identity_key, extid_from="customer_id") as sink:
        await deliver(sink, met)
        assert (EMAIL in sailthru.profiles()) == mailed_at_once
        await deliver(sink, updated)
    [(address, profile)] = sailthru.profiles().items()
    assert address == EMAIL
    assert list(profile["lists"]) == ["Lapsed buyers"]


async def test_two_users_with_one_address_share_its_profile(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold", age=37))
        await deliver(sink, attributes(tier="silver"), at=OTHER_USER)
    assert {email: each["vars"] for email, each in sailthru.profiles().items()} == {
        EMAIL: {"tier": "silver", "age": 37}
    }


# Events whose answer gets lost.


@pytest.mark.parametrize(
    "fault",
    [
        EffectWithoutAnswer(endpoint="POST event", count=1),
        Hang(endpoint="POST event", count=1),
        Answer(endpoint="POST event", status=504, body="<html>", count=1),
        Answer(endpoint="POST event", status=200, body="<html>", count=1),
    ],
    ids=["cut", "hang", "gateway time-out", "unreadable"],
)
@pytest.mark.parametrize(
    ("event_delivery_guarantee", "again"), [("at_least_once", True), ("at_most_once", False)]
)
async def test_lost_answer_to_an_event_ends_as_the_setting_says(
    sailthru: Simulated, fault: Fault, event_delivery_guarantee: str, again: bool
) -> None:
    sailthru.service.set_faults([fault])
    async with sailthru.sink(
        event_delivery_guarantee=event_delivery_guarantee, timeout_s=0.2
    ) as sink:
        [outcome] = await deliver(sink, event())
    if again:
        assert isinstance(outcome, Transient)
    else:
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "unknown_effect"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_event_that_was_refused_for_now_is_always_sent_again(
    sailthru: Simulated, status: int
) -> None:
    sailthru.service.set_faults([Answer(endpoint="POST event", status=status, count=1)])
    async with sailthru.sink(event_delivery_guarantee="at_most_once") as sink:
        [outcome] = await deliver(sink, event())
    assert isinstance(outcome, Transient)


async def test_refused_record_is_rejected_without_its_address(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        [outcome] = await deliver(sink, attributes("12345", tier="gold"))
    assert outcome == Rejected("invalid_email", "error 11, HTTP 400: not an e-mail address")


# What is shown without sending.


def test_preparations_are_the_lists_each_once_and_before_their_members() -> None:
    sink = SailthruSink(settings(base_url="https://api.example"))
    records = [
        membership(),
        membership("user18@shop.example"),
        membership(audience="New visitors", audience_id="902"),
        audience("All", audience_id="903"),
        attributes(tier="gold"),
    ]
    requests = [sink.fold(lane(sink, each), [each]).request for each in records]
    look = {"method": "GET", "url": "https://api.example/list"}
    make = {"method": "POST", "url": "https://api.example/list"}
    assert sink.preparations(requests) == [
        look | {"body": {"list": "All"}},
        look | {"body": {"list": "Lapsed buyers"}},
        make | {"body": {"list": "Lapsed buyers", "type": "normal", "primary": 0}},
        look | {"body": {"list": "New visitors"}},
        make | {"body": {"list": "New visitors", "type": "normal", "primary": 0}},
    ]


def test_described_request_holds_the_arguments_and_no_credentials() -> None:
    sink = SailthruSink(settings(base_url="https://api.example"))
    record = moved(EMAIL, NEW)
    shown = sink.describe(sink.fold(lane(sink, record), [record]).request)
    assert shown == {
        "method": "POST",
        "url": "https://api.example/user",
        "body": {
            "id": EMAIL,
            "key": "email",
            "keys": {"email": NEW},
            "keysconflict": "merge",
        },
    }
    assert KEY not in repr(shown) + repr(vars(sink))
    assert SECRET not in repr(shown) + repr(vars(sink))


def test_a_membership_that_carries_only_the_id_goes_to_the_list_of_the_known_audience() -> None:
    sink = SailthruSink(settings())
    assert isinstance(sink.place(membership(audience=None), USER, NOW_MS), Rejected)
    known = Audience(
        **common(None, mpid=None), audience_id="901", name="Lapsed buyers", state="connected"
    )
    sink.learn(known)
    batch = sink.fold(lane(sink, membership(audience=None)), [membership(audience=None)])
    assert batch.request.call.payload()["lists"] == {"Lapsed buyers": 1}
