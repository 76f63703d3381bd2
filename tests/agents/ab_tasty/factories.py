"""Records and settings that are valid, with the fields that a test cares about."""

from itertools import count
from typing import Any, Literal

from agents.ab_tasty.settings import AbTastySettings
from models.audience_membership import AudienceChanged, MembershipChanged
from models.record import RawPosition
from streams.delivery.sink import Placement

AT = Placement(user="8140027735519024411", partition=3)
NOW_MS = 1_767_225_700_000

UDC: dict[str, Any] = {
    "account_id": "sandbox-account",
    "partner_name": "mparticle",
    "client_id": "sandbox-client",
    "client_secret": "sandbox-secret",
}
FIREHOSE: dict[str, Any] = {
    "mode": "firehose",
    "base_url": "https://ab-tasty.example",
    "account_id": "4242",
    "api_key": "sandbox-key",
}

_numbers = count()


def udc(**fields: Any) -> AbTastySettings:
    return AbTastySettings.model_validate({**UDC, **fields})


def firehose(**fields: Any) -> AbTastySettings:
    return AbTastySettings.model_validate({**FIREHOSE, **fields})


def _common(fields: dict[str, Any]) -> dict[str, Any]:
    number = next(_numbers)
    return {
        "id": f"record-{number}",
        "mpid": "8140027735519024411",
        "occurred_at_ms": 1_767_225_600_000,
        "received_at_ms": 1_767_225_601_000,
        "raw": RawPosition(topic="mparticle-raw", partition=3, offset=number, index=0),
        "audience_id": "31001",
        "audience_name": "Lapsed buyers",
        **fields,
    }


def membership(
    change: Literal["joined", "left"] = "joined",
    **fields: Any,
) -> MembershipChanged:
    return MembershipChanged(**_common({"change": change, **fields}))


def audience(
    change: Literal["connected", "updated", "disconnected"] = "connected",
    **fields: Any,
) -> AudienceChanged:
    return AudienceChanged(**_common({"mpid": None, "change": change, **fields}))
