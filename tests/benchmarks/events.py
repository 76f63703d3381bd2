"""Records on our topics in numbers, written faster than models would write them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from random import Random

from models.audience_membership import MembershipChanged
from models.event import Event
from models.record import Identity, RawPosition
from models.user_update import AttributesChanged
from streams import headers
from streams.kafka.batch_writer import Outgoing, partition_of
from streams.settings import KafkaSettings
from streams.topics import AUDIENCE_MEMBERSHIP, EVENTS, USER_UPDATE
from tests.benchmarks.work import RECEIVED_MS
from tests.routed import written

_RAW = RawPosition(topic="mparticle-raw", partition=0, offset=0, index=0)
_ID, _USER = "{id}", "{user}"
AUDIENCES = 50


def events(kafka: KafkaSettings, numbers: range, users: int) -> Iterator[Outgoing]:
    """Events of `users` users, each by turns; the number is the id."""
    made = written(
        Event(
            kind="custom_event",
            name="Order Completed",
            attributes={"order_id": "347712782", "total": 149.9},
            **_shared(),
        )
    )
    return _copies(kafka.topic(EVENTS.name), made, ((n, n % users) for n in numbers))


def updates(
    kafka: KafkaSettings, count: int, users: int, seed: int, *, leaning: float | None = None
) -> Iterator[Outgoing]:
    """Updates of users drawn by Zipf's law: the n-th has a share of 1 / n.

    With `leaning`, the users of the first partition have that share of all together.
    """
    made = written(AttributesChanged(attributes={"$City": "Boca Raton"}, **_shared()))
    shares = [1 / rank for rank in range(1, users + 1)]
    if leaning is not None:
        shares = _leant(shares, leaning, kafka.topic_partitions)
    drawn = Random(seed).choices(range(users), cum_weights=list(accumulate(shares)), k=count)
    return _copies(kafka.topic(USER_UPDATE.name), made, enumerate(drawn))


def _leant(shares: Sequence[float], leaning: float, partitions: int) -> list[float]:
    first = [partition_of(b"%d" % user, partitions) == 0 for user in range(len(shares))]
    of_first = sum(share for share, is_first in zip(shares, first, strict=True) if is_first)
    factors = {True: leaning / of_first, False: (1 - leaning) / (sum(shares) - of_first)}
    return [share * factors[is_first] for share, is_first in zip(shares, first, strict=True)]


def memberships(kafka: KafkaSettings, numbers: range, pairs: int) -> Iterator[Outgoing]:
    """Changes of `pairs` pairs of user and audience, each by turns joined and left."""
    topic = kafka.topic(AUDIENCE_MEMBERSHIP.name)
    made = {
        (audience, change): written(
            MembershipChanged(
                change=change,
                audience_id=str(900 + audience),
                audience_name=f"Audience {audience}",
                **_shared(),
            )
        )
        for audience in range(AUDIENCES)
        for change in ("joined", "left")
    }
    for number in numbers:
        turn, pair = divmod(number, pairs)
        change = "left" if turn % 2 else "joined"
        user = pair // AUDIENCES
        yield _copy(topic, made[pair % AUDIENCES, change], number, user)


def _shared() -> dict[str, object]:
    return {
        "id": _ID,
        "mpid": _USER,
        "identities": (Identity(type="email", value=f"{_USER}@shop.example"),),
        "received_at_ms": RECEIVED_MS,
        "raw": _RAW,
    }


def _copies(topic: str, made: Outgoing, who: Iterable[tuple[int, int]]) -> Iterator[Outgoing]:
    for number, user in who:
        yield _copy(topic, made, number, user)


def _copy(topic: str, made: Outgoing, number: int, user: int) -> Outgoing:
    id_, mpid = f"{number:032x}".encode(), f"{user}".encode()
    value = made.value.replace(_ID.encode(), id_).replace(_USER.encode(), mpid)
    marks = [(name, id_ if name == headers.ID else said) for name, said in made.headers]
    return Outgoing(topic, mpid, value, marks)
