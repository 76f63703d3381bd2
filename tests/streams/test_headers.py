"""Ids, kinds and epochs stand in headers, so that they are read without parsing."""

import pytest

from streams import headers


def test_what_is_written_is_read_back() -> None:
    made = headers.make("1/0/17/3", "custom_event", 0)

    assert made == [("id", b"1/0/17/3"), ("kind", b"custom_event")]
    assert headers.read(made).kind == b"custom_event"


@pytest.mark.parametrize("epoch", [1, 1_767_225_600_000])
def test_the_same_id_in_another_epoch_is_another_record(epoch: int) -> None:
    before = headers.read(headers.make("17", "custom_event", 0)).identity
    after = headers.read(headers.make("17", "custom_event", epoch)).identity
    again = headers.read(headers.make("17", "custom_event", epoch)).identity

    assert len({before, after}) == 2
    assert after == again


FOREIGN: dict[str, list[tuple[str, bytes | None]]] = {
    "none": [],
    "others": [("traceparent", b"00-1")],
    "an id without value": [("id", None)],
}


@pytest.mark.parametrize("given", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_record_without_our_headers_has_no_identity_and_no_kind(
    given: list[tuple[str, bytes]],
) -> None:
    assert headers.read(given).identity is None
    assert headers.read(given).kind is None


def test_an_epoch_without_a_value_is_no_epoch() -> None:
    """Kafka lets a header be null; who writes to our topics may do so."""
    given: list[tuple[str, bytes | None]] = [("id", b"17"), ("epoch", None)]

    assert headers.read(given).identity == headers.read([("id", b"17")]).identity


@pytest.mark.parametrize("id_", [b"17", b"", None])
@pytest.mark.parametrize("kind", [b"custom_event", b"", None])
def test_a_header_of_somebody_else_changes_nothing(id_: bytes | None, kind: bytes | None) -> None:
    ours = [("id", id_), ("kind", kind)]

    assert headers.read([*ours, ("traceparent", b"00-17")]) == headers.read(ours)
