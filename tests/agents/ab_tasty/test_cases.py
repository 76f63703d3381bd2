"""Records in, requests out: each case is one file, written for people."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from agents.ab_tasty.sink import AbTastySink
from models.audience_membership import AudienceMembership
from models.record import Record
from streams.delivery.sink import LaneKey
from streams.outcomes import Dropped, Rejected
from tests.agents.ab_tasty.factories import AT, NOW_MS, firehose, udc

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
RECORD: TypeAdapter[Any] = TypeAdapter(AudienceMembership)
COMMON = {
    "occurred_at_ms": 1_767_225_600_000,
    "received_at_ms": 1_767_225_601_000,
    "raw": {"topic": "mparticle-raw", "partition": 3, "offset": 17, "index": 0},
}


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_records_become_the_requests_of_the_case(file: Path) -> None:
    case = json.loads(file.read_text())
    make = firehose if case["settings"].get("mode") == "firehose" else udc
    sink = AbTastySink(make(**case["settings"]))

    waiting: dict[LaneKey, list[Record]] = defaultdict(list)
    not_sent = {}
    for fields in case["records"]:
        record = RECORD.validate_python({**COMMON, **fields})
        placed = sink.place(record, AT, NOW_MS)
        if isinstance(placed, Dropped | Rejected):
            not_sent[record.id] = placed.reason
        else:
            waiting[placed].append(record)

    requests = []
    for lane, records in waiting.items():
        while records:
            batch = sink.fold(lane, records)
            requests.append({**sink.describe(batch.request), "records": batch.size})
            del records[: batch.size]

    assert requests == case["requests"], case["why"]
    assert not_sent == case.get("not_sent", {}), case["why"]
