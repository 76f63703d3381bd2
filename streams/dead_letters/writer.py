"""Writes dead letters, and stops the flow when there are too many."""

import hashlib
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import islice, repeat
from types import MappingProxyType

from aiokafka import AIOKafkaProducer

from models.dead_letter import DeadLetter
from streams import metrics
from streams.kafka.patient_producer import partition_count
from streams.kafka.record_limits import RecordLimits, written_size
from streams.outcomes import Blocked
from streams.topics import DEAD_LETTERS, MAX_MESSAGE_BYTES

_HEAD_BYTES = 64 * 1024
# Base64 makes four bytes of three; the rest of the letter is small, its key twice in it included.
_LARGEST_VALUE = (MAX_MESSAGE_BYTES - 512 * 1024) // 4 * 3
_WINDOW = 1_000


def preserve_key(key: bytes | None) -> bytes | None:
    """The key, or the first 64 KiB of it: whoever writes to a topic chooses it."""
    return key and key[:_HEAD_BYTES]


def key_is_whole(key: bytes | None) -> bool:
    """Returns whether `preserve_key` kept all of it, as far as can be told."""
    return key is None or len(key) < _HEAD_BYTES


def preserve(value: bytes) -> dict[str, object]:
    """The fields of a dead letter that keep the bytes, or of too many the first 64 KiB."""
    truncated = len(value) > _LARGEST_VALUE
    return {
        "value": value[:_HEAD_BYTES] if truncated else value,
        "length": len(value),
        "sha256": hashlib.sha256(value).hexdigest(),
        "truncated": truncated,
    }


class FloodGuard:
    """Blocks when too large a share of the last 1,000 records became dead letters.

    One bad deploy or setting must not empty a topic into the dead letters. Only records that could
    tell of one are counted: neither those that are left out, nor dead letters that lie in an
    account's users and audiences, or a deploy that breaks all the others would hide behind them;
    nor what a person sends again.
    """

    def __init__(
        self, max_share: float, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`settings`: reason -> the one or two settings that an operator would look at."""
        self._most = max_share * _WINDOW
        self._settings = settings
        self._window: deque[str | None] = deque(maxlen=_WINDOW)
        self._reasons: Counter[str] = Counter()

    def count_passed(self, records: int) -> None:
        """Counts so many records, one after the other, of which none was rejected."""
        newest = min(records, _WINDOW)
        for forgotten in islice(self._window, max(0, len(self._window) + newest - _WINDOW)):
            if forgotten is not None:
                self._reasons[forgotten] -= 1
        self._window.extend(repeat(None, newest))

    def count(self, reason: str | None) -> Blocked | None:
        """Counts one record, and why it was rejected if it was."""
        if len(self._window) == _WINDOW and (forgotten := self._window[0]) is not None:
            self._reasons[forgotten] -= 1
        self._window.append(reason)
        if reason is None:
            return None
        self._reasons[reason] += 1
        rejected = self._reasons.total()
        if rejected <= self._most or self._most >= _WINDOW:
            return None
        most_common, _ = self._reasons.most_common(1)[0]
        settings = self._settings.get(most_common)
        look = f"look at {settings}, " if settings else ""
        return Blocked(
            "too_many_rejections",
            f"{rejected} of the last {len(self._window)} records became dead letters, most of them "
            f"{most_common}: {look}mend the cause and start the worker again, or let them pass "
            "with WORKER_MAX_REJECTED_SHARE=1.",
        )


class DeadLetters:
    """The way to the dead-letters topic; what it is given is in Kafka when `write` returns."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, limits: RecordLimits | None = None
    ) -> None:
        """Takes the topic for one that takes MAX_MESSAGE_BYTES where `limits` is None."""
        self._producer = producer
        self._topic = topic
        self._limits = limits

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Raises KafkaError when one cannot be written: then the worker must stop."""
        if not letters:
            return
        limits = await self._limits.read() if self._limits else {}
        most = limits.get(DEAD_LETTERS.name, MAX_MESSAGE_BYTES)
        await partition_count(self._producer, self._topic)
        sent = []
        for letter in letters:
            key, value = _written(letter, most)
            sent.append(await self._producer.send(self._topic, value, key=key))
        for future in sent:
            await future
        count(letters)


def _written(letter: DeadLetter, most: int) -> tuple[bytes | None, bytes]:
    """Key and value; of what would be more than `most` bytes, so much that it fits."""
    value = letter.model_dump_json(exclude_none=True).encode()
    if written_size(letter.key, value, ()) <= most:
        return letter.key, value
    cut = letter.model_copy(update={"value": b"", "truncated": True})
    room = most - written_size(cut.key, cut.model_dump_json(exclude_none=True).encode(), ())
    if room < 0:
        cut = cut.model_copy(update={"key": None})
        room = most - written_size(None, cut.model_dump_json(exclude_none=True).encode(), ())
    # Base64 makes four bytes of three, and of the last one or two.
    head = letter.value[: min(_HEAD_BYTES, max(0, room // 4 * 3 - 3))]
    cut = cut.model_copy(update={"value": head})
    return cut.key, cut.model_dump_json(exclude_none=True).encode()


def count(letters: Sequence[DeadLetter]) -> None:
    for letter in letters:
        metrics.DEAD_LETTERS.labels(
            stage=letter.stage, destination=letter.destination or "", reason=letter.reason
        ).inc()
