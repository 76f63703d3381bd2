"""What each request carried, in terms of the records it was made of."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from tests.chaos.journal import Request
from tests.chaos.oracle.items import Key, plain_name
from tests.chaos.traffic import TAG


class Delivery(NamedTuple):
    """One record in one request; several records may share a request."""

    key: Key
    request: Request


def deliveries(requests: Iterable[Request], present: Mapping[str, str]) -> list[Delivery]:
    """In the order of arrival, those without effect too."""
    return [Delivery(key, request) for request in requests for key in _keys(request, present)]


def _keys(request: Request, present: Mapping[str, str]) -> Iterator[Key]:
    match request.endpoint:
        case "POST segments":
            for visitor, segment in _rows(request.body):
                yield ("segment", visitor, segment.rpartition("-")[2])
        case "POST event":
            call = _call(request)
            event_id = call.get("vars", {}).get("mp_event_id")
            yield ("event", str(event_id), plain_name(call["event"]))
        case "POST user":
            call = _call(request)
            email = call["id"].lower()
            if TAG in call.get("vars", {}):
                yield ("update", call["vars"][TAG])
            for name in call.get("lists", {}):
                yield ("list", present.get(email, email), name)


def _call(request: Request) -> dict[str, Any]:
    call: dict[str, Any] = orjson.loads(parse_qs(request.body.decode())["json"][0])
    return call


def _rows(body: bytes) -> Iterator[tuple[str, str]]:
    if body.startswith(b"["):
        for row in orjson.loads(body):
            yield row["visitor_id"], row["segment"]
        return
    for cells in csv.DictReader(io.StringIO(body.decode(), newline="")):
        yield cells["visitor_id"], cells["segment"]
