"""An update that a router writes late, because it forgot what it knew, overwrites nothing newer."""

from typing import Any, NamedTuple

import pytest
from aiokafka.structs import ConsumerRecord

from models.record import Identity, RawPosition, Record
from models.user_update import AttributesChanged, IdentitiesChanged
from streams import headers, metrics
from streams.headers import Raw, Sent
from streams.topics import USER_UPDATE
from tests.routed import written
from tests.streams.delivery.flow import Flow
from tests.streams.records import source

SECOND = 1_000


class Update(NamedTuple):
    """What the router wrote of raw message `offset`; a raw message has the same time each time."""

    offset: int
    user: str = "17"
    raw_partition: int = 0
    received_at_ms: int | None = None
    epoch: int = 0
    redriven: bool = False
    says_raw: bool = True
    sent: Sent | None = None
    changes_identity: bool = False

    @property
    def id(self) -> str:
        return f"{self.user}/{self.raw_partition}/{self.offset}"

    def stored(self, place: int) -> ConsumerRecord:
        at_ms = self.offset * SECOND if self.received_at_ms is None else self.received_at_ms
        raw = Raw(self.raw_partition, self.offset, at_ms)
        shared: dict[str, Any] = {
            "id": self.id,
            "mpid": self.user,
            "received_at_ms": at_ms,
            "raw": RawPosition(
                topic="mparticle-raw", partition=self.raw_partition, offset=self.offset, index=0
            ),
        }
        record: Record = (
            IdentitiesChanged(added=(Identity(type="email", value="kit@users.example"),), **shared)
            if self.changes_identity
            else AttributesChanged(attributes={"fate": "passes"}, **shared)
        )
        stands_at = raw if self.says_raw else None
        marks = headers.make(
            record.id, record.kind, self.epoch, headers.origin(stands_at, self.sent)
        )
        if self.redriven:
            marks += headers.redriven("scripted", f"0/{place}")
        out = written(record)
        return source(out.value, place, key=out.key, topic=out.topic, headers=marks)


def sure(offset: int, sent_at_ms: int, **says: Any) -> Update:
    return Update(offset, sent=Sent(sent_at_ms, is_sure=True), **says)


def unsure(offset: int, sent_at_ms: int, **says: Any) -> Update:
    """What a router tells that does not remember the user."""
    return Update(offset, sent=Sent(sent_at_ms, is_sure=False), **says)


def stored(updates: list[Update]) -> list[ConsumerRecord]:
    return [update.stored(place) for place, update in enumerate(updates)]


STORIES = {
    "in their order": ([Update(1), Update(2), Update(3)], ["17/0/1", "17/0/2", "17/0/3"]),
    "an older one that nobody has seen": ([Update(2), Update(1)], ["17/0/2"]),
    "another user's": ([Update(2), Update(1, user="18")], ["17/0/2", "18/0/1"]),
    "of another raw partition": ([Update(2), Update(1, raw_partition=1)], ["17/0/2", "17/1/1"]),
    "of a raw topic made anew": (
        [Update(2), Update(1, received_at_ms=9 * SECOND)],
        ["17/0/2", "17/0/1"],
    ),
    "routed again on purpose": ([Update(2), Update(1, epoch=7)], ["17/0/2", "17/0/1"]),
    "sent again by a person": ([Update(2), Update(1, redriven=True)], ["17/0/2", "17/0/1"]),
    "of a router that says nothing of it": (
        [Update(2), Update(1, says_raw=False)],
        ["17/0/2", "17/0/1"],
    ),
    "of one message": ([Update(2), Update(2, user="17")._replace()], ["17/0/2"]),
    "sent before, by a router that is not sure": ([sure(1, 20), unsure(2, 10)], ["17/0/1"]),
    "in another raw partition": ([sure(1, 20), unsure(2, 10, raw_partition=1)], ["17/0/1"]),
    "sent before a change of identity": (
        [sure(1, 20, changes_identity=True), unsure(2, 10)],
        ["17/0/1"],
    ),
    "a change of identity, which counts for itself": (
        [sure(1, 20), unsure(2, 10, changes_identity=True)],
        ["17/0/1", "17/0/2"],
    ),
    "sent before what was unsure too": ([unsure(1, 20), unsure(2, 10)], ["17/0/1"]),
    "sent before, by one that is sure": ([sure(1, 20), sure(2, 10)], ["17/0/1", "17/0/2"]),
    "sent in the same message": ([sure(1, 20), unsure(2, 20)], ["17/0/1", "17/0/2"]),
    "sent later": ([sure(1, 10), unsure(2, 20)], ["17/0/1", "17/0/2"]),
    "of whom nothing else is known": ([unsure(2, 10)], ["17/0/2"]),
    "of another user, sent before": (
        [sure(1, 20), unsure(2, 10, user="18")],
        ["17/0/1", "18/0/2"],
    ),
    "sent before, routed again on purpose": (
        [sure(1, 20), unsure(2, 10, epoch=7)],
        ["17/0/1", "17/0/2"],
    ),
    "sent before, and again by a person": (
        [sure(1, 20), unsure(2, 10, redriven=True)],
        ["17/0/1", "17/0/2"],
    ),
    "after one that a person sent again": (
        [sure(1, 20, redriven=True), unsure(2, 10)],
        ["17/0/1", "17/0/2"],
    ),
    "after a router that does not say when": (
        [Update(1), unsure(2, 10)],
        ["17/0/1", "17/0/2"],
    ),
}


def overtaken() -> float:
    labels = {"stage": "scripted", "reason": "overtaken"}
    return metrics.REGISTRY.get_sample_value("mparticle_streams_records_dropped_total", labels) or 0


@pytest.mark.parametrize("story", STORIES)
async def test_an_update_of_an_earlier_raw_message_than_the_last_is_left_out(story: str) -> None:
    updates, delivered = STORIES[story]
    before = overtaken()
    async with Flow().running() as flow:
        partition = await flow.assign(topic=USER_UPDATE)
        await flow.accept(partition, stored(updates))
        await flow.settled(partition)

    assert flow.sink.delivered == delivered
    left_out = len({update.id for update in updates}) - len(delivered)
    assert overtaken() - before == left_out


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (Update(2), Update(1)),
        (sure(1, 20), unsure(2, 10)),
        (sure(1, 20, changes_identity=True), unsure(2, 10)),
    ],
    ids=["by their raw messages", "by when they were sent", "also a change of identity"],
)
async def test_what_was_seen_before_a_restart_counts(newer: Update, older: Update) -> None:
    before, after = stored([newer, older])
    async with Flow(past=[before]).running() as flow:
        partition = await flow.assign(1, topic=USER_UPDATE)
        await flow.accept(partition, [after])
        await flow.settled(partition)

    assert flow.sink.delivered == []


@pytest.mark.parametrize("updates", [[Update(1), Update(2)], [unsure(1, 10), sure(2, 20)]])
async def test_what_had_not_ended_comes_again_and_is_sent(updates: list[Update]) -> None:
    """The later of two may have ended beyond the watermark, and the earlier not."""
    earlier, later = stored(updates)
    async with Flow(past=[later]).running() as flow:
        partition = await flow.assign(topic=USER_UPDATE)
        await flow.accept(partition, [earlier])
        await flow.settled(partition)

    assert flow.sink.delivered == ["17/0/1"]


@pytest.mark.parametrize("written", [b"", b"1/2", b"a/b/c", b"1/2/3/4", b"-1/2/3", b"9" * 60])
def test_a_place_that_somebody_else_wrote_says_nothing(written: bytes) -> None:
    assert headers.read([(headers.RAW, written)]).raw is None
    assert headers.read([(headers.RAW, None)]).raw is None


@pytest.mark.parametrize("written", [b"", b"?", b"12", b"12?", b"-1?", b"12??", b"soon", b"9" * 60])
def test_when_an_update_was_sent_is_read_as_it_is_written_and_nothing_else(written: bytes) -> None:
    sent = headers.read([(headers.SENT, written)]).sent
    assert sent == {b"12": Sent(12, is_sure=True), b"12?": Sent(12, is_sure=False)}.get(written)
    assert headers.read([(headers.SENT, None)]).sent is None


def test_a_sink_of_the_version_before_still_finds_all_that_it_reads() -> None:
    """It knows the headers `id`, `kind`, `raw` and `epoch`, and `raw` by its form."""
    sent = Sent(12, is_sure=False)
    made = headers.make("17", "attributes_changed", 7, headers.origin(Raw(1, 2, 3), sent))
    assert [each for each in made if each[0] != headers.SENT] == [
        ("id", b"17"),
        ("kind", b"attributes_changed"),
        ("raw", b"1/2/3"),
        ("epoch", b"7"),
    ]
    assert headers.read(made).sent == sent
