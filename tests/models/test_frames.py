"""Frames say what the model says, of all that may stand in a topic."""

import json
from collections.abc import Callable
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, ValidationError

from models.audience_membership import MEMBERSHIPS, MembershipChanged
from models.frames import frame, reader
from models.record import Encoding, RawPosition, Record, Shape
from streams.topics import AUDIENCE_MEMBERSHIP
from tests.routed import written

_BY_MODEL: Callable[[bytes], Record] = AUDIENCE_MEMBERSHIP.holds.validate_json
_READ = reader(MembershipChanged, _BY_MODEL)

_TEXT = st.text(max_size=8)
_MS = st.integers(-(2**63), 2**63 - 1)
_IDENTITIES = st.lists(
    st.fixed_dictionaries(
        {"type": _TEXT, "value": _TEXT}, optional={"encoding": st.sampled_from(get_args(Encoding))}
    ),
    max_size=2,
)
_RAW = st.fixed_dictionaries({"topic": _TEXT, "partition": _MS, "offset": _MS, "index": _MS})
_SAID = st.fixed_dictionaries(
    {
        "kind": st.just("membership_changed"),
        "id": _TEXT,
        "received_at_ms": _MS,
        "raw": _RAW,
        "change": st.sampled_from(["joined", "left"]),
        "audience_id": _TEXT,
    },
    optional={
        "schema_version": _MS,
        "mpid": st.none() | _TEXT,
        "identities": _IDENTITIES,
        "device_identities": _IDENTITIES,
        "partner_identities": _IDENTITIES,
        "device_stamp": st.none() | _TEXT,
        "occurred_at_ms": st.none() | _MS,
        "judged_at_ms": st.none() | _MS,
        "environment": st.sampled_from(["production", "development", "unknown"]),
        "account_id": st.none() | _TEXT,
        "workspace_id": st.none() | _TEXT,
        "connection_id": st.none() | _TEXT,
        "replayed": st.booleans(),
        "audience_name": st.none() | _TEXT,
        "audience_settings": st.dictionaries(_TEXT, _TEXT, max_size=2),
    },
)
_ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | _TEXT
    | st.sampled_from(["1", "raw", "true"]),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(_TEXT, inside, max_size=2),
    max_leaves=3,
)
_NAMES = st.sampled_from([*MembershipChanged.model_fields, "of_tomorrow"])
_BYTES = st.binary(max_size=3) | st.sampled_from(
    [b'"', b"\\ud83d", b"\\u0000", b"\x01", b"\xed\xa0\x80", b"\xc0\x80", b"0", b"-", b"{", b"null"]
)

_PLAIN: dict[str, Any] = {
    "kind": "membership_changed",
    "id": "r-1",
    "received_at_ms": 1,
    "raw": {"topic": "t", "partition": 0, "offset": 7, "index": 0},
    "change": "joined",
    "audience_id": "900",
}


def _said(read: Any) -> Any:
    """All that a model or a frame says, types included."""
    if isinstance(read, tuple):
        return tuple(map(_said, read))
    fields = (
        type(read).model_fields
        if isinstance(read, Shape)
        else getattr(read, "__struct_fields__", ())
    )
    return {name: _said(getattr(read, name)) for name in fields} or (type(read), read)


def _judged(read: Callable[[bytes], Any], value: bytes) -> Any:
    try:
        return _said(read(value))
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False, include_input=False)


@given(_SAID)
def test_what_a_router_may_write_is_read_as_a_frame_that_says_the_same(
    said: dict[str, Any],
) -> None:
    value = written(MembershipChanged.model_validate(said)).value
    found = _READ(value)
    assert isinstance(found, MEMBERSHIPS[0])
    assert _said(found) == _said(_BY_MODEL(value))


@given(_SAID, st.dictionaries(_NAMES, _ODD, max_size=2), st.booleans())
def test_what_somebody_else_writes_is_read_as_the_model_reads_it(
    said: dict[str, Any], odd: dict[str, Any], spaced: bool
) -> None:
    value = json.dumps({**said, **odd}, ensure_ascii=spaced, indent=spaced or None)
    written_so = value.encode(errors="surrogatepass")
    assert _judged(_READ, written_so) == _judged(_BY_MODEL, written_so)


@given(_SAID, st.integers(0, 600), st.integers(0, 3), _BYTES)
def test_what_is_hardly_a_record_is_read_as_the_model_reads_it(
    said: dict[str, Any], at: int, gone: int, put: bytes
) -> None:
    value = written(MembershipChanged.model_validate(said)).value
    at %= len(value) + 1
    bent = value[:at] + put + value[at + gone :]
    assert _judged(_READ, bent) == _judged(_BY_MODEL, bent)


@pytest.mark.parametrize("name", MembershipChanged.model_fields)
@given(_SAID)
def test_what_leaves_out_a_field_is_read_as_the_model_reads_it(
    name: str, said: dict[str, Any]
) -> None:
    left = json.dumps({each: of for each, of in said.items() if each != name}).encode()
    assert _judged(_READ, left) == _judged(_BY_MODEL, left)


def test_a_record_without_its_kind_is_no_membership() -> None:
    value = json.dumps({name: of for name, of in _PLAIN.items() if name != "kind"}).encode()
    with pytest.raises(ValidationError, match="kind"):
        _READ(value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("received_at_ms", "1"),
        ("received_at_ms", 1.0),
        ("received_at_ms", True),
        ("replayed", "yes"),
        ("schema_version", "1"),
        ("of_tomorrow", {"any": ["thing"]}),
    ],
)
def test_what_the_model_takes_beside_is_taken(name: str, said: object) -> None:
    value = json.dumps({**_PLAIN, name: said}).encode()
    assert isinstance(_READ(value), MembershipChanged)
    assert _judged(_READ, value) == _judged(_BY_MODEL, value)


def test_another_kind_of_the_topic_is_read_by_its_own_model() -> None:
    value = json.dumps({**_PLAIN, "kind": "audience_changed", "change": "connected"}).encode()
    assert _READ(value) == _BY_MODEL(value)


def test_a_frame_answers_what_its_model_answers() -> None:
    said = {"occurred_at_ms": 5, "judged_at_ms": 4, "identities": [{"type": "email", "value": "a"}]}
    value = json.dumps({**_PLAIN, **said}).encode()
    for read in (_READ, _BY_MODEL):
        record = read(value)
        assert record.subject == "900"
        assert record.counts_at_ms == 4
        assert record.superseded_by == "event time"
        assert record.identity("email") == "a"
        assert record.identity("other") is None


def test_a_frame_cannot_be_changed() -> None:
    found = _READ(json.dumps(_PLAIN).encode())
    with pytest.raises(AttributeError):
        setattr(found, "id", "r-2")  # noqa: B010 - the model forbids it, and mypy knows that


class _Ruled(Shape):
    """A field has a rule that no struct keeps."""

    positive: Annotated[int, AfterValidator(abs)]


class _Renamed(Shape):
    """A field stands under another name."""

    name: str = Field(alias="Name")


class _Within(Shape):
    """The rule is one of what is inside."""

    raw: RawPosition
    ruled: tuple[_Ruled, ...] = ()


@pytest.mark.parametrize("model", [_Ruled, _Renamed, _Within])
def test_what_a_struct_would_not_keep_has_no_frame(model: type[Shape]) -> None:
    with pytest.raises(TypeError, match="a rule of its own"):
        frame(model)
