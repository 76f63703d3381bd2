"""An uploaded file: bytes and media type to rows."""

import csv
import io
import re
from collections.abc import Iterable, Iterator

import orjson

from sandbox.ab_tasty import refusals
from sandbox.ab_tasty.options import Options
from sandbox.server import RefusedError

HEADER = ["visitor_id", "segment", "value"]
CSV, JSON = "text/csv", "application/json"

_VISITOR_ID = re.compile(r"[A-Za-z0-9-]{1,32}")
_VALUE = re.compile(r"[A-Za-z0-9À-ÿ$€£\[\]{}&(§!)\-_%=+:/.?<>@#]+")
"""Both documented: "Universal data connector API". A value also has a greatest length: unknown."""

Row = tuple[str, str, str]


def read_rows(media_type: str, body: bytes, options: Options) -> list[Row]:
    """The rows to apply, in order; raises RefusedError when the file is not taken."""
    if media_type not in (CSV, JSON):
        raise RefusedError(refusals.WRONG_MEDIA_TYPE, f"Send {CSV} or {JSON}")
    if len(body) > options.max_bytes:
        raise RefusedError(refusals.TOO_LARGE, f"Over {options.max_bytes} bytes")
    found = list(_parse(media_type, body))
    if len(found) > options.max_rows:
        raise RefusedError(refusals.TOO_LARGE, f"Over {options.max_rows} rows")
    return list(_checked(found, options))


def visitors(media_type: str, body: bytes) -> list[str]:
    """Everyone in the file, unchecked; raises RefusedError when it is no file of rows."""
    return [str(row[0]) for row in _parse(media_type, body) if isinstance(row, list)]


def _parse(media_type: str, body: bytes) -> Iterator[object]:
    return _read_csv(body) if media_type == CSV else _read_json(body)


def _read_csv(body: bytes) -> Iterator[list[str]]:
    try:
        lines = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        if next(lines, None) != HEADER:
            raise RefusedError(refusals.MALFORMED_FILE, f"Begin with {','.join(HEADER)}")
        yield from (cells for cells in lines if cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise RefusedError(refusals.MALFORMED_FILE, "This is not CSV in UTF-8") from error


def _read_json(body: bytes) -> Iterator[object]:
    try:
        rows = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(refusals.MALFORMED_FILE, "This is not JSON") from error
    if not isinstance(rows, list):
        raise RefusedError(refusals.MALFORMED_FILE, "Send an array of rows")
    for row in rows:
        if isinstance(row, dict) and row.keys() <= set(HEADER):
            yield [row.get("visitor_id"), row.get("segment"), row.get("value", "")]
        else:
            yield None


def _checked(rows: Iterable[object], options: Options) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        match row:
            case [str(visitor), str(segment), str(value)]:
                fault = _fault(visitor, segment, value, options)
                if not fault:
                    yield visitor, segment, value
            case _:
                fault = "it needs the texts visitor_id, segment and value"
        if fault and options.bad_row == "refuse-file":
            raise RefusedError(refusals.BAD_ROW, f"Row {number}: {fault}")


def _fault(visitor: str, segment: str, value: str, options: Options) -> str:
    if not _VISITOR_ID.fullmatch(visitor):
        return "visitor_id takes 1 to 32 letters, digits and hyphens"
    if value and not _VALUE.fullmatch(value):
        return "value holds a character that is not taken"
    if not segment:
        return "segment is empty"
    if options.segment_characters == "as-value" and not _VALUE.fullmatch(segment):
        return "segment holds a character that is not taken"
    return ""
