"""From waiting records to calls: each case is a file that says why."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from agents.sailthru.sender import Request
from agents.sailthru.sink import SailthruSink
from models.record import Record
from streams import metrics
from streams.delivery.sink import Batch, LaneKey, Placement
from streams.outcomes import Delivered, Dropped, Rejected
from streams.topics import BY_USER
from tests.agents.sailthru.factories import NOW_MS, USER, attributes, common
from tests.agents.sailthru.simulated import settings, simulated
from tests.streams.delivery.requests import send_all

# The one would opt people in again, the other count as a visit.
NEVER_SENT = {"optout_email", "login"}
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
MODELS: dict[str, TypeAdapter[Any]] = {
    topic.name: topic.holds for topic in BY_USER if topic.holds is not None
}


def load(path: Path) -> Any:
    return orjson.loads(path.read_bytes())


def record(given: dict[str, Any]) -> Record:
    filled = common(None, mpid=None, identities=()) | given
    validated: Record = MODELS[given["topic"]].validate_python(filled)
    return validated


def batches(sink: SailthruSink, records: list[Record]) -> tuple[list[Batch[Request]], list[str]]:
    """Everything waits before anything is taken; all records are of one user."""
    lanes: dict[LaneKey, list[Record]] = {}
    left_out = []
    for each in records:
        placed = sink.place(each, Placement(USER.user, 0), NOW_MS)
        if isinstance(placed, LaneKey):
            lanes.setdefault(placed, []).append(each)
        else:
            left_out.append(f"{type(placed).__name__.lower()} {placed.reason}")
    taken = []
    for lane, waiting in lanes.items():
        while waiting:
            taken.append(sink.fold(lane, waiting))
            del waiting[: taken[-1].size]
    return taken, left_out


def counted() -> Counter[str]:
    """Names that could not be kept, by reason."""
    [family] = metrics.VAR_NAMES.collect()
    return Counter(
        {each.labels["reason"]: int(each.value) for each in family.samples if "_total" in each.name}
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_records_become_these_calls(path: Path) -> None:
    case = load(path)
    sink = SailthruSink(settings(base_url="https://api.example", **case.get("settings", {})))
    taken, left_out = batches(sink, [record(each) for each in case["records"]])
    described = [sink.describe(batch.request) for batch in taken]
    calls = [
        {
            "endpoint": shown["url"].removeprefix("https://api.example/"),
            "records": batch.size,
            "body": shown["body"],
            **{what: shown[what] for what in ("renamed", "left_out") if what in shown},
        }
        for batch, shown in zip(taken, described, strict=True)
    ]
    assert calls == case["calls"], case["why"]
    assert {shown["method"] for shown in described} <= {"POST"}
    assert not {name for call in calls for name in call["body"]} & NEVER_SENT
    assert left_out == case.get("left_out", []), case["why"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
async def test_sailthru_takes_these_calls(path: Path) -> None:
    case = load(path)
    before = counted()
    async with simulated() as sailthru, sailthru.sink(**case.get("settings", {})) as sink:
        taken, _ = batches(sink, [record(each) for each in case["records"]])
        for batch in taken:
            assert await send_all(sink, batch.request) == Delivered()
    assert counted() - before == Counter(case.get("counted", {}))


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("profile_objects_as", ["text", "as_is"])
async def test_numbers_that_json_has_no_word_for_do_not_stop_the_sink(
    number: float, profile_objects_as: str
) -> None:
    async with (
        simulated() as sailthru,
        sailthru.sink(profile_objects_as=profile_objects_as) as sink,
    ):
        [batch], _ = batches(sink, [attributes(odd=number, odder=[number])])
        assert await send_all(sink, batch.request) == Delivered()


def test_outcomes_without_a_call_are_named() -> None:
    sink = SailthruSink(settings())
    nobody = attributes(None, tier="gold")
    assert sink.place(nobody, USER, NOW_MS) == Dropped("no_identity")
    keeps = SailthruSink(settings(no_identity="dead_letter"))
    why = Rejected("no_identity", "no usable email", blames="account")
    assert keeps.place(nobody, USER, NOW_MS) == why
    assert sink.place(attributes(), USER, NOW_MS) == Dropped("nothing_to_send")
