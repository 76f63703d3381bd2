"""AB Tasty as an mParticle partner: Firehose messages about audiences, and their answers.

Documented: mParticle/mparticle-firehose-java-sdk, examples/json and examples/json/schema;
mParticle/docs, src/pages/developers/partners/firehose/index.md.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import orjson

from sandbox.ab_tasty import refusals
from sandbox.ab_tasty.options import Options
from sandbox.server import RefusedError

SUBSCRIPTION = "audience_subscription_request"
MEMBERSHIP = "audience_membership_change_request"

AUDIENCE_STATES = {"add": "connected", "update": "updated", "remove": "disconnected"}
MEMBERSHIPS = {"add": "joined", "delete": "left", "attribute_update": None}

Message = Mapping[str, object]


class Partner:
    def __init__(self, options: Options) -> None:
        self._options = options
        self.suspended = options.suspend_subscription
        self.audiences: dict[str, dict[str, str]] = {}
        self._accounts: dict[str, object] = {}
        self.memberships: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def take(self, body: bytes) -> dict[str, object]:
        """Applies a message and returns its answer.

        While suspended, memberships are not applied: inferred, as the flag is for lasting errors.
        """
        message = read_message(body)
        self._check_key(message)
        kind, identifier = message.get("type"), message.get("id")
        if kind not in (SUBSCRIPTION, MEMBERSHIP) or not isinstance(identifier, str):
            raise malformed(f"type {SUBSCRIPTION} or {MEMBERSHIP}, and a text as id")
        answer: dict[str, object] = {
            "type": str(kind).replace("_request", "_response"),
            "id": identifier,
            "timestamp_ms": int(self._options.clock() * 1000),
            "firehose_version": message.get("firehose_version", "3.2.0"),
        }
        if kind == SUBSCRIPTION:
            self._subscribe(message)
        else:
            answer["suspend_subscription"] = self.suspended
            self._change_members(message)
        return answer

    def _check_key(self, message: Message) -> None:
        match message.get("account"):
            case {"account_settings": dict(settings)}:
                given = settings.get(self._options.api_key_setting)
            case _:
                given = None
        if given != self._options.api_key:
            raise RefusedError(refusals.WRONG_API_KEY, "The API key is missing or wrong")

    def _subscribe(self, message: Message) -> None:
        match message:
            case {"audience_id": int(audience), "audience_name": str(name), "action": str(action)}:
                if (state := AUDIENCE_STATES.get(action)) is None:
                    raise malformed("action add, update or remove")
                self.audiences[str(audience)] = {"name": name, "state": state}
                self._accounts[str(audience)] = _account(message)
            case _:
                raise malformed("audience_id, audience_name and action")

    def _change_members(self, message: Message) -> None:
        changes = list(_changes(message))
        for _, audience, _ in changes:
            if self._accounts.get(audience, _account(message)) != _account(message):
                raise RefusedError(refusals.OTHER_ACCOUNT, f"Audience {audience} is another's")
        if not self.suspended:
            for mpid, audience, membership in changes:
                self.memberships[mpid][audience] = membership


def _account(message: Message) -> object:
    match message.get("account"):
        case {"account_id": account_id}:
            return account_id
    return None


def read_message(body: bytes) -> Message:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise malformed("a JSON object")
    return message


def read_profiles(message: Message) -> list[dict[str, object]]:
    """Documented: a message that only probes the partner has none and must be accepted."""
    found = message.get("user_profiles") or []
    if not isinstance(found, list) or not all(isinstance(profile, dict) for profile in found):
        raise malformed("user_profiles as a list of objects")
    return found


def malformed(wanted: str) -> RefusedError:
    return RefusedError(refusals.MALFORMED_MESSAGE, f"This message needs {wanted}")


def _changes(message: Message) -> Iterator[tuple[str, str, str]]:
    """Who joined or left what.

    Reported, invia-de/mparticle-firehose-lambda: an mpid may also be a bare number.
    """
    for profile in read_profiles(message):
        mpid, audiences = profile.get("mpid"), profile.get("audiences", [])
        if not isinstance(audiences, list):
            raise malformed("audiences as a list")
        for audience in audiences:
            match audience:
                case {"audience_id": int(identifier), "action": str(action)} if (
                    action in MEMBERSHIPS
                ):
                    membership = MEMBERSHIPS[action]
                case _:
                    raise malformed("audience_id, and action add, delete or attribute_update")
            if membership is not None and mpid is not None:
                yield str(mpid), str(identifier), membership
