"""Records on our topics in numbers, written faster than models would write them."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from random import Random

from models.event import Event
from models.record import Identity, RawPosition, serialize
from models.user_update import AttributesChanged
from streams import headers
from streams.engine.batches import Outgoing
from streams.settings import KafkaSettings
from streams.topics import EVENTS, USER_UPDATE
from tests.benchmarks.work import RECEIVED_MS

_RAW = RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0)
_ID, _USER = "{id}", "{user}"


def events(kafka: KafkaSettings, numbers: range, users: int) -> Iterator[Outgoing]:
    """Events of `users` users, each by turns; the number is the id."""
    written = serialize(
        Event(
            kind="custom_event",
            name="Order Completed",
            attributes={"order_id": "347712782", "total": 149.9},
            **_shared(),
        )
    )
    return _copies(kafka.topic(EVENTS.name), written, ((n, n % users) for n in numbers))


def updates(kafka: KafkaSettings, count: int, users: int, seed: int) -> Iterator[Outgoing]:
    """Updates of users drawn by Zipf's law: the n-th has a share of 1 / n."""
    written = serialize(AttributesChanged(attributes={"$City": "Boca Raton"}, **_shared()))
    shares = list(accumulate(1 / rank for rank in range(1, users + 1)))
    drawn = Random(seed).choices(range(users), cum_weights=shares, k=count)
    return _copies(kafka.topic(USER_UPDATE.name), written, enumerate(drawn))


def _shared() -> dict[str, object]:
    return {
        "id": _ID,
        "mpid": _USER,
        "identities": (Identity(type="email", value=f"{_USER}@shop.example"),),
        "received_at_ms": RECEIVED_MS,
        "raw": _RAW,
    }


def _copies(topic: str, written: bytes, who: Iterable[tuple[int, int]]) -> Iterator[Outgoing]:
    kind = written.partition(b'"kind":"')[2].partition(b'"')[0].decode()
    for number, user in who:
        id_, mpid = f"{number:032x}", f"{user}"
        value = written.replace(_ID.encode(), id_.encode()).replace(_USER.encode(), mpid.encode())
        yield Outgoing(topic, mpid.encode(), value, RECEIVED_MS, headers.make(id_, kind, 0))
