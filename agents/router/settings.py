"""The router's settings."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from pydantic import Field, PositiveInt
from pydantic_settings import SettingsConfigDict

from streams.base_settings import Settings


class RouterSettings(Settings):
    """Settings that say how raw messages are read and bounded."""

    model_config = SettingsConfigDict(env_prefix="ROUTER_")

    snapshots: Literal["changed", "always", "never"] = Field(
        "changed",
        description="Which user attributes that a message has besides its events become a "
        "user-update: those that differ from what was routed of the user before, all of every "
        "message, or none",
    )
    snapshot_max_users: int = Field(
        200_000,
        ge=0,
        description="How many users' attributes a worker remembers, to tell which differ; as "
        "digests, of a user with 20 attributes about 640 bytes",
    )
    firehose_numbers: Literal["text", "number"] = Field(
        "text",
        description="What becomes of a number in an attribute of a Firehose message, where all are "
        "text: text as it came, or a number where it is written as numbers are (no zero or plus in "
        "front). `true` and `false` are booleans in any case",
    )
    max_parts: PositiveInt = Field(
        20_000,
        description="events, profiles, audiences and other parts of one message, above which all "
        "of it becomes a dead letter",
    )
    max_growth: PositiveInt = Field(
        20,
        description="how many times its own bytes the records of one message may have together, or "
        "16 MiB where that is more; above it all of it becomes a dead letter",
    )
    dead_letter_offsets: str = Field(
        "",
        pattern=r"^\s*(\d+/\d+\s*(,\s*\d+/\d+\s*)*)?$",
        description="messages that become dead letters unread, by their partition/offset in "
        "mparticle-raw, parted by commas: the way past one whose records Kafka refuses",
    )

    @cached_property
    def is_set_aside(self) -> frozenset[tuple[int, int]]:
        """Partition and offset of each message that a person has set aside."""
        positions = (
            each.split("/") for each in self.dead_letter_offsets.split(",") if each.strip()
        )
        return frozenset((int(partition), int(offset)) for partition, offset in positions)


DROPPED_BY: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        ("snapshots_never", "snapshots_unchanged", "snapshots_overtaken"),
        RouterSettings.variable("snapshots"),
    )
)
"""Reason of a drop -> the setting by which it would be routed."""
