"""Routes data-subject requests: what people ask about their data must not be lost."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic_core import PydanticCustomError

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
    subject, mpids = _subject(request, raw)
    about = About([get("id"), at_ms], at_ms, subject)
    # The id is made of the fields that say nothing as well.
    fields = {
        "request_id": get("subject_request_id"),
        "request_type": get("subject_request_type") or "unknown",
        "regulation": get("regulation"),
        "submitted_at": get("submitted_time"),
    }
    part = [fields, get("subject_identities"), get("extensions")]
    own_id = fields["request_id"] is not None
    told = {**fields, "mpids": mpids if len(mpids) > 1 else ()}
    raw.emit(
        Content(DataSubjectRequest, without_empty(told)),
        about,
        raw.reserve(),
        part,
        own_id=own_id,
    )


def _subject(request: Said, raw: RawMessage) -> tuple[dict[str, Any], list[str]]:
    """Reads who the subject is, also what mParticle puts into an extension; and all their mpids."""
    extension = _extension(request.get("extensions"))
    listed = {
        "subject_identities": request.get("subject_identities"),
        f"{_EXTENSION}.subject_identities": extension.get("subject_identities"),
        f"{_EXTENSION}.identities": extension.get("identities"),
    }
    known = [
        identity
        for name, written in listed.items()
        for identity in identities(raw, name, written, _SPELLING)
    ]
    mpids = _mpids(raw, [each["value"] for each in known if each["type"] == "mpid"], extension)
    subject = {
        "mpid": next(iter(mpids), None),
        "identities": [each for each in known if not _is_device(each) and each["type"] != "mpid"],
        "device_identities": [each for each in known if _is_device(each)],
        "account_id": request.get("account", NO_SHAPE).get("account_id"),
    }
    return subject, mpids


def _mpids(raw: RawMessage, said: list[str], extension: Mapping[str, Any]) -> list[str]:
    """Returns each mpid once: those among the identities first, then the list of the extension."""
    listed = extension.get("mpids") or []
    found: dict[str, None] = {}
    for place, each in enumerate([*said, *(listed if isinstance(listed, list) else [listed])]):
        try:
            mpid = known_mpid(each)
        except PydanticCustomError as error:
            raw.refuse("bad_identity", place, f"mpids[{place}]: {error.message()}")
        else:
            if mpid is not None:
                found[mpid] = None
    return [*found]


def _extension(extensions: Any) -> Mapping[str, Any]:
    extension = extensions.get(_EXTENSION) if isinstance(extensions, dict) else None
    return extension if isinstance(extension, dict) else NO_SHAPE


def _is_device(identity: Named) -> bool:
    return identity["type"] in DEVICE_FIELDS
