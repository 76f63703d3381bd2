"""Messages of an odd form: sent twice, out of date, with doubled keys, in bulk, half broken."""

from datetime import UTC, datetime

from sandbox.mparticle.handwritten.case import Case, batch, batch_event_id, event_id, request
from sandbox.mparticle.ledger import Counts, Ledger, Profile
from sandbox.mparticle.wire import NEVER_SENT, Body, Message, message

_DAY_MS = 86_400_000
_SEEN: Body = {"type": "custom_event", "name": "seen"}
_SEEN_IN_BATCH: Body = {"event_type": "custom_event", "event_name": "seen"}


def _seen(email: str, *ids: str, counts: Counts | None = None) -> Ledger:
    profile = Profile(events={"seen": list(ids)})
    return Ledger(profiles={email: profile}, counts=counts or Counts())


def sent_twice(base: int) -> Case:
    """A resend after a time-out, byte for byte."""
    sent = message(request(301, "twice@shop.example", base, _SEEN), 301)
    counts = Counts(repeated_events=1)
    return Case([sent, sent], _seen("twice@shop.example", event_id(301, 1), counts=counts))


def too_old(base: int) -> Case:
    """Sailthru's integration refuses what is older than 14 days."""
    old = _SEEN | {"timestamp_ms": base - 20 * _DAY_MS}
    body = request(302, "old@shop.example", base, old, _SEEN)
    counts = Counts(too_old_events=1)
    return Case([message(body, 302)], _seen("old@shop.example", event_id(302, 2), counts=counts))


def uploaded_twice(base: int) -> Case:
    """An SDK uploads an event in two batches, hours apart: only the client's ids are the same."""
    email = "upload@shop.example"
    ids: Body = {"source_message_id": "9d0c7d6e-0000-4000-8000-000000000307", "session_id": "-77"}
    seen = _SEEN_IN_BATCH | ids | {"timestamp_unixtime_ms": base - 5000}
    first = batch(307, email, base, seen) | {"batch_id": "-81", "message_id": "first"}
    second = batch(307, email, base + 60_000, seen, first=2)
    second |= {"batch_id": "-82", "message_id": "second"}
    counts = Counts(repeated_events=1)
    ledger = _seen(email, str(batch_event_id(307, 1)), counts=counts)
    return Case([message(first, 307), message(second, 307)], ledger)


def times_of_all_forms(base: int) -> Case:
    """ISO 8601, seconds, micro- and nanoseconds, a digit too few, and none: all are read."""
    email = "times@shop.example"
    iso = datetime.fromtimestamp(base / 1000, UTC).isoformat(timespec="milliseconds")
    written: list[object] = [
        iso.replace("+00:00", "Z"),
        iso,
        base // 1000,
        base * 1000,
        base * 10**6,
    ]
    written += [str(base // 1000), base // 10, 0, None]
    events = [_SEEN_IN_BATCH | {"timestamp_unixtime_ms": at} for at in written]
    body = batch(308, email, base, *events) | {"timestamp_unixtime_ms": iso}
    ids = [str(batch_event_id(308, number)) for number in range(1, len(events) + 1)]
    return Case([message(body, 308)], _seen(email, *ids))


def clock_of_the_client(base: int) -> Case:
    """A clock that is a year ahead, or two behind, tells nothing of an event's age."""
    email, years = "clock@shop.example", (365 * _DAY_MS, -730 * _DAY_MS)
    events = [_SEEN_IN_BATCH | {"timestamp_unixtime_ms": base + off} for off in years]
    body = batch(309, email, base, *events)
    ids = [str(batch_event_id(309, number)) for number in (1, 2)]
    return Case([message(body, 309)], _seen(email, *ids))


def flags_and_tokens(base: int) -> Case:
    """What is meant for somebody else stays here: flags, tokens in addresses, push tokens."""
    email = "flags@shop.example"
    events: list[Body] = [
        {"event_type": "network_performance", "url": f"https://api.shop.example/?t={NEVER_SENT}"},
        {"event_type": "push_registration", "register": True, "registration_token": NEVER_SENT},
        _SEEN_IN_BATCH | {"custom_flags": {"Facebook.BrowserId": NEVER_SENT}},
        {"event_type": "breadcrumb", "label": NEVER_SENT},
        {"event_type": "opt_out", "is_opted_out": True},
    ]
    body = batch(310, email, base, *events)
    return Case([message(body, 310)], _seen(email, str(batch_event_id(310, 3))))


def names_with_signs(base: int) -> Case:
    """As Branch names its attributes, and as people name events: reserved names in any case."""
    email = "signs@shop.example"
    named = {"Purchase": "custom_Purchase", " purchase": "custom_purchase", "OPEN": "custom_OPEN"}
    named |= {" sorted ": "sorted", "50% off!": "50% off!"}
    signs = {"~campaign": "spring", "+click_timestamp": 1_795_899_999, "campaign": "summer"}
    events = [
        {"event_type": "custom_event", "event_name": name, "custom_attributes": signs}
        for name in named
    ]
    profile = Profile(
        events={
            name: [str(batch_event_id(311, number))]
            for number, name in enumerate(named.values(), 1)
        }
    )
    body = batch(311, email, base, *events)
    return Case([message(body, 311)], Ledger(profiles={email: profile}))


def from_a_developer(base: int) -> Case:
    """Development data are for no destination."""
    in_batch = batch(312, "dev@shop.example", base, _SEEN_IN_BATCH) | {"environment": "Development"}
    debug = request(313, "dev2@shop.example", base, _SEEN)
    debug["runtime_environment"] = {"type": "ios", "is_debug": True}
    messages = [message(in_batch, 312), message(debug, 313)]
    return Case(messages, Ledger(counts=Counts(development=2)))


def on_the_web(base: int) -> Case:
    """What the web SDK of 2026 adds to its events, and to a batch."""
    email = "web@shop.example"
    web = {"page_url": "https://shop.example/p/1", "active_time_on_site_ms": 1234}
    body = batch(314, email, base, _SEEN_IN_BATCH | web) | {"modified": True}
    return Case([message(body, 314)], _seen(email, str(batch_event_id(314, 1))))


def twice_the_same_key(base: int) -> Case:
    """Published samples have a key twice in one object: the last one counts."""
    value = message(request(303, "keys@shop.example", base, _SEEN)).value
    doubled = value.replace(b'"mpid":"303"', b'"mpid":"999","source_id":"a","mpid":"303"')
    return Case([Message(b"303", doubled)], _seen("keys@shop.example", event_id(303, 1)))


def bulk(base: int) -> Case:
    """The bulk form of batches: an array."""
    email, numbers = "bulk@shop.example", (1, 2)
    batches = [batch(304, email, base, _SEEN_IN_BATCH, first=number) for number in numbers]
    ids = [str(batch_event_id(304, number)) for number in numbers]
    return Case([message(batches, 304)], _seen(email, *ids))


def partly_broken_request(base: int) -> Case:
    """The good events of a message arrive, the broken one is one dead letter."""
    email, typeless = "partly@shop.example", {"name": "lost"}
    body = request(305, email, base, _SEEN, typeless, _SEEN)
    ids = [event_id(305, number) for number in (1, 3)]
    return Case([message(body, 305)], _seen(email, *ids, counts=Counts(partly_broken=1)))


def partly_broken_batch(base: int) -> Case:
    """The same in a batch: attributes that are no map."""
    email, wrong = "partly2@shop.example", _SEEN_IN_BATCH | {"custom_attributes": 5}
    body = batch(306, email, base, _SEEN_IN_BATCH, wrong, _SEEN_IN_BATCH)
    ids = [str(batch_event_id(306, number)) for number in (1, 3)]
    return Case([message(body, 306)], _seen(email, *ids, counts=Counts(partly_broken=1)))
