"""Messages written by hand: one of every type, and the awkward cases, each with its own users."""

from collections.abc import Callable

from sandbox.mparticle.handwritten.audiences import connections, hashed_member, legacy, member
from sandbox.mparticle.handwritten.case import Case
from sandbox.mparticle.handwritten.every_event import batch_events, firehose_events
from sandbox.mparticle.handwritten.identities import (
    anonymous_then_known,
    changed_email,
    never_an_email,
    without_mpid,
)
from sandbox.mparticle.handwritten.nobody import dropped, erasures, unreadable
from sandbox.mparticle.handwritten.oddities import (
    bulk,
    partly_broken_batch,
    partly_broken_request,
    sent_twice,
    too_old,
    twice_the_same_key,
)
from sandbox.mparticle.handwritten.values import (
    reserved_attributes,
    shuffled_changes,
    snapshots,
    typed_values,
    updated_and_removed,
)
from sandbox.mparticle.ledger import Ledger
from sandbox.mparticle.wire import Message

CASES: tuple[Callable[[int], Case], ...] = (
    connections,
    firehose_events,
    batch_events,
    reserved_attributes,
    typed_values,
    shuffled_changes,
    updated_and_removed,
    snapshots,
    changed_email,
    anonymous_then_known,
    never_an_email,
    without_mpid,
    member,
    hashed_member,
    legacy,
    sent_twice,
    too_old,
    twice_the_same_key,
    bulk,
    partly_broken_request,
    partly_broken_batch,
    dropped,
    erasures,
    unreadable,
)


def handwritten(now_ms: int) -> tuple[list[Message], Ledger]:
    """All cases in order, none older than ten minutes but the event that is too old on purpose.

    Their users and audiences are none of the generated traffic, so the ledgers can be merged.
    """
    messages: list[Message] = []
    ledger = Ledger()
    for write in CASES:
        case = write(now_ms - 600_000)
        messages += case.messages
        ledger.merge(case.ledger)
    ledger.counts.messages["handwritten"] = len(messages)
    return messages, ledger
