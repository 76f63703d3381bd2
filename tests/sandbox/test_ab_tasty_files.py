"""The simulated AB Tasty: uploaded files and what becomes of their rows."""

from collections.abc import AsyncIterator

import orjson
import pytest

from sandbox.ab_tasty import Options
from tests.sandbox.ab_tasty_account import Account, account, csv
from tests.sandbox.clock import Clock

DAY = 86_400
ANN, BEA = "8140027735519024411", "-2209915380047716602"
BOTH = csv(f"{ANN},lapsed-buyers,true", f"{BEA},lapsed-buyers,true")


@pytest.fixture
async def plain() -> AsyncIterator[Account]:
    async with account() as running_account:
        yield running_account


@pytest.mark.parametrize("media_type", ["text/csv", "text/csv; charset=utf-8"])
async def test_a_file_of_csv_becomes_segments(plain: Account, media_type: str) -> None:
    assert (await plain.upload(BOTH, media_type))[0] == 202
    state = await plain.state()
    assert state["segments"] == {
        ANN: {"lapsed-buyers": "true"},
        BEA: {"lapsed-buyers": "true"},
    }
    assert (state["files"], state["rows"], state["queued"], state["ignored"]) == (1, 2, 0, 0)


async def test_a_file_of_json_becomes_segments(plain: Account) -> None:
    rows = [
        {"visitor_id": ANN, "segment": "lapsed-buyers", "value": "true"},
        {"visitor_id": BEA, "segment": "lapsed-buyers"},
    ]
    assert (await plain.upload(orjson.dumps(rows), "application/json"))[0] == 202
    assert await plain.segments() == {ANN: {"lapsed-buyers": "true"}, BEA: {"lapsed-buyers": ""}}


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (BOTH, "application/octet-stream", 415),
        (BOTH, "multipart/form-data", 415),
        (b"", "text/csv", 400),
        (BOTH.replace(b"visitor_id", b"visitor"), "text/csv", 400),
        (BOTH.replace(b",", b";"), "text/csv", 400),
        (BOTH + b"\xff,lapsed-buyers,true\n", "text/csv", 400),
        (csv('"' + ANN), "text/csv", 400),
        (b"{}", "application/json", 400),
        (b"[", "application/json", 400),
    ],
)
async def test_a_file_that_is_none_is_refused(
    plain: Account, body: bytes, media_type: str, status: int
) -> None:
    assert (await plain.upload(body, media_type))[0] == status
    assert (await plain.state())["files"] == 0


@pytest.mark.parametrize(("rows", "status"), [(3, 202), (4, 413)])
async def test_a_file_has_so_many_rows(rows: int, status: int) -> None:
    async with account(max_rows=3) as called:
        body = csv(*(f"{number},lapsed-buyers,true" for number in range(rows)))
        assert (await called.upload(body))[0] == status


@pytest.mark.parametrize(("room", "status"), [(0, 202), (-1, 413)])
async def test_a_file_has_so_many_bytes(room: int, status: int) -> None:
    async with account(max_bytes=len(BOTH) + room) as called:
        assert (await called.upload(BOTH))[0] == status


async def test_the_reported_limits_are_reached_before_the_sandbox_stops_reading(
    plain: Account,
) -> None:
    assert (Options().max_rows, Options().max_bytes) == (100_000, 20_000_000)
    assert (await plain.upload(bytes(20_000_001)))[0] == 413


@pytest.mark.parametrize(
    "row",
    [
        ",lapsed-buyers,true",
        "ann@shop.example,lapsed-buyers,true",
        f"{'1' * 33},lapsed-buyers,true",
        f"{ANN}\u0661,lapsed-buyers,true",
        f"{ANN},,true",
        f"{ANN},lapsed buyers,true",
        f"{ANN},lapsed-buyers,very true",
        f'{ANN},lapsed-buyers,"a,b"',
        f"{ANN},lapsed-buyers",
        f"{ANN},lapsed-buyers,true,more",
    ],
)
@pytest.mark.parametrize(
    ("bad_row", "status", "visitors"), [("refuse-file", 400, []), ("drop-row", 202, [BEA])]
)
async def test_a_bad_row_refuses_the_file_or_is_dropped_in_silence(
    row: str, bad_row: str, status: int, visitors: list[str]
) -> None:
    async with account(bad_row=bad_row) as called:
        assert (await called.upload(csv(row, f"{BEA},lapsed-buyers,true")))[0] == status
        state = await called.state()
    assert list(state["segments"]) == visitors
    assert state["rows"] == len(visitors)


@pytest.mark.parametrize(
    "row",
    [
        [ANN, "lapsed-buyers", "true"],
        {"visitor_id": int(ANN), "segment": "lapsed-buyers", "value": "true"},
        {"visitor_id": ANN, "segment": "lapsed-buyers", "value": True},
        {"visitor_id": ANN, "segment": "lapsed-buyers", "expiration": "1"},
        {"visitor_id": ANN},
        None,
    ],
)
async def test_a_row_of_json_is_an_object_of_texts(plain: Account, row: object) -> None:
    status, answer = await plain.upload(orjson.dumps([row]), "application/json")
    assert status == 400
    assert answer["message"].startswith("Row 1: ")


async def test_a_value_takes_the_documented_characters(plain: Account) -> None:
    value = "Az09Àÿ$€£[]{}&(§!)-_%=+:/.?<>@#"
    assert (await plain.upload(csv(f"{ANN},lapsed-buyers,{value}")))[0] == 202
    assert (await plain.upload(csv(f"{ANN},lapsed-buyers,Ž")))[0] == 400
    assert await plain.segments() == {ANN: {"lapsed-buyers": value}}


@pytest.mark.parametrize(("choice", "status"), [("as-value", 400), ("any", 202)])
async def test_the_characters_of_a_segment_are_those_of_a_value_or_any(
    choice: str, status: int
) -> None:
    async with account(segment_characters=choice) as called:
        assert (await called.upload(csv(f"{ANN},Lapsed buyers,true")))[0] == status


async def test_one_value_holds_for_a_visitor_and_segment(plain: Account) -> None:
    await plain.upload(csv(f"{ANN},a,true", f"{ANN},b,true", f"{ANN},a,false"))
    await plain.upload(csv(f"{ANN},b,false"))
    assert await plain.segments() == {ANN: {"a": "false", "b": "false"}}


async def test_files_are_applied_in_order_after_a_delay() -> None:
    clock = Clock()
    async with account(clock=clock, apply_delay=60) as called:
        await called.upload(csv(f"{ANN},a,true"))
        clock.now += 30
        await called.upload(csv(f"{ANN},a,false"))
        assert (await called.state())["queued"] == 2
        assert await called.segments() == {}
        clock.now += 30
        assert await called.segments() == {ANN: {"a": "true"}}
        clock.now += 30
        state = await called.state()
        assert (state["segments"], state["queued"]) == ({ANN: {"a": "false"}}, 0)


async def test_a_row_is_gone_thirty_days_after_its_reception() -> None:
    clock = Clock()
    async with account(clock=clock, apply_delay=DAY, token_lifetime=60 * DAY) as called:
        await called.upload(csv(f"{ANN},a,true", f"{ANN},b,true", f"{BEA},a,true"))
        clock.now += 20 * DAY
        await called.upload(csv(f"{ANN},b,true"))
        clock.now += 10 * DAY - 1
        assert await called.segments() == {ANN: {"a": "true", "b": "true"}, BEA: {"a": "true"}}
        clock.now += 1
        assert await called.segments() == {ANN: {"b": "true"}}
        _, rows = await called.send("GET", f"/accounts/sandbox-account/segments/{ANN}")
        assert [row["segment"] for row in rows] == ["b"]


async def test_rows_of_unknown_visitors_are_accepted_and_ignored() -> None:
    async with account(known_visitors=frozenset({ANN})) as called:
        assert (await called.upload(BOTH))[0] == 202
        state = await called.state()
    assert list(state["segments"]) == [ANN]
    assert (state["rows"], state["ignored"]) == (2, 1)


async def test_a_visitor_is_read_back_row_by_row() -> None:
    clock = Clock()
    async with account(clock=clock) as called:
        await called.upload(BOTH)
        path = "/accounts/sandbox-account/segments/"
        assert await called.send("GET", path + ANN) == (
            200,
            [
                {
                    "visitor_id": ANN,
                    "segment": "lapsed-buyers",
                    "value": "true",
                    "expiration": int(clock.now) + 30 * DAY,
                    "partner": "mparticle",
                }
            ],
        )
        assert await called.send("GET", path + "17") == (200, [])
        assert (await called.send("GET", f"/accounts/another/segments/{ANN}"))[0] == 404
