"""What `route` prints of a message."""

import json

from tests.agents.router.routing import lines


def test_record_line_tells_topic_key_and_record() -> None:
    session = {"event_type": "session_start", "data": {"event_id": 1}}
    [line] = lines({"mpid": 17, "events": [session]})
    assert (line["topic"], line["key"], line["record"]["mpid"]) == ("events", "17", "17")
    assert json.loads(json.dumps(line)) == line


def test_dead_letter_line_tells_why_and_where_but_not_the_bytes() -> None:
    [line] = lines({"events": [{"data": {"secret": "x"}}]})
    assert line == {
        "dead_letter": "bad_event",
        "detail": "event_type: Field required",
        "index": 0,
        "length": 39,
        "truncated": False,
    }


def test_dropped_line_tells_why() -> None:
    assert lines({"type": "event_processing_response"}) == [{"dropped": "response"}]
