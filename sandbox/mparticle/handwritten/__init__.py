"""Messages written by hand: one of every type, and the awkward cases, each with its own users."""

from collections.abc import Callable

from sandbox.mparticle.handwritten.audiences import (
    connections,
    from_the_future,
    hashed_member,
    legacy,
    member,
    name_used_again,
    without_a_name,
)
from sandbox.mparticle.handwritten.case import Case
from sandbox.mparticle.handwritten.every_event import batch_events, firehose_events
from sandbox.mparticle.handwritten.identities import (
    anonymous_then_known,
    changed_by_a_digest,
    changed_by_two_events,
    changed_email,
    hash_without_encoding,
    never_an_email,
    user_zero,
    without_mpid,
)
from sandbox.mparticle.handwritten.nobody import dropped, erasures, unreadable
from sandbox.mparticle.handwritten.oddities import (
    bulk,
    clock_of_the_client,
    flags_and_tokens,
    from_a_developer,
    names_with_signs,
    on_the_web,
    partly_broken_batch,
    partly_broken_request,
    sent_twice,
    times_of_all_forms,
    too_old,
    twice_the_same_key,
    uploaded_twice,
)
from sandbox.mparticle.handwritten.values import (
    odd_names,
    part_of_the_attributes,
    reserved_attributes,
    shuffled_changes,
    snapshots,
    texts_of_the_firehose,
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
    odd_names,
    texts_of_the_firehose,
    part_of_the_attributes,
    changed_email,
    changed_by_two_events,
    changed_by_a_digest,
    anonymous_then_known,
    never_an_email,
    hash_without_encoding,
    user_zero,
    without_mpid,
    member,
    hashed_member,
    legacy,
    name_used_again,
    without_a_name,
    from_the_future,
    sent_twice,
    uploaded_twice,
    too_old,
    times_of_all_forms,
    clock_of_the_client,
    flags_and_tokens,
    names_with_signs,
    from_a_developer,
    on_the_web,
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

    Their users and audiences are none of the generated traffic, but for audiences that
    were there before, so the ledgers can be merged.
    """
    messages: list[Message] = []
    ledger = Ledger()
    for write in CASES:
        case = write(now_ms - 600_000)
        messages += case.messages
        ledger.merge(case.ledger)
    ledger.counts.messages["handwritten"] = len(messages)
    return messages, ledger
