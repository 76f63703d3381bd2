"""Routes data-subject requests: what people ask about their data must not be lost."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from agents.router.raw_message import RawMessage
from agents.router.route_result import About, Content, without_empty
from agents.router.user_state import identities
from models.mparticle.firehose import SubjectRequest
from models.mparticle.identity import DEVICE, DEVICE_FIELDS, USER, Named
from models.mparticle.reading import NO_SHAPE, Said, reader
from models.mparticle.values import known_mpid
from models.privacy_request import DataSubjectRequest

_EXTENSION = "opendsr.mparticle.com"
_SPELLING = MappingProxyType({**USER, **DEVICE})


_REQUEST = reader(SubjectRequest)


def route_subject_request(message: dict[str, Any], raw: RawMessage) -> Iterator[None]:
    request = _REQUEST.read(message)
    yield
    get, at_ms = request.get, request.get("timestamp_ms")
    about = About([get("id"), at_ms], at_ms, _subject(request, raw))
    # The id is made of the fields that say nothing as well.
    fields = {
        "request_id": get("subject_request_id"),
        "request_type": get("subject_request_type") or "unknown",
        "regulation": get("regulation"),
        "submitted_at": get("submitted_time"),
    }
    part = [fields, get("subject_identities"), get("extensions")]
    own_id = fields["request_id"] is not None
    raw.emit(
        Content(DataSubjectRequest, without_empty(fields)),
        about,
        raw.reserve(),
        part,
        own_id=own_id,
    )


def _subject(request: Said, raw: RawMessage) -> dict[str, Any]:
    """Reads the identities, also those, like the mpid, that mParticle puts into an extension."""
    known = [
        identity
        for written in (request.get("subject_identities"), _extended(request.get("extensions")))
        for identity in identities(raw, "subject_identities", written, _SPELLING)
    ]
    mpid = next((known_mpid(each["value"]) for each in known if each["type"] == "mpid"), None)
    return {
        "mpid": mpid,
        "identities": [each for each in known if not _is_device(each) and each["type"] != "mpid"],
        "device_identities": [each for each in known if _is_device(each)],
        "account_id": request.get("account", NO_SHAPE).get("account_id"),
    }


def _extended(extensions: Any) -> Any:
    extension = extensions.get(_EXTENSION) if isinstance(extensions, dict) else None
    return extension.get("subject_identities") if isinstance(extension, dict) else None


def _is_device(identity: Named) -> bool:
    return identity["type"] in DEVICE_FIELDS
