"""Mode `firehose`: the messages that mParticle sends to a partner that takes audiences.

Shapes: mParticle/mparticle-firehose-java-sdk, examples/json and sdk/…/audienceprocessing.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import orjson

from agents.ab_tasty.calls import Member, Post
from agents.ab_tasty.mapping import audience_unknown, fold, no_visitor
from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.subscriptions import Subscriptions
from agents.learned_names import LearnedNames
from models.audience_membership import OF_AUDIENCES, AudienceChanged, MembershipChanged
from models.record import Record
from streams.delivery.sink import Batch, LaneKey, Placement
from streams.outcomes import Dropped, Rejected

MEMBERSHIP = "membership"
SUBSCRIPTION = "subscription"

_VERSION = "3.2.0"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_MESSAGE_IDS = uuid.UUID("6ad1a1b4-62c5-5d26-9c86-0f4c5c1c8a57")
_ACTIONS = {
    "joined": "add",
    "left": "delete",
    "connected": "add",
    "updated": "update",
    "disconnected": "remove",
}
# The bytes that may surround one audience in a message: its user's profile, and commas.
_PROFILE_BYTES = len('{"mpid":"","audiences":[]},,')
# All of a message but its profiles and the key.
_ENVELOPE_BYTES = 512


class _Membership(NamedTuple):
    mpid: str
    audience: dict[str, Any]


class Firehose:
    """Places memberships and audiences, and writes them as mParticle's requests."""

    endpoints = (MEMBERSHIP, SUBSCRIPTION)

    def __init__(
        self, settings: AbTastySettings, names: LearnedNames, connects: Subscriptions
    ) -> None:
        self._settings = settings
        self._names = names
        self._connects = connects
        self._account = settings.account_number
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        overhead = _ENVELOPE_BYTES + len((settings.api_key_setting + key).encode())
        self._room = settings.batch_max_bytes - overhead
        self._urls = {endpoint: settings.url(endpoint) for endpoint in self.endpoints}

    def place(self, record: Record, at: Placement) -> LaneKey | Dropped | Rejected:
        if not isinstance(record, OF_AUDIENCES):
            return Dropped("not_needed")
        if _number(record.audience_id) is None:
            return Rejected("audience_id", "mParticle's audience ids are numbers")
        if not self._names.name(record):
            return audience_unknown(record.audience_id)
        if isinstance(record, AudienceChanged):
            if record.change == "connected":
                self._connects.expect(record.audience_id, self._subscription(record))
            return LaneKey(SUBSCRIPTION, record.audience_id)
        if not record.mpid:
            return no_visitor("mpid")
        return LaneKey(MEMBERSHIP, at.partition)

    def fold(self, lane: LaneKey, waiting: Sequence[Record]) -> Batch[Post]:
        if lane.endpoint == SUBSCRIPTION:
            return Batch(self._subscription(cast("AudienceChanged", waiting[0])), 1)
        return self._memberships(cast("Sequence[MembershipChanged]", waiting))

    def _subscription(self, change: AudienceChanged) -> Post:
        optional = {
            "audience_description": change.audience_description,
            "audience_subscription_settings": change.audience_settings,
            "previous_audience_subscription_settings": change.previous_settings,
        }
        message = {
            **_envelope("audience_subscription_request", [change], self._account),
            "audience_id": _number(change.audience_id),
            "audience_name": self._names.name(change),
            **{name: value for name, value in optional.items() if value},
            "action": _ACTIONS[change.change],
        }
        names = {change.audience_id: self._names.name(change) or ""}
        return Post(SUBSCRIPTION, self._urls[SUBSCRIPTION], message, names)

    def _memberships(self, waiting: Sequence[MembershipChanged]) -> Batch[Post]:
        """Merges users; of one user and audience the last change stays, in its place."""
        folded, size = fold(self._entries(waiting), self._settings.batch_max_rows, self._room)
        profiles: dict[str, list[dict[str, Any]]] = {}
        for each in folded:
            profiles.setdefault(each.mpid, []).append(each.audience)
        kind = "audience_membership_change_request"
        message = {
            **_envelope(kind, waiting[:size], self._account),
            "user_profiles": [
                {"mpid": mpid, "audiences": audiences} for mpid, audiences in profiles.items()
            ],
        }
        names = {each.audience_id: self._names.name(each) or "" for each in waiting[:size]}
        members = [
            Member(each.mpid or "", each.audience_id, each.change == "joined")
            for each in waiting[:size]
        ]
        post = Post(MEMBERSHIP, self._urls[MEMBERSHIP], message, names, members=members)
        first = self._connects.before(post)
        return Batch(first, size, first.endpoint)

    def _entries(
        self, waiting: Iterable[MembershipChanged]
    ) -> Iterator[tuple[tuple[str, str], int, _Membership]]:
        for change in waiting:
            assert change.mpid, "only what `place` accepted waits"
            audience: dict[str, Any] = {
                "audience_id": _number(change.audience_id),
                "audience_name": self._names.name(change),
                "action": _ACTIONS[change.change],
            }
            if change.audience_settings:
                audience["audience_subscription_settings"] = change.audience_settings
            size = len(orjson.dumps(audience)) + len(change.mpid) + _PROFILE_BYTES
            yield (change.mpid, change.audience_id), size, _Membership(change.mpid, audience)


def _number(text: str) -> int | None:
    """Returns the number that mParticle sent: one of 64 bits, signed."""
    number = int(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def probe(account: int | str) -> dict[str, Any]:
    """A membership request about nobody, with which mParticle verifies a partner now and then."""
    return _envelope("audience_membership_change_request", (), account)


def _envelope(kind: str, records: Sequence[Record], account: int | str) -> dict[str, Any]:
    """The same records give the same id and time, so that a repeat is known as one."""
    times = (record.counts_at_ms or record.received_at_ms for record in records)
    return {
        "type": kind,
        "id": str(uuid.uuid5(_MESSAGE_IDS, "\n".join(record.id for record in records))),
        "timestamp_ms": max(times, default=0),
        "firehose_version": _VERSION,
        "account": {"account_id": account},
    }
