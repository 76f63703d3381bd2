"""What folds must end as if every change had been sent alone."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ab_tasty.calls import Post
from agents.ab_tasty.mapping import segment
from agents.ab_tasty.settings import AbTastySettings
from agents.ab_tasty.sink import AbTastySink
from models.audience_membership import MembershipChanged
from streams.delivery.sink import LaneKey
from tests.agents.ab_tasty.factories import AT, NOW_MS, firehose, membership, udc

MPIDS = st.integers(-(2**63), 2**63 - 1).map(str)
FEW_MPIDS = st.sampled_from(["1", "2", "3", "-2209915380047716602", "8140027735519024411"])
NAMED = {"31001": "VIP", "31002": "Été à la plage " * 6}
CHANGES: st.SearchStrategy[Literal["joined", "left"]] = st.sampled_from(["joined", "left"])
NAMES = st.text(min_size=1, max_size=100)
MEMBERSHIPS = st.lists(
    st.builds(
        lambda change, mpid, audience_id: membership(
            change, mpid=mpid, audience_id=audience_id, audience_name=NAMED[audience_id]
        ),
        CHANGES,
        FEW_MPIDS,
        st.sampled_from(list(NAMED)),
    ),
    min_size=1,
    max_size=30,
)
LIMITS = st.fixed_dictionaries(
    {"batch_max_rows": st.integers(1, 20), "batch_max_bytes": st.integers(1024, 1600)}
)

State = dict[tuple[str, str], str]


def _batches(
    settings: AbTastySettings, changes: Sequence[MembershipChanged]
) -> Iterator[tuple[Post, int]]:
    sink = AbTastySink(settings)
    lanes = {sink.place(change, AT, NOW_MS) for change in changes}
    assert len(lanes) == 1, "the changes of a partition share a lane"
    (lane,) = lanes
    assert isinstance(lane, LaneKey)
    while changes:
        batch = sink.fold(lane, changes)
        assert 1 <= batch.size <= len(changes)
        yield batch.request, batch.size
        changes = changes[batch.size :]


def _rows(body: str | list[Any] | dict[str, Any]) -> list[tuple[str, str, str]]:
    if isinstance(body, str):
        return [(v, s, value) for v, s, value in list(csv.reader(io.StringIO(body)))[1:]]
    if isinstance(body, list):
        return [(row["visitor_id"], row["segment"], row["value"]) for row in body]
    return [
        (profile["mpid"], str(audience["audience_id"]), audience["action"])
        for profile in body["user_profiles"]
        for audience in profile["audiences"]
    ]


def _settings(mode: str, **limits: int) -> AbTastySettings:
    match mode:
        case "firehose":
            return firehose(**limits)
        case _:
            return udc(body_format=mode, **limits)


MODES = st.sampled_from(["csv", "json", "firehose"])


@given(MODES, MEMBERSHIPS, LIMITS)
def test_folded_batches_end_in_the_state_of_changes_sent_one_by_one(
    mode: str, changes: list[MembershipChanged], limits: dict[str, int]
) -> None:
    settings = _settings(mode, **limits)
    state = {}
    for request, _ in _batches(settings, changes):
        for visitor, name, value in _rows(request.body):
            state[visitor, name] = value
    assert state == _one_by_one(mode, settings.segment_name_template, changes)


def _one_by_one(mode: str, template: str, changes: list[MembershipChanged]) -> State:
    state = {}
    for change in changes:
        joined = change.change == "joined"
        if mode == "firehose":
            name, value = change.audience_id, "add" if joined else "delete"
        else:
            name = segment(template, change.audience_id, change.audience_name)
            value = "true" if joined else "false"
        state[str(change.mpid), name] = value
    return state


@given(MODES, MEMBERSHIPS, LIMITS)
def test_a_batch_keeps_within_its_limits_and_holds_each_pair_once(
    mode: str, changes: list[MembershipChanged], limits: dict[str, int]
) -> None:
    settings = _settings(mode, **limits)
    for request, size in _batches(settings, changes):
        rows = _rows(request.body)
        assert len(rows) <= limits["batch_max_rows"]
        assert len({(visitor, name) for visitor, name, _ in rows}) == len(rows)
        assert size == 1 or _length(request) <= limits["batch_max_bytes"]


def _length(request: Post) -> int:
    body = request.body
    return len(body.encode() if isinstance(body, str) else orjson.dumps(body))


@pytest.mark.parametrize(("mode", "row_bytes"), [("csv", 120), ("json", 170), ("firehose", 220)])
def test_a_batch_is_filled_up_to_its_limit_in_bytes(mode: str, row_bytes: int) -> None:
    name = "Été à la plage " * 6
    changes = [membership(mpid=str(10_000 + i), audience_name=name) for i in range(500)]
    lengths = [
        _length(request) for request, _ in _batches(_settings(mode, batch_max_bytes=8192), changes)
    ]
    assert max(lengths) <= 8192
    # The envelope of a message is reckoned larger than it is.
    assert min(lengths[:-1]) > 8192 - row_bytes - (512 if mode == "firehose" else 0)


@given(MODES, MPIDS)
def test_a_signed_64_bit_mpid_keeps_every_digit(mode: str, mpid: str) -> None:
    raw = membership(mpid=mpid).model_dump_json()
    changes = [MembershipChanged.model_validate_json(raw)]
    ((request, _),) = _batches(_settings(mode), changes)
    assert [visitor for visitor, _, _ in _rows(request.body)] == [mpid]


@given(
    NAMES, st.sampled_from(["{audience_name}", "{audience_name}-{audience_id}", "a, {audience_id}"])
)
def test_any_audience_name_becomes_a_segment_that_needs_no_quotes(name: str, template: str) -> None:
    cleaned = segment(template, "31001", name)
    assert cleaned
    assert all(
        character in "_-."
        or (character.isascii() and character.isalnum())
        or ("À" <= character <= "ÿ" and character not in "\u00d7\u00f7")
        for character in cleaned
    )


@given(MEMBERSHIPS)
def test_the_same_records_make_the_same_message(changes: list[MembershipChanged]) -> None:
    first, again = (list(_batches(firehose(), changes)) for _ in range(2))
    assert [request.body for request, _ in first] == [request.body for request, _ in again]
    longer = [*changes, membership(mpid="5")]
    assert _ids(list(_batches(firehose(), longer))).isdisjoint(_ids(first))


def _ids(batches: list[tuple[Post, int]]) -> set[str]:
    return {request.body["id"] for request, _ in batches if isinstance(request.body, dict)}
