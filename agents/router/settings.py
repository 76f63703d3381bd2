"""What an operator sets of the router."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from streams.settings import Settings


class RouterSettings(Settings):
    """How raw messages are understood."""

    model_config = SettingsConfigDict(env_prefix="ROUTER_")

    snapshots: Literal["never", "eventless", "server_to_server", "always"] = Field(
        "server_to_server",
        description="Which messages' own user attributes become a user-update: none, those without "
        "events, also those from servers, or all",
    )
    firehose_numbers: Literal["text", "number"] = Field(
        "text",
        description="What becomes of a number in an attribute of a Firehose message, where all are "
        "text: text as it came, or a number where it is written as numbers are (no zero or plus in "
        "front). `true` and `false` are booleans in any case",
    )
    development: Literal["deliver", "drop"] = Field(
        "deliver", description="What becomes of data from mParticle's development environment"
    )
