"""The kinds of message in the traffic, and how often each one comes."""

from dataclasses import dataclass, fields
from enum import StrEnum


class Kind(StrEnum):
    FIREHOSE = "firehose"
    BATCH = "batch"
    SNAPSHOT = "snapshot"
    SERVER_BATCH = "server_batch"
    MEMBERSHIP = "membership"
    PARTLY_BROKEN = "partly_broken"
    CROWD = "crowd"
    LEGACY_MEMBERSHIP = "legacy_membership"
    AUDIENCE_ADD = "audience_add"
    AUDIENCE_UPDATE = "audience_update"
    PRIVACY_REQUEST = "privacy_request"
    PROBE = "probe"
    REGISTRATION = "registration"
    RESPONSE = "response"
    REPEAT = "repeat"
    SECOND_UPLOAD = "second_upload"
    NOBODY = "nobody"
    DEVELOPMENT = "development"
    BROKEN = "broken"


@dataclass(frozen=True)
class Shares:
    """Shares of the traffic, 0 to 1; Firehose event requests and SDK batches halve what is left.

    `snapshot` is a batch without events, `server_batch` one from a server, `crowd` a membership
    message with many profiles, `legacy_membership` one of Firehose SDK 1.x, `repeat` an event
    message sent again, `second_upload` a batch whose events came in another batch before, `nobody`
    a batch with the mpid 0 that SDKs have for "no user yet", `development` one from a developer's
    device, `broken` one that is unreadable as a whole, `partly_broken` one with a broken event
    among good ones.
    """

    snapshot: float = 0.04
    server_batch: float = 0.04
    membership: float = 0.10
    partly_broken: float = 0.002
    crowd: float = 0.005
    legacy_membership: float = 0.005
    audience_update: float = 0.002
    privacy_request: float = 0.003
    probe: float = 0.01
    registration: float = 0.002
    response: float = 0.005
    repeat: float = 0.01
    second_upload: float = 0.01
    nobody: float = 0.005
    development: float = 0.01
    broken: float = 0.005

    def weights(self) -> dict[Kind, float]:
        asked = {Kind(field.name): float(getattr(self, field.name)) for field in fields(self)}
        rest = 1 - sum(asked.values())
        if rest < 0 or min(asked.values()) < 0:
            raise ValueError("shares of traffic must not be negative nor sum up to more than 1")
        return {Kind.FIREHOSE: rest / 2, Kind.BATCH: rest / 2, **asked}
