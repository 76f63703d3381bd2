"""A member's row once more, as a record."""

from typing import Literal

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from agents.ab_tasty.day_slices import Joined
from agents.ab_tasty.topics import AB_TASTY_MEMBERS
from models.audience_membership import MembershipChanged
from models.record import Identity, RawPosition


def again(
    member: Joined, change: Literal["joined", "left"], partition: int, identity: str, now_ms: int
) -> MembershipChanged:
    """`identity` is the setting: what of a user is the visitor id."""
    kind, _, type_ = identity.partition(":")
    identities = (Identity(type=type_, value=member.visitor_id),)
    record = MembershipChanged(
        id=f"refresh/{partition}/{member.offset}",
        mpid=member.visitor_id if kind == "mpid" else None,
        identities=identities if kind == "user" else (),
        partner_identities=identities if kind == "partner" else (),
        received_at_ms=now_ms,
        raw=RawPosition(
            topic=AB_TASTY_MEMBERS.name, partition=partition, offset=member.offset, index=0
        ),
        change=change,
        audience_id=member.audience_id,
    )
    # Counted apart: no record of the router's is behind it.
    return record.model_copy(update={"kind": "membership_refreshed"})


def source(member: Joined, at: TopicPartition) -> ConsumerRecord:
    """The record of the members' topic that it stands in, as a lane wants it."""
    value = b"%d" % member.at_ms
    return ConsumerRecord(
        topic=at.topic,
        partition=at.partition,
        offset=member.offset,
        timestamp=member.at_ms,
        timestamp_type=0,
        key=member.key,
        value=value,
        checksum=None,
        serialized_key_size=len(member.key),
        serialized_value_size=len(value),
        headers=(),
    )
