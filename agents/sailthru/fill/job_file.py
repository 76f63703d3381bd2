"""Renders users' changes as lines of an update job, and parts the lines into files. Pure.

Sources: pages "job - Update" and "job Examples" (getstarted.sailthru.com) for one JSON object a
line; industrydive/dive_sailthru_client client.py for a line of `id`, `key` and `vars`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import orjson

from agents.sailthru.calls import Call, UserCall

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


class Most(NamedTuple):
    """The largest job in users and bytes; Sailthru publishes no limit.

    Other programs close a file at 10,000 rows ("Sailthru Connector Setup Guide", docs.tealium.com)
    or at 5 MB (jsuggs/sailthru-toolkit UploadJobCommand.php).
    """

    users: int = 10_000
    size: int = 5_000_000


def line(call: Call) -> bytes | None:
    """A user's line; None for what is known of calls only, or what a job would lose in silence.

    Jobs make profiles by e-mail address. They have not been seen to set keys, to merge, or to take
    null; nobody tells which lines they refused, so what is no address must be told by a call.
    """
    if not isinstance(call, UserCall) or call.keys or call.lists or call.key != "email":
        return None
    if None in call.vars.values() or not _ADDRESS.fullmatch(call.id):
        return None
    try:
        return orjson.dumps(call.payload())
    except orjson.JSONEncodeError:
        return None  # an integer of more than 64 bits, or half a character


T = TypeVar("T")


def files(lines: Iterable[tuple[T, bytes]], most: Most) -> Iterator[Sequence[tuple[T, bytes]]]:
    """Parts lines, in order, into files of this size; a line that is larger has its own."""
    file: list[tuple[T, bytes]] = []
    size = 0
    for of, text in lines:
        if file and (len(file) >= most.users or size + len(text) + 1 > most.size):
            yield file
            file, size = [], 0
        file.append((of, text))
        size += len(text) + 1
    if file:
        yield file
