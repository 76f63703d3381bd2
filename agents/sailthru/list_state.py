"""Keeps the state of each list, as the topic `sailthru-lists` has it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import structlog
from aiokafka.structs import ConsumerRecord
from pydantic import ValidationError

from agents.sailthru.topics import SAILTHRU_LISTS
from models.list_state import ListState
from streams import clocks
from streams.outcomes import Delivered, Rejected

log = structlog.get_logger()

# Sailthru may take a list later that it refuses now, when somebody has mended something.
REFUSED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ListPolicy:
    """The most lists that are known, and the pause between looks at which to make, in seconds."""

    most_names: int = 100_000
    """Far more than an account has; what plays with names must not fill the memory."""
    look_s: float = 0.5
    """Seconds between two looks at what this worker has been assigned and at what is wanted."""


class ListBook:
    """The last word on each list, as far as it has been told."""

    def __init__(
        self, clock: Callable[[], float] = clocks.wall, policy: ListPolicy = ListPolicy()
    ) -> None:
        """`clock` gives unix seconds."""
        self._clock = clock
        self._most = policy.most_names
        self._too_many = Rejected("too_many_lists", f"there are {self._most} lists already")
        # Until when it holds, and what.
        self._ended: dict[str, tuple[float, Delivered | Rejected]] = {}
        self._wanted: dict[str, ConsumerRecord] = {}

    def tell(self, record: ConsumerRecord) -> str | None:
        """Takes a record of the topic; returns the name of the list, unless that is unreadable."""
        try:
            name = (record.key or b"").decode()
            known: ListState = SAILTHRU_LISTS.holds.validate_json(record.value or b"")
        except (UnicodeDecodeError, ValidationError) as error:
            log.warning(
                "list_state_unreadable",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=type(error).__name__,
            )
            return None
        if self._has_room_for(name):
            self._note(name, known, record)
        return name

    def _note(self, name: str, known: ListState, record: ConsumerRecord) -> None:
        match known.state:
            case "wanted":
                self._ended.pop(name, None)
                # The first is the one that is worked on; those that come meanwhile say no more.
                self._wanted.setdefault(name, record)
            case "ready":
                self.mark_made(name)
            case "refused":
                until = record.timestamp / 1000 + REFUSED_SECONDS
                self._ended[name] = until, Rejected(known.reason, known.detail)
                self._wanted.pop(name, None)

    def mark_made(self, name: str) -> None:
        """Takes it that a list is there."""
        self._ended[name] = inf, Delivered()
        self._wanted.pop(name, None)

    def _has_room_for(self, name: str) -> bool:
        known = name in self._ended or name in self._wanted
        return known or len(self._ended) + len(self._wanted) < self._most

    def outcome(self, name: str) -> Delivered | Rejected | None:
        """Delivered when a list is there, Rejected when it cannot be; None: ask, or wait."""
        if not self._has_room_for(name):
            return self._too_many
        until, outcome = self._ended.get(name, (0.0, None))
        return outcome if self._clock() < until else None

    def wanted(self, name: str) -> ConsumerRecord | None:
        """Returns where it stands that a list is wanted; None when it does not, or no more."""
        return self._wanted.get(name)

    def next_wanted(self, partition: int, after: int) -> ConsumerRecord | None:
        """The first record behind this offset that says a list is wanted which still is."""
        behind = (
            record
            for record in self._wanted.values()
            if record.partition == partition and record.offset > after
        )
        return min(behind, key=lambda record: record.offset, default=None)

    def forget(self, name: str) -> None:
        """Takes a list for unknown until it is told of again."""
        self._ended.pop(name, None)
