"""Raw messages with only what a test is about, and the ways to give them to a command."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
from click.testing import CliRunner, Result

from cli.main import main
from cli.settings import groups

MPID = "-7701122334455667788"
EMAIL = "lin@shop.example"


def event_batch(*events: Mapping[str, Any], **fields: Any) -> bytes:
    identities = [{"identity_type": "email", "identity": EMAIL}]
    batch = {"mpid": MPID, "user_identities": identities, "events": events, **fields}
    return orjson.dumps(batch)


def attribute(name: str, new: object) -> Mapping[str, Any]:
    data = {"user_attribute_name": name, "new": new}
    return {"event_type": "user_attribute_change", "data": data}


def custom_event(name: str, **attributes: Any) -> Mapping[str, Any]:
    data = {"event_name": name, "custom_attributes": attributes}
    return {"event_type": "custom_event", "data": data if attributes else {"event_name": name}}


def memberships(*names: str) -> bytes:
    profile = {
        "mpid": MPID,
        "user_identities": [{"type": "email", "encoding": "raw", "value": EMAIL}],
        "audiences": [
            {"audience_id": number, "audience_name": name, "action": "add"}
            for number, name in enumerate(names, 2101)
        ],
    }
    message = {"type": "audience_membership_change_request", "user_profiles": [profile]}
    return orjson.dumps(message)


def invoke(
    *arguments: str, given: bytes = b"", settings: Mapping[str, str] = MappingProxyType({})
) -> Result:
    """Runs a command in this process, with these settings and no others."""
    unset = {
        f"{group.model_config.get('env_prefix')}{name}{end}".upper(): None
        for group in groups()
        for name in group.model_fields
        for end in ("", "_FILE")
    }
    return CliRunner().invoke(main, arguments, input=given, env={**unset, **settings})


def lines(result: Result) -> list[Any]:
    """The JSON lines on standard output."""
    return [orjson.loads(line) for line in result.stdout.splitlines()]
