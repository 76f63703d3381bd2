"""Dead letters keep what could not go on, and too many of them stop the flow."""

import hashlib

import pytest
from aiokafka.errors import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from models.dead_letter import DeadLetter
from sandbox.kafka import Kafka
from streams.dead_letters.writer import DeadLetters, FloodGuard, preserve
from streams.delivery.completion import Completion
from streams.delivery.lane import Item
from streams.delivery.ordering.deduplication import Deduplication
from streams.delivery.ordering.update_barrier import NoBarrier
from streams.kafka.record_limits import RecordLimits
from streams.outcomes import Blocked, Rejected
from streams.topics import DEAD_LETTERS, MAX_MESSAGE_BYTES
from tests.streams.cluster import configure, create, producing, read, settings
from tests.streams.delivery.flow import Letters
from tests.streams.records import new_partition, source

HEAD = 64 * 1024


def letter(value: bytes, reason: str = "refused") -> DeadLetter:
    return DeadLetter(
        stage="sink",
        destination="scripted",
        reason=reason,
        topic="events",
        partition=1,
        offset=2**53 + 1,
        first_at_ms=1,
        last_at_ms=2,
        key=b"\xff\x00",
        **preserve(value),
    )


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b"x" * HEAD, b"x" * 5 * 1024 * 1024])
def test_bytes_are_kept_whole(value: bytes) -> None:
    assert preserve(value) == {
        "value": value,
        "length": len(value),
        "sha256": hashlib.sha256(value).hexdigest(),
        "truncated": False,
    }


def test_of_more_bytes_than_a_letter_holds_the_head_the_length_and_the_digest_are_kept() -> None:
    value = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)

    assert preserve(value) == {
        "value": value[:HEAD],
        "length": MAX_MESSAGE_BYTES,
        "sha256": hashlib.sha256(value).hexdigest(),
        "truncated": True,
    }


def test_the_largest_value_that_is_kept_whole_fits_into_a_message() -> None:
    """Found by halving: where the head begins to stand for all."""
    low, high = 0, MAX_MESSAGE_BYTES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if preserve(b"x" * middle)["truncated"] else (middle, high)

    assert len(letter(b"x" * low).model_dump_json()) < MAX_MESSAGE_BYTES
    assert low > 7 * 1024 * 1024


async def test_a_record_whose_key_is_large_too_still_fits_into_a_letter() -> None:
    """Whoever writes to a topic chooses the key; a letter that Kafka refuses ends the worker."""
    value, key = b"x" * 5 * 1024 * 1024, b"k" * 4 * 1024 * 1024
    letters = Letters()
    ends = Completion("scripted", letters, Deduplication(10), NoBarrier())
    partition = new_partition()
    partition.track([(0, len(value))])
    item = Item(source(value, 0, key=key), partition, 0)
    await ends.end_rejected([(item, Rejected("refused"))])

    (written,) = letters.written
    assert len(written.model_dump_json()) < MAX_MESSAGE_BYTES


@pytest.mark.kafka
async def test_what_was_written_is_in_kafka_bit_by_bit(kafka: Kafka, prefix: str) -> None:
    to = settings(kafka, prefix, partitions=1)
    await create(to, [DEAD_LETTERS])
    letters = [letter(b"\x00\xff{"), letter(b"x" * 7 * 1024 * 1024), letter(b"")]
    async with producing(to) as producer:
        await DeadLetters(producer, to.topic(DEAD_LETTERS.name)).write(letters)
    stored = await read(to, DEAD_LETTERS, 3)

    assert [DeadLetter.model_validate_json(record.value) for record in stored] == letters
    assert {record.key for record in stored} == {b"\xff\x00"}


@pytest.mark.kafka
async def test_a_letter_that_cannot_be_written_raises(kafka: Kafka, prefix: str) -> None:
    """Here because the topic takes less than anybody knows of."""
    to = settings(kafka, prefix, partitions=1)
    await create(to, [DEAD_LETTERS])
    await configure(to, DEAD_LETTERS, {"max.message.bytes": "5000"})
    async with producing(to) as producer:
        with pytest.raises(KafkaError):
            await DeadLetters(producer, to.topic(DEAD_LETTERS.name)).write([letter(b"x" * 9_000)])


@pytest.mark.kafka
@pytest.mark.parametrize("most", [1_048_588, 5_000, 600])
@pytest.mark.parametrize("key", [b"k", b"k" * 64 * 1024])
async def test_a_letter_fits_into_its_topic_whatever_that_takes(
    kafka: Kafka, prefix: str, most: int, key: bytes
) -> None:
    to = settings(kafka, prefix, partitions=1)
    await create(to, [DEAD_LETTERS])
    await configure(to, DEAD_LETTERS, {"max.message.bytes": str(most)})
    value = bytes(range(256)) * 8_000
    large = letter(value).model_copy(update={"key": key})
    async with producing(to) as producer:
        letters = DeadLetters(producer, to.topic(DEAD_LETTERS.name), RecordLimits.of(to))
        await letters.write([large])
    [stored] = await read(to, DEAD_LETTERS, 1)

    kept = DeadLetter.model_validate_json(stored.value)
    assert (kept.truncated, kept.length, kept.sha256) == (True, len(value), large.sha256)
    assert value.startswith(kept.value)
    assert len(kept.value) == (64 * 1024 if most > 100_000 else len(kept.value))
    assert kept.key == stored.key


def verdicts(guard: FloodGuard, *reasons: str | None) -> list[Blocked | None]:
    return [guard.count(reason) for reason in reasons]


@pytest.mark.parametrize(
    ("share", "rejected", "blocks"),
    [(0.5, 500, False), (0.5, 501, True), (0.0, 1, True), (0.01, 10, False), (0.01, 11, True)],
)
def test_the_guard_blocks_above_its_share_of_a_thousand(
    share: float, rejected: int, blocks: bool
) -> None:
    said = verdicts(FloodGuard(share), *["refused"] * rejected)

    assert (said[-1] is not None) is blocks
    assert not any(said[:-1])


def test_a_share_of_one_switches_the_guard_off() -> None:
    assert not any(verdicts(FloodGuard(1.0), *["refused"] * 3_000))


def test_only_the_last_thousand_records_count() -> None:
    guard = FloodGuard(0.5)
    verdicts(guard, *["refused"] * 400, *[None] * 1_000)

    assert not any(verdicts(guard, *["refused"] * 500))
    assert guard.count("refused") is not None


def test_the_guard_says_how_many_why_and_what_to_do() -> None:
    said = verdicts(FloodGuard(0.1), *["invalid_record"] * 40, *["refused"] * 61)[-1]

    assert said is not None
    assert said.reason == "too_many_rejections"
    assert "101 of the last 101 records" in said.what_to_do
    assert "most of them refused" in said.what_to_do
    assert "WORKER_MAX_REJECTED_SHARE=1" in said.what_to_do


@pytest.mark.parametrize(
    ("reason", "told"), [("refused", "refused: look at A_KEY and B_KEY, mend"), ("other", "mend")]
)
def test_the_guard_names_the_settings_that_an_operator_would_look_at(
    reason: str, told: str
) -> None:
    said = verdicts(FloodGuard(0.0, {"refused": "A_KEY and B_KEY"}), reason)[-1]

    assert said is not None
    assert told in said.what_to_do
    assert ("look at" in said.what_to_do) is (reason == "refused")


@given(st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 60)), max_size=12))
def test_records_that_passed_count_the_same_together_as_one_by_one(
    runs: list[tuple[int, int]],
) -> None:
    together, alone = FloodGuard(0.1), FloodGuard(0.1)
    for passed, rejected in runs:
        together.count_passed(passed)
        verdicts(alone, *[None] * passed)
        reasons = ["refused", "invalid_record"] * rejected
        assert verdicts(together, *reasons) == verdicts(alone, *reasons)
