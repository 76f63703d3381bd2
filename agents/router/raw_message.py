"""One raw message on its way: what it has become so far."""

from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agents.router.ids import Ids
from agents.router.keys import key
from agents.router.redaction import without_secrets
from agents.router.routed import TARGETS, About, Content, Out, Position, Routed
from agents.router.settings import RouterSettings
from models.dead_letter import DeadLetter
from models.record import SCHEMA_VERSION
from streams.dead_letters import preserve, preserve_key
from streams.topics import MAX_MESSAGE_BYTES, PRIVACY_REQUESTS, Topic

# What a topic takes, less the room for key and headers. A record is hardly larger than its message,
# so only large messages are looked at.
_MOST_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
_LARGE = MAX_MESSAGE_BYTES // 2
# Of a part with more faults, the first tell enough.
_MOST_PLACES = 3


class RawMessage:
    """Gathers what a raw message becomes.

    `whole` is the index for faults of all of it, or of the element where it `is_list`.
    """

    def __init__(
        self,
        value: bytes,
        at: Position,
        received_at_ms: int,
        settings: RouterSettings,
        key: bytes | None = None,
    ) -> None:
        self.value = value
        self.routed = Routed()
        self.settings = settings
        self.received_at_ms = received_at_ms
        self.is_list = False
        self.whole: int | None = None
        self.taken = 0
        self._at = at
        self._key = key
        self._ids = Ids()
        self._copied = 0

    def begin(self) -> None:
        """Begins the next of the messages that it lists."""
        self.whole = self.taken
        self._ids = Ids()

    def take(self, parts: int = 1) -> int:
        """Gives the next parts their indexes, and returns the first."""
        self.taken += parts
        return self.taken - parts

    def emit(
        self,
        content: Content,
        about: About,
        index: int,
        part: Any,
        *,
        at_ms: int | None = None,
        own_id: bool = False,
    ) -> None:
        """Adds a record of the part with that index.

        `part` is its content, as far as the record was made of it; `own_id` says that it has an id
        of its own at mParticle, `at_ms` is its own time.
        """
        topic, kind, sparse = TARGETS[content.of]
        shared = about.shared
        if shared.get("environment") == "development" and self._is_dropped(topic):
            self.drop("development")
            return
        kind = content.fields.get("kind", kind)
        scope = None if own_id else about.scope
        at = self._at
        fields = {
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "id": self._ids.make(kind, shared.get("mpid"), scope, part),
            "environment": "production",
            **shared,
            "received_at_ms": self.received_at_ms,
            "raw": {
                "topic": at.topic,
                "partition": at.partition,
                "offset": at.offset,
                "index": index,
            },
        }
        if occurred_at_ms := at_ms or about.at_ms:
            fields["occurred_at_ms"] = occurred_at_ms
        fields |= {
            name: value for name, value in content.fields.items() if value or name not in sparse
        }
        out = Out(topic, key(fields), fields)
        if len(self.value) > _LARGE and len(out.written()) > _MOST_BYTES:
            self.refuse("record_too_large", index, f"it does not fit into {topic.name}")
            return
        self.routed.outs.append(out)

    def mark(self) -> tuple[int, int, int]:
        """How much the message has become so far."""
        routed = self.routed
        return len(routed.outs), len(routed.dead_letters), len(routed.dropped)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Forgets what it became since then."""
        routed = self.routed
        del routed.outs[mark[0] :], routed.dead_letters[mark[1] :], routed.dropped[mark[2] :]

    def drop(self, reason: str) -> None:
        self.routed.dropped.append(reason)

    def refuse(self, reason: str, index: int | None, detail: str = "") -> None:
        """Sets the whole message's bytes aside because of the part with that index."""
        letter = DeadLetter(
            stage="router",
            reason=reason,
            detail=detail,
            topic=self._at.topic,
            partition=self._at.partition,
            offset=self._at.offset,
            index=index,
            first_at_ms=self.received_at_ms,
            last_at_ms=self.received_at_ms,
            key=preserve_key(self._key),
            **self._copy(),
        )
        self.routed.dead_letters.append(letter)

    def refuse_part(self, error: ValueError, reason: str, index: int | None) -> None:
        """The same for a part that does not have the form it should have."""
        if isinstance(error, ValidationError):
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            is_id = any(fault["type"] == "bad_id" for fault in faults)
            self.refuse("bad_id" if is_id else reason, index, _places(faults))
        else:
            self.refuse(reason, index, str(error))

    def _is_dropped(self, topic: Topic) -> bool:
        return self.settings.development == "drop" and topic is not PRIVACY_REQUESTS

    def _copy(self) -> dict[str, Any]:
        """The message's bytes; not again and again when many parts of a large one are broken."""
        kept = self._preserved
        self._copied += len(kept["value"])
        if self.routed.dead_letters and self._copied > MAX_MESSAGE_BYTES:
            return {**kept, "value": b"", "truncated": True}
        return kept

    @cached_property
    def _preserved(self) -> dict[str, Any]:
        return preserve(without_secrets(self.value))


def _places(faults: list[ErrorDetails]) -> str:
    told = (
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:_MOST_PLACES]
    )
    return "; ".join(told)
