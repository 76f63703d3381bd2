"""Ids of records: the same message gives the same ids, however often it is sent or routed.

Recipe, version 2. An id is the BLAKE2b digest (128 bits, hex) of the JSON, keys sorted and numbers
as `models.mparticle.numbers` has them, of

    [2, kind of record, mpid, scope, part, n]

part   the part of the raw message that the record was made of, with all its own ids and times, as
       parsed (duplicate keys resolved; NULs, `account_settings` and fields that nobody knows gone).
       Of an event that has its sender's id (`source_message_id`, `source_id`) and its time, without
       the ids that mParticle gives it: what an SDK uploads twice comes hours later in another batch
       with another `event_id` (mParticle/mparticle-apple-sdk, pull request 787);
scope  null where the part has an id of its own at mParticle (an event's `id`, `event_id` or
       `source_message_id`), so that it stays the same when mParticle packs it into another message;
       else what tells the message from all others: its ids, its time, and who it is about;
n      left out for the first; 1, 2, ... for further parts of one message that are equal in all of
       the above: nobody packs what they send again into the same message. Ids alone do not tell
       events apart: in one published sample (`anthonyw-mparticle/custom-rules`,
       `examples/batch-templates`) two events share `event_id` and `source_message_id`.

Neither the place in Kafka nor in the message takes part: mParticle may send a message again.
A change of this recipe is a new version, and makes everything in flight arrive once more. So does a
field that a release learns of, for messages that have it.
"""

from hashlib import blake2b
from typing import Any

from orjson import OPT_SORT_KEYS, dumps

from models.mparticle import numbers

_VERSION = 2
_IS_ORJSONS = numbers.IS_ORJSONS


class Ids:
    """Makes the ids of the records of one message."""

    __slots__ = ("_seen", "digested")

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self.digested = 0
        """Bytes of JSON that the ids were made of."""

    def make(self, kind: str, mpid: str | None, scope: Any, part: Any) -> str:
        described = [_VERSION, kind, mpid, scope, part]
        content = dumps(
            described if _IS_ORJSONS else numbers.spelled(described), None, OPT_SORT_KEYS
        )
        self.digested += len(content)
        id_ = blake2b(content, digest_size=16).hexdigest()
        seen = self._seen
        if id_ not in seen:
            seen[id_] = 1
            return id_
        equals = seen[id_]
        seen[id_] = equals + 1
        self.digested += len(content)
        # In an array as it is written, the last item.
        return blake2b(b"%b,%d]" % (content[:-1], equals), digest_size=16).hexdigest()
