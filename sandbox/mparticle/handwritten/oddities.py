"""Messages of an odd form: sent twice, out of date, with doubled keys, in bulk, half broken."""

from sandbox.mparticle.handwritten.case import Case, batch, batch_event_id, event_id, request
from sandbox.mparticle.ledger import Counts, Ledger, Profile
from sandbox.mparticle.wire import Body, Message, message

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
