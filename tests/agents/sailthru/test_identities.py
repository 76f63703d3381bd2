"""Changes of identity as mParticle tells them: in one event or two, with a digest, of any type."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import new as new_digest
from typing import Any

import orjson
import pytest

from agents.router.routing import route
from agents.router.settings import RouterSettings
from agents.sailthru.sink import SailthruSink
from models.record import Identity, RawPosition, Record
from models.user_update import IdentitiesChanged
from streams.outcomes import Delivered, Dropped, Rejected
from tests.agents.sailthru.factories import (
    EMAIL,
    NOW_MS,
    OTHER_USER,
    USER,
    attributes,
    common,
    event,
    identities,
    moved,
)
from tests.agents.sailthru.simulated import Simulated, deliver, lane, settings

NEW, OTHER = "user17.new@shop.example", "someone@shop.example"


def hashed(email: str, encoding: str = "sha256") -> Identity:
    digest = new_digest(encoding, email.encode(), usedforsecurity=False).hexdigest()
    return Identity.model_validate({"type": "email", "value": digest, "encoding": encoding})


def moved_from(removed: Identity, new: str = NEW) -> IdentitiesChanged:
    return IdentitiesChanged(**common(new), added=identities(email=new), removed=(removed,))


def added(**values: str) -> IdentitiesChanged:
    return IdentitiesChanged(**common(), added=identities(**values))


def routed(message: Mapping[str, Any]) -> list[Record]:
    at = RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0)
    outs = route(orjson.dumps(message), at, NOW_MS, RouterSettings()).outs
    return [out.record for out in outs if isinstance(out.record, IdentitiesChanged)]


def of_batch(*changes: tuple[str | None, str | None]) -> Mapping[str, Any]:
    """A batch with a change event each, from old to new."""

    def told(email: str | None) -> object:
        return email and {"identity_type": "email", "identity": email}

    events = [
        {
            "event_type": "user_identity_change",
            "data": {"event_id": number, "old": told(old), "new": told(new)},
        }
        for number, (old, new) in enumerate(changes, 1)
    ]
    known = {"identity_type": "email", "identity": NEW}
    return {"mpid": USER.user, "user_identities": [known], "events": events}


def of_firehose(*changes: tuple[str | None, str | None]) -> Mapping[str, Any]:
    def told(email: str | None) -> Sequence[object]:
        return [{"type": "email", "encoding": "raw", "value": email}] if email else []

    events = [
        {
            "type": "user_identity_change",
            "id": f"e-{number}",
            "added": told(new),
            "removed": told(old),
        }
        for number, (old, new) in enumerate(changes, 1)
    ]
    known = {"type": "email", "encoding": "raw", "value": NEW}
    return {
        "type": "event_processing_request",
        "id": "r",
        "timestamp_ms": NOW_MS,
        "mpid": USER.user,
        "user_identities": [known],
        "events": events,
    }


async def deliver_all(sink: SailthruSink, records: Sequence[Record]) -> None:
    """Delivers what has a place."""
    for record in records:
        if not isinstance(sink.place(record, USER, NOW_MS), Dropped | Rejected):
            assert set(await deliver(sink, record)) == {Delivered()}


@pytest.mark.parametrize("written", [of_batch, of_firehose])
@pytest.mark.parametrize(
    "changes",
    [[(EMAIL, NEW)], [(EMAIL, None), (None, NEW)], [(None, NEW), (EMAIL, None)]],
    ids=["one event", "removed and added", "added and removed"],
)
async def test_a_change_of_address_keeps_the_history_however_it_is_told(
    sailthru: Simulated,
    written: Callable[..., Mapping[str, Any]],
    changes: list[tuple[str | None, str | None]],
) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"))
        await deliver(sink, event())
        await deliver_all(sink, routed(written(*changes)))
    assert list(sailthru.profiles()) == [NEW]
    assert sailthru.profiles()[NEW]["vars"] == {"tier": "gold"}
    assert len(sailthru.profiles()[NEW]["events"]) == 1


@pytest.mark.parametrize("encoding", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("known_by", ["an update", "an event", "a change"])
async def test_an_address_of_which_only_the_digest_was_removed_is_known_from_before(
    sailthru: Simulated, encoding: str, known_by: str
) -> None:
    before: Record = {
        "an update": attributes(tier="gold"),
        "an event": event(),
        "a change": moved(OTHER, EMAIL),
    }[known_by]
    async with sailthru.sink() as sink:
        await deliver(sink, before)
        assert await deliver(sink, moved_from(hashed(EMAIL, encoding))) == [Delivered()]
        await deliver(sink, attributes(topic="shoes"))
    assert list(sailthru.profiles()) == [NEW]
    assert sailthru.profiles()[NEW]["vars"]["topic"] == "shoes"


async def test_a_digest_of_another_address_moves_nothing(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"))
        await deliver(sink, moved_from(hashed(OTHER)))
    assert sailthru.profiles()[EMAIL]["vars"] == {"tier": "gold"}
    assert sailthru.profiles()[NEW]["vars"] == {}


async def test_another_users_address_is_not_taken_for_this_ones(sailthru: Simulated) -> None:
    async with sailthru.sink() as sink:
        await deliver(sink, attributes(tier="gold"), at=OTHER_USER)
        await deliver(sink, moved_from(hashed(EMAIL)))
    assert set(sailthru.profiles()) == {EMAIL, NEW}


async def test_addresses_are_remembered_of_as_many_users_as_the_setting_says(
    sailthru: Simulated,
) -> None:
    async with sailthru.sink(email_change_max_users=1) as sink:
        await deliver(sink, attributes(tier="gold"))
        await deliver(sink, attributes(OTHER, tier="new"), at=OTHER_USER)
        await deliver(sink, moved_from(hashed(EMAIL)))
    assert set(sailthru.profiles()) == {EMAIL, NEW, OTHER}


KEYS = "mobile_number=sms,facebook=fb,twitter=twitter"


async def test_further_identities_become_the_keys_that_the_setting_names(
    sailthru: Simulated,
) -> None:
    async with sailthru.sink(keys_from=KEYS) as sink:
        await deliver(sink, attributes(tier="gold"))
        await deliver(sink, added(mobile_number="+33601020304"))
        await deliver(sink, added(facebook="fb-17", twitter="@user17", yahoo="y"))
    keys = {"email": EMAIL, "sms": "+33601020304", "fb": "fb-17", "twitter": "@user17"}
    assert sailthru.profiles()[EMAIL]["keys"] == keys


async def test_identities_that_were_there_before_the_address_come_with_it(
    sailthru: Simulated,
) -> None:
    known = identities(email=EMAIL, mobile_number="+33601020304")
    first = IdentitiesChanged(**common() | {"identities": known}, added=identities(email=EMAIL))
    async with sailthru.sink(keys_from=KEYS) as sink:
        assert await deliver(sink, first) == [Delivered()]
    assert sailthru.profiles()[EMAIL]["keys"]["sms"] == "+33601020304"


async def test_a_number_that_two_people_share_does_not_merge_them(sailthru: Simulated) -> None:
    async with sailthru.sink(keys_from=KEYS) as sink:
        await deliver(sink, attributes(OTHER, tier="new"), at=OTHER_USER)
        shared = IdentitiesChanged(**common(OTHER), added=identities(mobile_number="+1"))
        await deliver(sink, shared, at=OTHER_USER)
        await deliver(sink, attributes(tier="gold"))
        [refused] = await deliver(sink, added(mobile_number="+1"))
    assert isinstance(refused, Rejected)
    assert refused.reason == "key_conflict"
    # So many may share a telephone: it says nothing of a deploy or a setting.
    assert refused.blames == "account"
    assert set(sailthru.profiles()) == {EMAIL, OTHER}


@pytest.mark.parametrize("keys_from", ["", "facebook=fb"])
def test_an_identity_without_a_key_is_counted(keys_from: str) -> None:
    sink = SailthruSink(settings(keys_from=keys_from))
    number = added(mobile_number="+33601020304")
    assert sink.place(number, USER, NOW_MS) == Dropped("identity_not_used")


def test_a_digest_is_no_key() -> None:
    sink = SailthruSink(settings(keys_from="mobile_number=sms"))
    digest = Identity(type="mobile_number", value="0" * 64, encoding="sha256")
    hidden = IdentitiesChanged(**common(), added=(digest,))
    assert sink.place(hidden, USER, NOW_MS) == Dropped("identity_not_used")


def test_a_key_can_be_set_on_a_profile_that_an_extid_finds() -> None:
    sink = SailthruSink(settings(identity_key="extid", extid_from="mpid", keys_from=KEYS))
    number = added(mobile_number="+1")
    body = sink.describe(sink.fold(lane(sink, number), [number]).request)["body"]
    assert (body["key"], body["keys"]["sms"]) == ("extid", "+1")
